using Campaigns.Channels;
using Campaigns.Dispatch;
using Dapper;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>Appends receipts, one row for each state said of an attempt, and what they change in the counters.</summary>
internal sealed class ReceiptLog(LocalDays localDays)
{
    private const int LockClass = 0x52435054; // "RCPT"

    /// <summary>Records receipts whose attempts have outcomes, on the connection and in the transaction of who took them
    /// in.</summary>
    /// <returns>How many said something new.</returns>
    internal async Task<int> RecordAsync(
        NpgsqlConnection connection,
        IReadOnlyList<(ReceiptMatch Match, Said Said)> receipts,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        if (receipts.Count == 0)
        {
            return 0;
        }

        await LockAsync(connection, receipts.Select(receipt => receipt.Match.RequestId));
        var before = await StatesAsync(connection, receipts.Select(receipt => receipt.Match));
        var added = await AppendAsync(connection, receipts, now);
        var matches = receipts
            .GroupBy(receipt => receipt.Match.AttemptId)
            .ToDictionary(g => g.Key, g => g.First().Match);
        var dates = await localDays.AtAsync(now, 1, cancellationToken);
        var deltas = new Dictionary<(int, int, short, short), Deltas>();
        foreach (var attempt in added.GroupBy(row => row.AttemptId))
        {
            var match = matches[attempt.Key];
            var cell = (match.RunKey, match.Wave, match.Channel, match.Variant);
            if (!deltas.TryGetValue(cell, out var delta))
            {
                deltas[cell] = delta = new Deltas(match.RunKey, match.Wave, match.Channel, match.Variant, dates.Bank);
            }

            var was = before.GetValueOrDefault(attempt.Key);
            Count(delta, (SendState)match.Answer!.Value, was, Math.Max(was, attempt.Max(row => row.State)));
        }

        await using var batch = new NpgsqlBatch(connection);
        foreach (var delta in deltas.Values)
        {
            delta.AppendTo(batch);
        }

        if (batch.BatchCommands.Count > 0)
        {
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }

        return added.Count;
    }

    /// <summary>From one state to a higher: a receipt also says that the provider had accepted what we knew nothing of.
    /// </summary>
    private static void Count(Deltas delta, SendState answer, short was, short now)
    {
        if (was == now)
        {
            return;
        }

        if (was == 0 && answer == SendState.Unknown)
        {
            delta.Add("unknown", -1);
            delta.Add("accepted", 1);
        }

        if (was == 0 && now == (short)ReceiptState.Delivered && (answer is SendState.Rejected or SendState.Retryable))
        {
            delta.Add("accepted", 1);
        }

        var failedBefore = was == (short)ReceiptState.Failed || answer is SendState.Rejected or SendState.Retryable;
        var failedNow = now == (short)ReceiptState.Failed;
        delta.Add("failed", (failedNow ? 1 : 0) - (failedBefore ? 1 : 0));
        delta.Add("delivered", now == (short)ReceiptState.Delivered ? 1 : 0);
    }

    /// <summary>One at a time for a request, in one order: so that what was known before is known for certain.</summary>
    private static Task LockAsync(NpgsqlConnection connection, IEnumerable<(int, int, int)> requests) =>
        connection.ExecuteAsync(
            """
            SELECT pg_advisory_xact_lock(@LockClass, l.key)
            FROM (SELECT DISTINCT hashtext(request) AS key FROM unnest(@requests) AS r (request) ORDER BY 1) l
            """,
            new { LockClass, requests = requests.Distinct().Select(request => request.ToString()).ToArray() }
        );

    private static async Task<Dictionary<(int, int, int, long), short>> StatesAsync(
        NpgsqlConnection connection,
        IEnumerable<ReceiptMatch> matches
    )
    {
        var all = matches.ToList();
        var rows = await connection.QueryAsync<Row>(
            """
            SELECT r.run_key, r.chunk, r.request, r.customer_key, max(r.state) AS state
            FROM (SELECT DISTINCT * FROM unnest(@runs, @customers) AS t (run_key, customer_key)) t
            JOIN receipt r USING (run_key, customer_key)
            GROUP BY 1, 2, 3, 4
            """,
            new
            {
                runs = all.Select(match => match.RunKey).ToArray(),
                customers = all.Select(match => match.CustomerKey).ToArray(),
            }
        );
        return rows.ToDictionary(row => row.AttemptId, row => row.State);
    }

    private static async Task<List<Row>> AppendAsync(
        NpgsqlConnection connection,
        IReadOnlyList<(ReceiptMatch Match, Said Said)> receipts,
        DateTimeOffset now
    ) =>
        (
            await connection.QueryAsync<Row>(
                """
                INSERT INTO receipt (run_key, chunk, request, customer_key, state, code, occurred_at, received_at)
                SELECT DISTINCT ON (run_key, customer_key, chunk, request, state)
                       run_key, chunk, request, customer_key, state, code, occurred_at, @now
                FROM unnest(@runs, @chunks, @requests, @customers, @states, @codes, @ats)
                    AS t (run_key, chunk, request, customer_key, state, code, occurred_at)
                ORDER BY run_key, customer_key, chunk, request, state, occurred_at
                ON CONFLICT DO NOTHING
                RETURNING run_key, chunk, request, customer_key, state
                """,
                new
                {
                    runs = receipts.Select(receipt => receipt.Match.RunKey).ToArray(),
                    chunks = receipts.Select(receipt => receipt.Match.Chunk).ToArray(),
                    requests = receipts.Select(receipt => receipt.Match.Request).ToArray(),
                    customers = receipts.Select(receipt => receipt.Match.CustomerKey).ToArray(),
                    states = receipts.Select(receipt => (short)receipt.Said.State).ToArray(),
                    codes = receipts.Select(receipt => receipt.Said.Code).ToArray(),
                    ats = receipts.Select(receipt => receipt.Said.At.UtcDateTime).ToArray(),
                    now,
                }
            )
        ).AsList();

    private sealed class Row
    {
        public int RunKey { get; init; }
        public int Chunk { get; init; }
        public int Request { get; init; }
        public long CustomerKey { get; init; }
        public short State { get; init; }
        internal (int, int, int, long) AttemptId => (RunKey, Chunk, Request, CustomerKey);
    }
}
