using System.Text.Json;
using System.Text.RegularExpressions;
using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Takes in what customers did.</summary>
public sealed partial class EventIntake(NpgsqlDataSource dataSource)
{
    private const decimal AmountLimit = 1e16m;
    private const int MostAttributes = 50;

    /// <summary>What a source's own id has to be, for a person.</summary>
    public const string IdForm = "must be 1 to 128 printable characters";

    private readonly NameKeys _types = NameKeys.EventTypes(dataSource);
    private readonly NameKeys _sources = NameKeys.EventSources(dataSource);

    /// <summary>Stores up to <see cref="CustomerRegister.MostAtOnce"/> events in a transaction of their own, with one audit
    /// row.</summary>
    /// <param name="also">What else has to happen in the same transaction, given the new ones; null for nothing.</param>
    public async Task<Result<EventBatch>> RecordAsync(
        Actor actor,
        IReadOnlyList<EventEntry> entries,
        Func<NpgsqlConnection, EventBatch, DateTimeOffset, Task>? also,
        CancellationToken cancellationToken
    )
    {
        if (entries.Count is 0 or > CustomerRegister.MostAtOnce)
        {
            return CustomerRegister.BatchSize(entries.Count);
        }

        await LearnNamesAsync(actor, entries, cancellationToken);
        return await Contended.RunAsync(
            dataSource,
            async connection =>
            {
                var now = await BusinessClock.NowAsync(connection);
                var batch = await StoreAsync(connection, actor, entries, now, cancellationToken);
                if (batch.Stored.Count > 0)
                {
                    await AuditLog.WriteAsync(
                        connection,
                        now,
                        actor,
                        "received",
                        "events",
                        "",
                        new { stored = batch.Stored.Count, digest = Digests.Of(entries) }
                    );
                    await (also?.Invoke(connection, batch, now) ?? Task.CompletedTask);
                }

                return (Result<EventBatch>)batch;
            },
            cancellationToken
        );
    }

