using System.Text.Json;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Dapper;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Outcomes;

/// <summary>Counts the goal events that came while a run was still being planned, or before; and again once its timetable
/// was shifted, for what came before a window's new opening counts for neither arm.</summary>
/// <remarks>It goes by ranges of customers, a transaction each, which also keeps how far it came. Many nodes share the runs,
/// one at a time is at a run. A run counts as done for the shift that was seen before those who were storing events at that
/// moment had ended: a shift that is committed meanwhile is another, whatever its instant, and is counted again.</remarks>
internal sealed partial class EarlyEvents(NpgsqlDataSource dataSource, ILogger<EarlyEvents> logger)
{
    /// <summary>Customers of the audience at a time. Of these, the ones for whom something changes are locked, and what
    /// comes in of them waits.</summary>
    internal int MostTogether { get; init; } = 10_000;

    /// <summary>Every planned run once, and once more after each shift, range by range in turn. A run that fails is logged
    /// and left to the next call.</summary>
    public async Task CountAsync(CancellationToken cancellationToken)
    {
        var left = new List<int>();
        while (await DueAsync(left, cancellationToken) is { Count: > 0 } due)
        {
            foreach (var run in due)
            {
                if (!await TryAsync(run, cancellationToken))
                {
                    left.Add(run.RunKey);
                }
            }
        }
    }

    private async Task<bool> TryAsync(DueRun run, CancellationToken cancellationToken)
    {
        try
        {
            if (!run.Begun)
            {
                await BeginAsync(run, cancellationToken);
            }

            return await CountSomeAsync(run.RunKey, cancellationToken);
        }
#pragma warning disable CA1031 // whatever is wrong with one run, the others go on
        catch (Exception failure) when (!cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            Log.RunFailed(logger, failure, run.RunKey);
            return false;
        }
    }

    private async Task<List<DueRun>> DueAsync(List<int> left, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return (
            await connection.QueryAsync<DueRun>(
                new CommandDefinition(
                    """
                    SELECT r.run_key, r.shifted_at,
                        c.run_key IS NOT NULL AND c.shifted_at IS NOT DISTINCT FROM r.shifted_at AS begun
                    FROM run r
                    LEFT JOIN counted_run c USING (run_key)
                    WHERE r.planned_at IS NOT NULL AND r.run_key <> ALL (@left) AND (
                        c.run_key IS NULL OR c.next_key IS NOT NULL OR c.shifted_at IS DISTINCT FROM r.shifted_at
                    )
                    ORDER BY r.run_key
                    """,
                    new { left = left.ToArray() },
                    cancellationToken: cancellationToken
                )
            )
        ).AsList();
    }

    private async Task BeginAsync(DueRun run, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        // Whoever stores events and has not seen the run planned, or shifted, ends first; those after see it.
        await connection.ExecuteAsync(
            new CommandDefinition(
                "SELECT pg_advisory_lock(@key), pg_advisory_unlock(@key)",
                new { key = Conversions.IntakeLock },
                cancellationToken: cancellationToken
            )
        );
        await connection.ExecuteAsync(
            new CommandDefinition(
                """
                INSERT INTO counted_run AS c (run_key, shifted_at, next_key) VALUES (@RunKey, @shifted::timestamptz, 0)
                ON CONFLICT (run_key) DO UPDATE SET shifted_at = excluded.shifted_at, next_key = excluded.next_key
                WHERE c.shifted_at IS DISTINCT FROM excluded.shifted_at
                """,
                new { run.RunKey, shifted = run.ShiftedAt?.UtcDateTime },
                cancellationToken: cancellationToken
            )
        );
    }

