using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>The bank's customers.</summary>
/// <param name="consents">Null for the defaults.</param>
public sealed class CustomerRegister(NpgsqlDataSource dataSource, AddressVault vault, ConsentOptions? consents = null)
{
    /// <summary>Most customers of one batch.</summary>
    public const int MostAtOnce = 1000;

    private readonly ConsentOptions _consents = consents ?? new ConsentOptions();
    private readonly NameKeys _zones = NameKeys.TimeZones(dataSource);
    private readonly CustomerReader _reader = new(dataSource, vault);

    /// <summary>Creates a customer, or replaces all that the bank stated before; consents and events stay. 400 with every
    /// member at fault, 422 <c>unknown-timezone</c>, 409 <c>customer-erased</c>.</summary>
    public async Task<Result<Customer>> PutAsync(
        Actor actor,
        string id,
        CustomerProfile profile,
        CancellationToken cancellationToken
    )
    {
        var results = await PutManyAsync(actor, [new(id, profile)], cancellationToken);
        return results.TryGet(out var items, out var error) && items[0].Error is null
            ? await GetAsync(id, cancellationToken)
            : error ?? items![0].Error!;
    }

    /// <summary>Creates or replaces up to <see cref="MostAtOnce"/> customers, each for itself: what is wrong with one does
    /// not stop the others. An id that is there twice is refused the second time.</summary>
    /// <returns>One result an item, in their order.</returns>
    public async Task<Result<IReadOnlyList<BatchItem>>> PutManyAsync(
        Actor actor,
        IReadOnlyList<CustomerEntry> entries,
        CancellationToken cancellationToken
    )
    {
        if (entries.Count is 0 or > MostAtOnce)
        {
            return BatchSize(entries.Count);
        }

        var names = entries.Select(entry => entry.Profile.Zone).OfType<string>().Where(ProfileReader.IsZone);
        var zones = await _zones.OfAsync(names, cancellationToken);
        return await Contended.RunAsync(dataSource, connection => PutAsync(connection), cancellationToken);

        async Task<Result<IReadOnlyList<BatchItem>>> PutAsync(NpgsqlConnection connection)
        {
            var now = await BusinessClock.NowAsync(connection);
            var reader = new ProfileReader(await Fields.HoldAsync(connection), zones, vault);
            var results = new BatchItem[entries.Count];
            var rows = Read(reader, entries, results, DateOnly.FromDateTime(now.UtcDateTime));
            var merge = new CustomerMerge(
                connection,
                CustomerBatch.Source(rows),
                MergeScope.Everything,
                now,
                cancellationToken
            );
            Report(await merge.RunAsync(), entries, results);
            await AuditAsync(connection, now, actor, entries, results);
            return results;
        }
    }

    /// <summary>The customer, addresses masked; 404 where the id is unknown or the customer was erased.</summary>
    public Task<Result<Customer>> GetAsync(string id, CancellationToken cancellationToken) =>
        _reader.GetAsync(id, cancellationToken);

    /// <summary>Erases a customer: attributes, tags, events, addresses and their hashes, preferences and dates go, for
    /// good. The proof of consents stays under the internal key alone, and the id is taken in again by nobody. 404 where
    /// the id is unknown; a second time does nothing.</summary>
    public Task<Result<Done>> EraseAsync(Actor actor, string id, CancellationToken cancellationToken) =>
        Contended.RunAsync(
            dataSource,
            connection => Erasure.RunAsync(connection, actor, id, _consents, cancellationToken),
            cancellationToken
        );

    internal static Error BatchSize(int count) =>
        count == 0
            ? Error.Validation(new FieldError("", "must hold at least one item"))
            : new Error(ErrorKind.TooLarge, "batch-too-large", $"A batch holds {MostAtOnce} items at most.");

    internal static Error Erased(string id) =>
        new(ErrorKind.Conflict, "customer-erased", $"Customer '{id}' was erased; nothing is taken in for this id.");

    private static List<CustomerRow> Read(
        ProfileReader reader,
        IReadOnlyList<CustomerEntry> entries,
        BatchItem[] results,
        DateOnly today
    )
    {
        var rows = new List<CustomerRow>(entries.Count);
        var ids = new HashSet<string>();
        for (var index = 0; index < entries.Count; index++)
        {
            var (id, profile) = entries[index];
            if (!ids.Add(id))
            {
                results[index] = new(index, id, ItemStatus.Refused, Repeated);
            }
            else if (reader.Read(index, id, profile, today).TryGet(out var row, out var error))
            {
                rows.Add(row);
            }
            else
            {
                results[index] = new(index, id, ItemStatus.Refused, error);
            }
        }

        return rows;
    }

    private static Error Repeated =>
        Error.Invalid("repeated-id", "id", "The id is in this batch already; the first one counts.");

    private static void Report(Merged merged, IReadOnlyList<CustomerEntry> entries, BatchItem[] results)
    {
        Set(merged.Created, index => new(index, entries[index].Id, ItemStatus.Created));
        Set(merged.Updated, index => new(index, entries[index].Id, ItemStatus.Updated));
        Set(merged.Erased, index => new(index, entries[index].Id, ItemStatus.Refused, Erased(entries[index].Id)));
        for (var index = 0; index < results.Length; index++)
        {
            results[index] ??= new(index, entries[index].Id, ItemStatus.Unchanged);
        }

        void Set(int[] indexes, Func<int, BatchItem> result)
        {
            foreach (var index in indexes)
            {
                results[index] = result(index);
            }
        }
    }

    private static Task AuditAsync(
        NpgsqlConnection connection,
        DateTimeOffset now,
        Actor actor,
        IReadOnlyList<CustomerEntry> entries,
        BatchItem[] results
    )
    {
        var created = results.Count(result => result.Status == ItemStatus.Created);
        var updated = results.Count(result => result.Status == ItemStatus.Updated);
        if (created + updated == 0)
        {
            return Task.CompletedTask;
        }

        return entries.Count == 1
            ? AuditLog.WriteAsync(
                connection,
                now,
                actor,
                created == 1 ? "created" : "updated",
                "customer",
                entries[0].Id
            )
            : AuditLog.WriteAsync(
                connection,
                now,
                actor,
                "received",
                "customers",
                "",
                new
                {
                    created,
                    updated,
                    digest = Digests.Of(entries),
                }
            );
    }
}
