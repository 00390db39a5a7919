using Campaigns.Channels;
using Campaigns.Dispatch;
using Dapper;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>Appends receipts, one row for each state said of an attempt, and what they change in the counters.</summary>
internal static class ReceiptLog
{
    private const int LockClass = 0x52435054; // "RCPT"

    /// <summary>A callback may name thousands of requests, and a lock for each would fill the table of locks for everybody.
    /// </summary>
    private const int MostLocks = 256;

    /// <summary>Records receipts whose attempts have outcomes, on the connection and in the transaction of who took them
    /// in.</summary>
    /// <returns>How many said something new.</returns>
    internal static async Task<int> RecordAsync(
        NpgsqlConnection connection,
        IReadOnlyList<(ReceiptMatch Match, Said Said)> given,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        // A gateway that had delivered has said all there is.
        var receipts = given.Where(one => one.Match.Answer != (short)SendState.Delivered).ToList();
        if (receipts.Count == 0)
        {
            return 0;
        }

        await HoldAsync(connection, receipts);
        await LockAsync(connection, receipts.Select(receipt => receipt.Match.RequestId));
        var before = await KnownAsync(connection, receipts.Select(receipt => receipt.Match));
        var refused = await RefusedAsync(connection, receipts);
        var added = await AppendAsync(connection, receipts, now);
        var matches = receipts
            .GroupBy(receipt => receipt.Match.AttemptId)
            .ToDictionary(g => g.Key, g => g.First().Match);
        var counts = new ReceiptCounts(before, refused, now);
        foreach (var row in added.OrderBy(row => (row.Chunk, row.Request, row.State)))
        {
            counts.Count(matches[row.AttemptId], row);
        }

        await using var batch = new NpgsqlBatch(connection);
        foreach (var delta in counts.Deltas)
        {
            delta.AppendTo(batch);
        }

        if (batch.BatchCommands.Count > 0)
        {
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }

        return added.Count;
    }

    private static bool Contradicts((ReceiptMatch Match, Said Said) receipt) =>
        receipt.Said.State == ReceiptState.Delivered && receipt.Match.Refused;

    private static async Task HoldAsync(
        NpgsqlConnection connection,
        IReadOnlyList<(ReceiptMatch Match, Said Said)> receipts
    )
    {
        foreach (var run in receipts.GroupBy(receipt => receipt.Match.RunKey).OrderBy(run => run.Key))
        {
            await Deltas.HoldAsync(connection, run.Key, alone: run.Any(Contradicts));
        }
    }

    /// <summary>The states of touches that were delivered although an attempt had been refused: whatever was tried since.
    /// </summary>
    private static async Task<Dictionary<(int, long), TouchStanding>> RefusedAsync(
        NpgsqlConnection connection,
        IReadOnlyList<(ReceiptMatch Match, Said Said)> receipts
    )
    {
        var standings = new Dictionary<(int, long), TouchStanding>();
        foreach (var run in receipts.Where(Contradicts).GroupBy(receipt => receipt.Match.RunKey))
        {
            long[] customers = [.. run.Select(receipt => receipt.Match.CustomerKey).Distinct()];
            foreach (var standing in await TouchStates.OfAsync(connection, run.Key, customers))
            {
                standings[(run.Key, standing.CustomerKey)] = standing;
            }
        }

        return standings;
    }

    /// <summary>One at a time for a request, in one order: so that what was known before is known for certain. Requests share
    /// locks.</summary>
    private static Task LockAsync(NpgsqlConnection connection, IEnumerable<(int, int, int)> requests) =>
        connection.ExecuteAsync(
            """
            SELECT pg_advisory_xact_lock(@LockClass, l.key)
            FROM (
                SELECT DISTINCT hashtext(request) & (@MostLocks - 1) AS key
                FROM unnest(@requests) AS r (request)
                ORDER BY 1
            ) l
            """,
            new
            {
                LockClass,
                MostLocks,
                requests = requests.Distinct().Select(request => request.ToString()).ToArray(),
            }
        );

    private static async Task<List<ReceiptRow>> KnownAsync(
        NpgsqlConnection connection,
        IEnumerable<ReceiptMatch> matches
    )
    {
        var all = matches.ToList();
        var rows = await connection.QueryAsync<ReceiptRow>(
            """
            SELECT r.run_key, r.chunk, r.request, r.customer_key, r.state, r.occurred_at
            FROM (SELECT DISTINCT * FROM unnest(@runs, @customers) AS t (run_key, customer_key)) t
            JOIN receipt r USING (run_key, customer_key)
            """,
            new
            {
                runs = all.Select(match => match.RunKey).ToArray(),
                customers = all.Select(match => match.CustomerKey).ToArray(),
            }
        );
        return rows.AsList();
    }

    private static async Task<List<ReceiptRow>> AppendAsync(
        NpgsqlConnection connection,
        IReadOnlyList<(ReceiptMatch Match, Said Said)> receipts,
        DateTimeOffset now
    ) =>
        (
            await connection.QueryAsync<ReceiptRow>(
                """
                INSERT INTO receipt (run_key, chunk, request, customer_key, state, answer, code, occurred_at, received_at)
                SELECT DISTINCT ON (run_key, customer_key, chunk, request, state)
                       run_key, chunk, request, customer_key, state, answer, code, occurred_at, @now
                FROM unnest(@runs, @chunks, @requests, @customers, @states, @answers, @codes, @ats)
                    AS t (run_key, chunk, request, customer_key, state, answer, code, occurred_at)
                ORDER BY run_key, customer_key, chunk, request, state, occurred_at
                ON CONFLICT DO NOTHING
                RETURNING run_key, chunk, request, customer_key, state, occurred_at
                """,
                new
                {
                    runs = receipts.Select(receipt => receipt.Match.RunKey).ToArray(),
                    chunks = receipts.Select(receipt => receipt.Match.Chunk).ToArray(),
                    requests = receipts.Select(receipt => receipt.Match.Request).ToArray(),
                    customers = receipts.Select(receipt => receipt.Match.CustomerKey).ToArray(),
                    states = receipts.Select(receipt => (short)receipt.Said.State).ToArray(),
                    answers = receipts.Select(receipt => receipt.Match.Answer!.Value).ToArray(),
                    codes = receipts.Select(receipt => receipt.Said.Code).ToArray(),
                    ats = receipts.Select(receipt => receipt.Said.At.UtcDateTime).ToArray(),
                    now,
                }
            )
        ).AsList();
}