    // Before the transaction: whoever holds a connection must not wait for another, or as many callers as there are
    // connections would wait for each other.
    private async Task LearnNamesAsync(
        Actor actor,
        IReadOnlyList<EventEntry> entries,
        CancellationToken cancellationToken
    )
    {
        if (_types.Knows(entries.Select(entry => entry.Name)) && _sources.Knows(entries.Select(entry => entry.Source)))
        {
            return;
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var now = await BusinessClock.NowAsync(connection);
        var good = entries.Where((entry, index) => Check(entry, index, now).Error is null).ToList();
        var erased = (
            await connection.QueryAsync<string>(
                "SELECT customer_id FROM customer WHERE customer_id = ANY (@ids) AND erased",
                new { ids = good.Select(entry => entry.CustomerId).Distinct().ToArray() }
            )
        ).ToHashSet();
        good.RemoveAll(entry => erased.Contains(entry.CustomerId));
        // A partner's only source is its own id.
        await _sources.LearnAsync(connection, good.Select(entry => entry.Source), add: true);
        await _types.LearnAsync(connection, good.Select(entry => entry.Name), add: actor.PartnerId is null);
    }

    /// <summary>Stores events in the caller's transaction: each for itself, those that are known already not again, an
    /// unknown customer's under a stub. The transaction may fail with 23505 or 40P01 and be repeated.</summary>
    /// <param name="now">Business time.</param>
    private async Task<EventBatch> StoreAsync(
        NpgsqlConnection connection,
        Actor actor,
        IReadOnlyList<EventEntry> entries,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        // An erasure waits for us, or we for it: no event is left behind.
        await connection.ExecuteAsync("LOCK TABLE event IN ROW EXCLUSIVE MODE");
        var items = entries.Select((entry, index) => Check(entry, index, now)).ToArray();
        var good = Enumerable.Range(0, entries.Count).Where(index => items[index].Error is null).ToList();
        var types = _types.Known(good.Select(index => entries[index].Name));
        var sources = _sources.Known(good.Select(index => entries[index].Source));
        var customers = await Stubs.FindOrCreateAsync(
            connection,
            good.Select(index => entries[index].CustomerId),
            now,
            cancellationToken
        );
        var rows = new List<StoredEvent>(good.Count);
        foreach (var index in good)
        {
            var entry = entries[index];
            var customer = customers[entry.CustomerId];
            var fault =
                customer.Erased ? CustomerRegister.Erased(entry.CustomerId)
                : !types.ContainsKey(entry.Name)
                    ? actor.PartnerId is null ? TooManyNames("name")
                        : UnknownName
                : !sources.ContainsKey(entry.Source) ? TooManyNames("source")
                : null;
            if (fault is null)
            {
                rows.Add(new(index, customer.Key, sources[entry.Source], types[entry.Name], entry));
                items[index] = items[index] with { Unmatched = customer.Stub };
            }
            else
            {
                items[index] = new(index, entry.Id, ItemStatus.Refused, fault);
            }
        }

        var stored = await InsertAsync(connection, rows, now, cancellationToken);
        foreach (var row in stored)
        {
            items[row.Index] = items[row.Index] with { Status = ItemStatus.Created };
        }

        return new EventBatch(items, stored);
    }

    private static async Task<List<StoredEvent>> InsertAsync(
        NpgsqlConnection connection,
        List<StoredEvent> rows,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        if (rows.Count == 0)
        {
            return rows;
        }

        // In the order of the key, which is that in which two batches wait for each other. An event that is twice in the
        // batch is stored once, as the first says it.
        var sorted = rows.DistinctBy(row => (row.CustomerKey, row.EventSource, row.Entry.Id))
            .OrderBy(row => row.CustomerKey)
            .ThenBy(row => row.EventSource)
            .ThenBy(row => row.Entry.Id, StringComparer.Ordinal)
            .ToList();
        var inserted = await connection.QueryByKeysAsync<(long, short, string)>(
            """
            INSERT INTO event (
                customer_key, occurred_at, recorded_at, event_type, event_source, event_id, amount, currency, attributes
            )
            SELECT e.customer_key, e.occurred_at, @now, e.event_type, e.event_source, e.event_id, e.amount, e.currency,
                e.attributes::jsonb
            FROM unnest(@keys, @at, @types, @sources, @ids, @amounts, @currencies, @attributes)
                AS e (customer_key, occurred_at, event_type, event_source, event_id, amount, currency, attributes)
            ON CONFLICT DO NOTHING
            RETURNING customer_key, event_source, event_id
            """,
            cancellationToken,
            ("keys", Column(row => row.CustomerKey)),
            ("at", Column(row => row.Entry.OccurredAt.UtcDateTime)),
            ("types", Column(row => row.EventType)),
            ("sources", Column(row => row.EventSource)),
            ("ids", Column(row => row.Entry.Id)),
            ("amounts", Column(row => row.Entry.Amount)),
            ("currencies", Column(row => row.Entry.Currency)),
            (
                "attributes",
                Column(row => row.Entry.Attributes is null ? null : JsonSerializer.Serialize(row.Entry.Attributes))
            ),
            ("now", now)
        );
        var fresh = inserted.ToHashSet();
        return [.. sorted.Where(row => fresh.Contains((row.CustomerKey, row.EventSource, row.Entry.Id)))];

        T[] Column<T>(Func<StoredEvent, T> value) => [.. sorted.Select(value)];
    }

    private static Error TooManyNames(string path) =>
        Error.Invalid(
            "too-many-names",
            path,
            $"At most {NameKeys.MostNames} different ones can be told apart: use one that is known, and say more in attributes."
        );

    private static Error UnknownName =>
        Error.Invalid(
            "unknown-name",
            "name",
            "A partner uses names that are known: ask the bank to approve the campaign whose goal this is, or to send an event of this name first."
        );

    /// <summary>What can be said of an entry without the database; <c>unchanged</c> where nothing is wrong.</summary>
    internal static BatchItem Check(EventEntry entry, int index, DateTimeOffset now)
    {
        var error = Faults(entry).ToArray() is { Length: > 0 } faults
            ? Error.Validation(faults)
            : Instants.FindFault(entry.OccurredAt, now, "occurredAt");
        return new(index, entry.Id, error is null ? ItemStatus.Unchanged : ItemStatus.Refused, error);
    }

    /// <summary>Whether a text may be a source's own id of an event.</summary>
    public static bool IsId(string id) => Texts.IsPrintable(id, 1, 128);

    private static IEnumerable<FieldError> Faults(EventEntry entry)
    {
        foreach (var fault in entry.Faults)
        {
            yield return fault;
        }

        if (!entry.IsOwn && EventNames.FindSourceFault(entry.Source) is { } sourceFault)
        {
            yield return sourceFault;
        }

        if (!EventNames.IsValid(entry.Name))
        {
            yield return new("name", EventNames.Form);
        }

        if (!IsId(entry.Id))
        {
            yield return new("id", IdForm);
        }

        if (!CustomerIds.IsValid(entry.CustomerId))
        {
            yield return new("customerId", CustomerIds.Form);
        }

        if (entry.Amount is { } amount && (Math.Abs(amount) >= AmountLimit || decimal.Round(amount, 4) != amount))
        {
            yield return new("amount", "must have at most 16 digits before the point and 4 after it");
        }

        if (entry.Currency is not null && !CurrencyPattern().IsMatch(entry.Currency))
        {
            yield return new("currency", "must be three capital letters, as in CNY");
        }

        if (entry.Attributes is { } attributes && (attributes.Count > MostAttributes || !attributes.All(IsAttribute)))
        {
            yield return new(
                "attributes",
                $"must be at most {MostAttributes} texts of at most 500 characters, numbers and booleans"
            );
        }

        if (
            entry.Attributes?.TryGetValue(EventNames.Reverses, out var reversed) is true
            && !(reversed.ValueKind == JsonValueKind.String && IsId(reversed.GetString()!))
        )
        {
            yield return new($"attributes.{EventNames.Reverses}", $"{IdForm}: the id of the event that is taken back");
        }
    }

    private static bool IsAttribute(KeyValuePair<string, JsonElement> attribute) =>
        Texts.IsPrintable(attribute.Key, 1, 63)
        && attribute.Value.ValueKind switch
        {
            JsonValueKind.String => Texts.IsPrintable(attribute.Value.GetString()!, 0, 500),
            JsonValueKind.Number => attribute.Value.TryGetDecimal(out _),
            JsonValueKind.True or JsonValueKind.False => true,
            _ => false,
        };

    [GeneratedRegex(@"\A[A-Z]{3}\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex CurrencyPattern();
}
