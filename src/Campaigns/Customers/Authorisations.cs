using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Channels;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Messages that customers have authorised, each by a template of the provider's: what reaches them by subscribe
/// messages. Every authorisation is for one message, and is spent with its attempt.</summary>
public sealed class Authorisations(NpgsqlDataSource dataSource, AddressVault vault)
{
    /// <summary>Most messages of one entry.</summary>
    public const int MostMessages = 1_000;

    private readonly NameKeys _templates = NameKeys.AuthorisedTemplates(dataSource);
    private readonly NameKeys _sources = NameKeys.EventSources(dataSource);

    /// <summary>Takes in up to <see cref="CustomerRegister.MostAtOnce"/> entries, in any order, each for itself, and once by
    /// source and id. An unknown customer becomes a stub.</summary>
    /// <returns>One result an item, in their order; <c>created</c> is one that was added.</returns>
    public async Task<Result<IReadOnlyList<BatchItem>>> RecordAsync(
        Actor actor,
        IReadOnlyList<AuthorisationEntry> entries,
        CancellationToken cancellationToken
    )
    {
        if (entries.Count is 0 or > CustomerRegister.MostAtOnce)
        {
            return CustomerRegister.BatchSize(entries.Count);
        }

        // Before the transaction: whoever holds a connection must not wait for another.
        await LearnAsync([.. entries.Where(entry => !Faults(entry).Any())], cancellationToken);
        return await Contended.RunAsync(
            dataSource,
            connection => RecordAsync(connection, actor, entries, cancellationToken),
            cancellationToken
        );
    }

    /// <summary>Takes in what a callback says, once however often it comes. Of an address that is no customer's nothing is
    /// kept; of a shared one it is its owner's.</summary>
    public async Task TakeAsync(
        Channel channel,
        IReadOnlyList<ProviderAuthorisation> said,
        CancellationToken cancellationToken
    )
    {
        if (said.Count == 0)
        {
            return;
        }

        var entries = said.Select(one => new AuthorisationEntry(
                EventNames.WeChat,
                one.EventId,
                CustomerId: "",
                one.Template,
                one.Messages,
                one.At
            ))
            .ToArray();
        await LearnAsync(entries, cancellationToken);
        await Contended.RunAsync(
            dataSource,
            async connection =>
            {
                var rows = new List<Row>();
                foreach (var (one, entry) in said.Zip(entries))
                {
                    if (
                        await OwnerAsync(connection, channel, one.Address) is { } owner
                        && Of(0, owner, entry) is { } row
                    )
                    {
                        rows.Add(row);
                    }
                }

                await AddAsync(connection, rows, await BusinessClock.NowAsync(connection), cancellationToken);
                return default(Done);
            },
            cancellationToken
        );
    }

    private async Task<Result<IReadOnlyList<BatchItem>>> RecordAsync(
        NpgsqlConnection connection,
        Actor actor,
        IReadOnlyList<AuthorisationEntry> entries,
        CancellationToken cancellationToken
    )
    {
        var now = await BusinessClock.NowAsync(connection);
        var items = entries.Select((entry, index) => Check(entry, index, now)).ToArray();
        var good = Enumerable.Range(0, entries.Count).Where(index => items[index].Error is null).ToList();
        var customers = await Stubs.FindOrCreateAsync(
            connection,
            good.Select(index => entries[index].CustomerId),
            now,
            cancellationToken
        );
        var rows = new List<Row>(good.Count);
        foreach (var index in good)
        {
            var entry = entries[index];
            var customer = customers[entry.CustomerId];
            if (!customer.Erased && Of(index, customer.Key, entry) is { } row)
            {
                rows.Add(row);
                continue;
            }

            var fault = customer.Erased
                ? CustomerRegister.Erased(entry.CustomerId)
                : Error.Invalid("too-many-names", "template", $"At most {NameKeys.MostNames} can be told apart.");
            items[index] = new(index, entry.Id, ItemStatus.Refused, fault);
        }

        var added = await AddAsync(connection, rows, now, cancellationToken);
        foreach (var row in added)
        {
            items[row.Index] = items[row.Index] with { Status = ItemStatus.Created };
        }

        if (added.Count > 0)
        {
            await AuditLog.WriteAsync(
                connection,
                now,
                actor,
                "received",
                "authorisations",
                "",
                new { added = added.Count, digest = Digests.Of(entries) }
            );
        }

        return items;
    }

    private async Task LearnAsync(IReadOnlyList<AuthorisationEntry> entries, CancellationToken cancellationToken)
    {
        await _templates.OfAsync(entries.Select(entry => entry.Template), cancellationToken);
        await _sources.OfAsync(entries.Select(entry => entry.Source), cancellationToken);
    }

    /// <summary>Null where there is no room for its names.</summary>
    private Row? Of(int index, long customer, AuthorisationEntry entry) =>
        _templates.Known([entry.Template]).TryGetValue(entry.Template, out var template)
        && _sources.Known([entry.Source]).TryGetValue(entry.Source, out var source)
            ? new Row(index, customer, source, entry.Id, template, (short)entry.Messages, entry.OccurredAt)
            : null;

