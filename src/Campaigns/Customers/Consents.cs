using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Channels;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Grants and refusals. Each is kept as proof; the newest by when it was said is what holds, and of two at one
/// instant the refusal.</summary>
public sealed class Consents(NpgsqlDataSource dataSource)
{
    private const short EveryChannel = 0;

    /// <summary>Takes in up to <see cref="CustomerRegister.MostAtOnce"/> grants and refusals, in any order, each for itself. One
    /// that is known already changes nothing. An unknown customer becomes a stub.</summary>
    /// <returns>One result an item, in their order; <c>updated</c> is one that was added.</returns>
    public async Task<Result<IReadOnlyList<BatchItem>>> RecordAsync(
        Actor actor,
        IReadOnlyList<ConsentEntry> entries,
        CancellationToken cancellationToken
    ) =>
        entries.Count is 0 or > CustomerRegister.MostAtOnce
            ? CustomerRegister.BatchSize(entries.Count)
            : await Contended.RunAsync(
                dataSource,
                connection => RecordAsync(connection, actor, entries, cancellationToken),
                cancellationToken
            );

    /// <summary>A customer's refusal of marketing by one channel, as a reply to a message says it. In the caller's
    /// transaction; holds from the moment it commits.</summary>
    public static Task RefuseAsync(
        NpgsqlConnection connection,
        long customerKey,
        Channel channel,
        string source,
        DateTimeOffset at
    ) =>
        AppendAsync(
            connection,
            [new Row(0, customerKey, (short)channel, ConsentPurpose.Marketing, false, source, null, null, at)],
            at,
            CancellationToken.None
        );

    private static async Task<Result<IReadOnlyList<BatchItem>>> RecordAsync(
        NpgsqlConnection connection,
        Actor actor,
        IReadOnlyList<ConsentEntry> entries,
        CancellationToken cancellationToken
    )
    {
        var now = await BusinessClock.NowAsync(connection);
        var results = entries.Select((entry, index) => Check(entry, index, now)).ToArray();
        var good = Enumerable.Range(0, entries.Count).Where(index => results[index].Error is null).ToList();
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
            if (customers[entry.CustomerId].Erased)
            {
                results[index] = new(
                    index,
                    entry.CustomerId,
                    ItemStatus.Refused,
                    CustomerRegister.Erased(entry.CustomerId)
                );
            }
            else
            {
                rows.Add(Row.Of(index, customers[entry.CustomerId].Key, entry));
            }
        }

        var added = await AppendAsync(connection, rows, now, cancellationToken);
        foreach (var index in added)
        {
            results[index] = results[index] with { Status = ItemStatus.Updated };
        }

        if (added.Length > 0)
        {
            await AuditAsync(connection, now, actor, entries, added);
        }