    /// <returns>False where another node is at it, or has done it.</returns>
    private async Task<bool> CountSomeAsync(int runKey, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var now = await BusinessClock.NowAsync(connection);
        var range = await connection.QuerySingleOrDefaultAsync<KeyRange>(
            new CommandDefinition(Claim, new { runKey }, cancellationToken: cancellationToken)
        );
        if (range is null)
        {
            return false;
        }

        // Without the name of the goal there has been no such event.
        var (high, more) = range.EventType is null
            ? (null, false)
            : await EndAsync(connection, runKey, range.Low, cancellationToken);
        if (high is { } last)
        {
            await CountAsync(connection, runKey, range, last, now, cancellationToken);
        }

        await connection.ExecuteAsync(
            "UPDATE counted_run SET next_key = @next::bigint WHERE run_key = @runKey",
            new { runKey, next = more ? high + 1 : null }
        );
        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    private Task<(long? High, bool More)> EndAsync(
        NpgsqlConnection connection,
        int runKey,
        long low,
        CancellationToken cancellationToken
    ) =>
        connection.QuerySingleAsync<(long?, bool)>(
            new CommandDefinition(
                """
                SELECT max(customer_key), count(*) = @MostTogether
                FROM (
                    SELECT customer_key FROM decision
                    WHERE run_key = @runKey AND step = 1 AND customer_key >= @low
                    ORDER BY customer_key
                    LIMIT @MostTogether
                ) d
                """,
                new
                {
                    runKey,
                    low,
                    MostTogether,
                },
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );

    private static async Task CountAsync(
        NpgsqlConnection connection,
        int runKey,
        KeyRange range,
        long high,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        var goal = JsonSerializer.Deserialize<Goal>(range.Goal, ProductJson.Options)!;
        var given = new DynamicParameters(
            new
            {
                runKey,
                range.EventType,
                range.Low,
                high,
                first = range.First,
                last = range.Last,
                now,
                goal.Window,
                goal.AtLeast,
                Currency = goal.ValueCurrency,
                Where = goal.WhereText(),
            }
        );
        var customers = (await ReadAsync<long>(Changing)).ToArray();
        if (customers.Length == 0)
        {
            return;
        }

        await Conversions.LockAsync(connection, customers, cancellationToken);
        given.Add("customers", customers);
        long[] takenBack = [.. await ReadAsync<long>(TakeBack)];
        given.Add("changedRuns", Array.ConvertAll(takenBack, _ => runKey));
        given.Add("changedCustomers", takenBack);
        await connection.ExecuteAsync(
            new CommandDefinition(Settle, given, commandTimeout: 0, cancellationToken: cancellationToken)
        );

        Task<IEnumerable<T>> ReadAsync<T>(string sql) =>
            connection.QueryAsync<T>(
                new CommandDefinition(sql, given, commandTimeout: 0, cancellationToken: cancellationToken)
            );
    }

    private const string Claim = $$"""
        SELECT c.next_key AS low, (r.plan -> 'goal')::text AS goal, t.event_type, w.first, w.last
        FROM counted_run c
        JOIN run r USING (run_key)
        LEFT JOIN event_type t ON t.name = r.plan #>> '{goal,event}'
        CROSS JOIN LATERAL (
            SELECT min({{Conversions.Start}}) AS first,
                max({{Conversions.Start}}) + (r.plan #>> '{goal,window}')::interval AS last
            FROM wave w
            WHERE w.run_key = c.run_key
        ) w
        WHERE c.run_key = @runKey AND c.next_key IS NOT NULL
        FOR UPDATE OF c SKIP LOCKED
        """;

    private const string TooEarly = $"""
        FROM wave w
        WHERE w.run_key = c.run_key AND w.wave = c.wave AND c.run_key = @runKey AND c.reversed_at IS NULL
            AND c.occurred_at < {Conversions.Start}
        """;

    // The range and the bounds of the whole run are said of the event too, so that its index gives no other.
    private static readonly string Found = $"""
        FROM decision d
        JOIN wave w ON w.run_key = d.run_key AND w.wave = d.wave
        JOIN event e ON e.event_type = @EventType AND e.customer_key = d.customer_key
        LEFT JOIN reversal v
            ON v.customer_key = e.customer_key AND v.event_source = e.event_source AND v.event_id = e.event_id
        WHERE d.run_key = @runKey AND d.step = 1 AND d.reason IN (0, 21)
            AND d.customer_key BETWEEN @Low AND @high AND e.customer_key BETWEEN @Low AND @high
            AND e.occurred_at >= @first AND e.occurred_at < @last
            AND {Conversions.InWindow("@Window")} AND {Goal.Matches}
        """;

    private static readonly string Changing = $"""
        SELECT e.customer_key
        {Found} AND NOT EXISTS (
            SELECT FROM conversion c
            WHERE c.run_key = @runKey AND c.customer_key = e.customer_key AND c.event_source = e.event_source
                AND c.event_id = e.event_id
        )
        UNION
        SELECT c.customer_key FROM conversion c
        WHERE c.run_key = @runKey AND c.customer_key BETWEEN @Low AND @high AND EXISTS (SELECT {TooEarly})
        """;

    private const string TakeBack = $"""
        UPDATE conversion c SET reversed_at = @now {TooEarly} AND c.customer_key = ANY (@customers)
        RETURNING c.customer_key
        """;

    private static readonly string Settle = ConversionTally.Settle(
        $"""
        SELECT d.run_key, d.wave, coalesce(d.variant, 0) AS variant, d.customer_key,
            CASE d.reason WHEN 0 THEN 0 ELSE 1 END AS arm, e.event_source, e.event_id, e.occurred_at,
            e.recorded_at, e.amount, e.currency, {Conversions.OtherCurrency("@Currency")} AS other_currency,
            v.recorded_at AS reversed_at
        {Found} AND e.customer_key = ANY (@customers)
        """
    );

    private sealed class DueRun
    {
        public int RunKey { get; init; }
        public DateTimeOffset? ShiftedAt { get; init; }

        /// <summary>Since it was planned, or last shifted.</summary>
        public bool Begun { get; init; }
    }

    private sealed class KeyRange
    {
        public long Low { get; init; }
        public string Goal { get; init; } = "";
        public short? EventType { get; init; }

        /// <summary>Of all its waves together: [first, last).</summary>
        public DateTime? First { get; init; }
        public DateTime? Last { get; init; }
    }

    private static partial class Log
    {
        [LoggerMessage(
            LogLevel.Warning,
            "The early goal events of run {Run} could not be counted; it is tried again in a second"
        )]
        internal static partial void RunFailed(ILogger logger, Exception failure, int run);
    }
}
