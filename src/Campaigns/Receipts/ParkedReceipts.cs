using System.Text.Json;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Dispatch;
using Campaigns.Json;
using Dapper;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>Receipts that refer to nothing we know: kept, shown, and joined when what they refer to appears.</summary>
internal sealed class ParkedReceipts(NpgsqlDataSource dataSource)
{
    private const int AtOnce = 1_000;
    private static readonly TimeSpan JoinedWithin = TimeSpan.FromDays(3);

    internal static async Task ParkAsync(
        NpgsqlConnection connection,
        IReadOnlyList<(string Source, string EventId, string Receipt)> receipts,
        DateTimeOffset now
    )
    {
        if (receipts.Count == 0)
        {
            return;
        }

        await connection.ExecuteAsync(
            """
            INSERT INTO parked_receipt (source, event_id, receipt, received_at)
            SELECT source, event_id, receipt::jsonb, @now
            FROM unnest(@sources, @ids, @receipts) AS t (source, event_id, receipt)
            ON CONFLICT DO NOTHING
            """,
            new
            {
                sources = receipts.Select(receipt => receipt.Source).ToArray(),
                ids = receipts.Select(receipt => receipt.EventId).ToArray(),
                receipts = receipts.Select(receipt => receipt.Receipt).ToArray(),
                now,
            }
        );
    }

    /// <summary>Joins what can be joined by now.</summary>
    /// <returns>How many were.</returns>
    internal async Task<int> JoinAsync(CancellationToken cancellationToken)
    {
        var joined = 0;
        Row? last = null;
        do
        {
            (var batch, last) = await Contended.RunAsync(
                dataSource,
                connection => JoinBatchAsync(connection, last, cancellationToken),
                cancellationToken
            );
            joined += batch;
        } while (last is not null);

        return joined;
    }

    /// <summary>Goes on after a row, past those that stay although they look as if they could be joined.</summary>
    /// <returns>How many were joined, and the last that was looked at; null when none was left.</returns>
    private static async Task<(int Joined, Row? Last)> JoinBatchAsync(
        NpgsqlConnection connection,
        Row? after,
        CancellationToken cancellationToken
    )
    {
        var now = await BusinessClock.NowAsync(connection);
        // OFFSET 0: by keys, row by row, whatever the planner thinks of joining all attempts first.
        var rows = (
            await connection.QueryAsync<Row>(
                """
                SELECT p.source, p.event_id, p.receipt::text AS receipt, p.received_at
                FROM parked_receipt p
                WHERE p.joined_at IS NULL AND p.received_at > @since
                  AND (p.received_at, p.source, p.event_id) > (@receivedAt, @source, @eventId)
                  AND (EXISTS (
                           SELECT
                           FROM attempt a
                           JOIN outcome o USING (run_key, chunk, request)
                           WHERE a.request_key = p.receipt ->> 'requestKey'
                           OFFSET 0)
                       OR EXISTS (
                           SELECT
                           FROM (
                               SELECT * FROM outcome
                               WHERE provider_ids @> ARRAY[p.receipt ->> 'providerId']
                               OFFSET 0
                           ) o
                           CROSS JOIN LATERAL (
                               SELECT FROM attempt a
                               WHERE a.run_key = o.run_key AND a.chunk = o.chunk AND a.request = o.request
                                 AND a.gateway = p.source
                               OFFSET 0
                           ) a)
                       OR EXISTS (
                           SELECT FROM test_message t WHERE t.provider_id = p.receipt ->> 'providerId'))
                ORDER BY p.received_at, p.source, p.event_id
                LIMIT @AtOnce
                FOR UPDATE SKIP LOCKED
                """,
                new
                {
                    since = now - JoinedWithin,
                    receivedAt = after?.ReceivedAt ?? DateTimeOffset.UnixEpoch,
                    source = after?.Source ?? "",
                    eventId = after?.EventId ?? "",
                    AtOnce,
                }
            )
        ).AsList();
        if (rows.Count == 0)
        {
            return (0, null);
        }

        var done = new List<Row>();
        foreach (var row in rows.Where(row => row.Source == MassReceipts.Source))
        {
            if (
                await MassReceipts.RecordAsync(
                    connection,
                    JsonSerializer.Deserialize<MassSaid>(row.Receipt, ProductJson.Options)!,
                    now
                )
            )
            {
                done.Add(row);
            }
        }

        var single = rows.Where(row => row.Source != MassReceipts.Source).ToList();
        var said = single.Select(row => row.Said()).ToList();
        var matches = (await ReceiptMatch.FindAsync(connection, said))
            .Where(match => match.Answer is not null)
            .ToList();
        await ReceiptLog.RecordAsync(
            connection,
            [.. matches.Select(match => (match, said[match.Ord]))],
            now,
            cancellationToken
        );
        done.AddRange(matches.Select(match => single[match.Ord]).Distinct());
        var tests = await TestSendLog.ReceivedAsync(connection, [.. said.Select(one => one.OfTest())]);
        done.AddRange(tests.Select(ord => single[ord]));
        await connection.ExecuteAsync(
            """
            UPDATE parked_receipt p
            SET joined_at = @now
            FROM unnest(@sources, @ids) AS t (source, event_id)
            WHERE p.source = t.source AND p.event_id = t.event_id
            """,
            new
            {
                now,
                sources = done.Select(row => row.Source).ToArray(),
                ids = done.Select(row => row.EventId).ToArray(),
            }
        );
        return (done.Count, rows[^1]);
    }

    private sealed class Row
    {
        public string Source { get; init; } = "";
        public string EventId { get; init; } = "";
        public string Receipt { get; init; } = "";
        public DateTimeOffset ReceivedAt { get; init; }

        internal Said Said() =>
            JsonSerializer.Deserialize<Said>(Receipt, ProductJson.Options)! with
            {
                Source = Source,
                EventId = EventId,
            };
    }
}