        return results;
    }

    private static async Task<int[]> AppendAsync(
        NpgsqlConnection connection,
        List<Row> rows,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        var keys = rows.Select(row => row.Key).Distinct().Order().ToArray();
        await connection.ExecuteAsync(
            "SELECT FROM contact WHERE customer_key = ANY (@keys) ORDER BY customer_key FOR UPDATE",
            new { keys }
        );
        var added = await connection.QueryAsync<int>(
            new CommandDefinition(
                """
                WITH given AS (
                    SELECT DISTINCT ON (customer_key, channel, purpose, granted, source, occurred_at) *
                    FROM unnest(
                        @ords, @customers, @channels, @purposes, @granted, @sources, @texts, @operators, @at
                    ) AS g (ord, customer_key, channel, purpose, granted, source, text_version, operator, occurred_at)
                    ORDER BY customer_key, channel, purpose, granted, source, occurred_at, ord
                ), fresh AS MATERIALIZED (
                    SELECT * FROM given AS g
                    WHERE NOT EXISTS (
                        SELECT FROM consent AS c
                        WHERE c.customer_key = g.customer_key AND c.channel = g.channel AND c.purpose = g.purpose
                            AND c.granted = g.granted AND c.source = g.source AND c.occurred_at = g.occurred_at
                    )
                ), added AS (
                    INSERT INTO consent (
                        customer_key, channel, purpose, granted, source, text_version, operator, occurred_at, recorded_at
                    )
                    SELECT customer_key, channel, purpose, granted, source, text_version, operator, occurred_at, @now
                    FROM fresh
                )
                SELECT ord FROM fresh
                """,
                new
                {
                    ords = rows.Select(row => row.Ordinal).ToArray(),
                    customers = rows.Select(row => row.Key).ToArray(),
                    channels = rows.Select(row => row.Channel).ToArray(),
                    purposes = rows.Select(row => row.Purpose.ToString().ToLowerInvariant()).ToArray(),
                    granted = rows.Select(row => row.Granted).ToArray(),
                    sources = rows.Select(row => row.Source).ToArray(),
                    texts = rows.Select(row => row.TextVersion).ToArray(),
                    operators = rows.Select(row => row.Operator).ToArray(),
                    at = rows.Select(row => row.OccurredAt.UtcDateTime).ToArray(),
                    now,
                },
                cancellationToken: cancellationToken
            )
        );
        await ConsentBits.RecomputeAsync(connection, keys);
        return [.. added];
    }

    private static BatchItem Check(ConsentEntry entry, int index, DateTimeOffset now)
    {
        var error = Faults(entry).ToArray() is { Length: > 0 } faults
            ? Error.Validation(faults)
            : Instants.FindFault(entry.OccurredAt, now, "occurredAt");
        return new(index, entry.CustomerId, error is null ? ItemStatus.Unchanged : ItemStatus.Refused, error);
    }

    private static IEnumerable<FieldError> Faults(ConsentEntry entry)
    {
        if (!CustomerIds.IsValid(entry.CustomerId))
        {
            yield return new("customerId", CustomerIds.Form);
        }

        if (entry.Channel is not null && entry.Purpose != ConsentPurpose.Marketing)
        {
            yield return new("channel", "is for the purpose marketing only");
        }

        if (!Texts.IsPrintable(entry.Source, 1, 64))
        {
            yield return new("source", "must be 1 to 64 printable characters");
        }

        if (entry.TextVersion is not null && !Texts.IsPrintable(entry.TextVersion, 1, 64))
        {
            yield return new("textVersion", "must be 1 to 64 printable characters");
        }

        if (entry.Operator is not null && !Texts.IsPrintable(entry.Operator, 1, 64))
        {
            yield return new("operator", "must be 1 to 64 printable characters");
        }
    }

    private static Task AuditAsync(
        NpgsqlConnection connection,
        DateTimeOffset now,
        Actor actor,
        IReadOnlyList<ConsentEntry> entries,
        int[] added
    ) =>
        entries.Count == 1
            ? AuditLog.WriteAsync(
                connection,
                now,
                actor,
                entries[0].Granted ? "granted" : "refused",
                "consent",
                entries[0].CustomerId,
                new
                {
                    channel = entries[0].Channel?.ToString().ToLowerInvariant() ?? "all",
                    purpose = entries[0].Purpose.ToString().ToLowerInvariant(),
                    entries[0].Source,
                }
            )
            : AuditLog.WriteAsync(
                connection,
                now,
                actor,
                "received",
                "consents",
                "",
                new { added = added.Length, digest = Digests.Of(entries) }
            );

    private sealed record Row(
        int Ordinal,
        long Key,
        short Channel,
        ConsentPurpose Purpose,
        bool Granted,
        string Source,
        string? TextVersion,
        string? Operator,
        DateTimeOffset OccurredAt
    )
    {
        public static Row Of(int ordinal, long key, ConsentEntry entry) =>
            new(
                ordinal,
                key,
                entry.Channel is { } channel ? (short)channel : EveryChannel,
                entry.Purpose,
                entry.Granted,
                entry.Source,
                entry.TextVersion,
                entry.Operator,
                entry.OccurredAt
            );
    }
}