    private async Task<long?> OwnerAsync(NpgsqlConnection connection, Channel channel, string address) =>
        AddressForms.Normalise(channel, address) is { } normal
            ? await connection.QuerySingleAsync<long?>(
                "SELECT min(customer_key) FROM address WHERE channel = @channel AND lookup = @lookup",
                new { channel = (short)channel, lookup = vault.Lookup(channel, normal) }
            )
            : null;

    /// <returns>Those that are new.</returns>
    private static async Task<List<Row>> AddAsync(
        NpgsqlConnection connection,
        List<Row> rows,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        // An erasure waits for us, or we for it: nothing of the customer's is left behind.
        var there = (
            await connection.QueryAsync<long>(
                """
                SELECT customer_key FROM customer
                WHERE customer_key = ANY (@keys) AND NOT erased
                ORDER BY customer_key
                FOR KEY SHARE
                """,
                new { keys = rows.Select(row => row.CustomerKey).Distinct().ToArray() }
            )
        ).ToHashSet();
        var given = rows.Where(row => there.Contains(row.CustomerKey))
            .DistinctBy(row => row.EntryId)
            .OrderBy(row => row.CustomerKey)
            .ThenBy(row => row.Source)
            .ThenBy(row => row.Id, StringComparer.Ordinal)
            .ToList();
        var inserted = await connection.QueryAsync<(long, short, string)>(
            new CommandDefinition(
                """
                INSERT INTO authorisation_entry (
                    customer_key, event_source, event_id, authorised_template, messages, occurred_at, recorded_at
                )
                SELECT e.customer_key, e.event_source, e.event_id, e.authorised_template, e.messages, e.occurred_at, @now
                FROM unnest(@keys, @sources, @ids, @templates, @messages, @at)
                    AS e (customer_key, event_source, event_id, authorised_template, messages, occurred_at)
                ON CONFLICT DO NOTHING
                RETURNING customer_key, event_source, event_id
                """,
                new
                {
                    keys = given.Select(row => row.CustomerKey).ToArray(),
                    sources = given.Select(row => row.Source).ToArray(),
                    ids = given.Select(row => row.Id).ToArray(),
                    templates = given.Select(row => row.Template).ToArray(),
                    messages = given.Select(row => row.Messages).ToArray(),
                    at = given.Select(row => row.OccurredAt.UtcDateTime).ToArray(),
                    now,
                },
                cancellationToken: cancellationToken
            )
        );
        var fresh = inserted.ToHashSet();
        var added = given.Where(row => fresh.Contains(row.EntryId)).ToList();
        await UnspentAuthorisations.SettleAsync(
            connection,
            [.. added.Select(row => (row.CustomerKey, row.Template, row.Messages, row.OccurredAt))],
            cancellationToken
        );
        return added;
    }

    private static BatchItem Check(AuthorisationEntry entry, int index, DateTimeOffset now)
    {
        var error = Faults(entry).ToArray() is { Length: > 0 } faults
            ? Error.Validation(faults)
            : Instants.FindFault(entry.OccurredAt, now, "occurredAt");
        return new(index, entry.Id, error is null ? ItemStatus.Unchanged : ItemStatus.Refused, error);
    }

    private static IEnumerable<FieldError> Faults(AuthorisationEntry entry)
    {
        if (EventNames.FindSourceFault(entry.Source) is { } sourceFault)
        {
            yield return sourceFault;
        }

        if (!Texts.IsPrintable(entry.Id, 1, 128))
        {
            yield return new("id", "must be 1 to 128 printable characters");
        }

        if (!CustomerIds.IsValid(entry.CustomerId))
        {
            yield return new("customerId", CustomerIds.Form);
        }

        if (!Texts.IsPrintable(entry.Template, 1, 100))
        {
            yield return new("template", "must be 1 to 100 printable characters: the provider's template id");
        }

        if (entry.Messages is < 0 or > MostMessages)
        {
            yield return new("messages", $"must be 0 (none is authorised any more) to {MostMessages}");
        }
    }

    private sealed record Row(
        int Index,
        long CustomerKey,
        short Source,
        string Id,
        short Template,
        short Messages,
        DateTimeOffset OccurredAt
    )
    {
        internal (long, short, string) EntryId => (CustomerKey, Source, Id);
    }
}

/// <summary>What a customer said about messages by one of the provider's templates.</summary>
/// <param name="Source">Who says so, such as <c>mobile-bank</c>: 1 to 63 characters of <c>[a-z0-9._-]</c>.</param>
/// <param name="Id">The source's own id of it, 1 to 128 printable characters. The same id of one source and customer is the
/// same entry.</param>
/// <param name="Template">The provider's id of the template, 1 to 100 printable characters.</param>
/// <param name="Messages">How many more she authorises, at most <see cref="Authorisations.MostMessages"/>; 0 takes back what
/// she authorised up to then.</param>
/// <param name="OccurredAt">From 2000 to five minutes from now.</param>
public sealed record AuthorisationEntry(
    string Source,
    string Id,
    string CustomerId,
    string Template,
    int Messages,
    DateTimeOffset OccurredAt
);
