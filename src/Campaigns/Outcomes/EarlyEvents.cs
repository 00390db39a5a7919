using System.Text.Json;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Dapper;
using Npgsql;

namespace Campaigns.Outcomes;

/// <summary>Counts the goal events that came while a run was still being planned, or before; and again once its timetable
/// was shifted, for what came before a window's new opening counts for neither arm.</summary>
internal sealed class EarlyEvents(NpgsqlDataSource dataSource)
{
    /// <summary>Every planned run once, and once more after each shift.</summary>
    public async Task CountAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var runs = await connection.QueryAsync<int>(
            new CommandDefinition(
                """
                SELECT run_key
                FROM run
                WHERE planned_at IS NOT NULL AND NOT EXISTS (
                    SELECT FROM counted_run c
                    WHERE c.run_key = run.run_key AND (shifted_at IS NULL OR shifted_at < c.counted_at)
                )
                ORDER BY run_key
                """,
                cancellationToken: cancellationToken
            )
        );
        foreach (var run in runs)
        {
            await CountAsync(connection, run, cancellationToken);
        }
    }

    private static async Task CountAsync(NpgsqlConnection connection, int runKey, CancellationToken cancellationToken)
    {
        // Whoever stores events and has not seen the run planned ends first; those after see it.
        await connection.ExecuteAsync(
            "SELECT pg_advisory_lock(@key), pg_advisory_unlock(@key)",
            new { key = Conversions.IntakeLock }
        );
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var now = await BusinessClock.NowAsync(connection);
        var goal = JsonSerializer.Deserialize<Goal>(
            await connection.QuerySingleAsync<string>(
                "SELECT (plan -> 'goal')::text FROM run WHERE run_key = @runKey",
                new { runKey }
            ),
            ProductJson.Options
        )!;
        var customers = (
            await connection.QueryAsync<long>(
                new CommandDefinition(
                    $"SELECT e.customer_key {Found} UNION SELECT c.customer_key {TooEarly} ORDER BY 1",
                    new
                    {
                        runKey,
                        goal.Event,
                        goal.Window,
                        goal.AtLeast,
                        Currency = goal.ValueCurrency,
                        Where = goal.WhereText(),
                    },
                    cancellationToken: cancellationToken
                )
            )
        ).ToArray();
        await Conversions.LockAsync(connection, customers, cancellationToken);
        await connection.ExecuteAsync(
            new CommandDefinition(
                $"""
                UPDATE conversion SET reversed_at = @now
                WHERE (run_key, customer_key, event_source, event_id) IN (
                    SELECT c.run_key, c.customer_key, c.event_source, c.event_id {TooEarly}
                )
                """,
                new { runKey, now },
                cancellationToken: cancellationToken
            )
        );
        await connection.ExecuteAsync(
            new CommandDefinition(
                $"""
                INSERT INTO conversion (
                    run_key, wave, variant, customer_key, arm, event_source, event_id, occurred_at, recorded_at,
                    amount, currency, other_currency, reversed_at
                )
                SELECT d.run_key, d.wave, coalesce(d.variant, 0), d.customer_key,
                    CASE d.reason WHEN 0 THEN 0 ELSE 1 END, e.event_source, e.event_id, e.occurred_at, e.recorded_at,
                    e.amount, e.currency, {Conversions.OtherCurrency(
                    "@Currency"
                )}, v.recorded_at
                {Found} AND e.customer_key = ANY (@customers)
                ON CONFLICT DO NOTHING
                """,
                new
                {
                    runKey,
                    goal.Event,
                    goal.Window,
                    goal.AtLeast,
                    Currency = goal.ValueCurrency,
                    Where = goal.WhereText(),
                    customers,
                },
                cancellationToken: cancellationToken
            )
        );
        await ConversionTally.SettleAsync(connection, customers, cancellationToken);
        await connection.ExecuteAsync(
            """
            INSERT INTO counted_run (run_key, counted_at) VALUES (@runKey, @now)
            ON CONFLICT (run_key) DO UPDATE SET counted_at = excluded.counted_at
            """,
            new { runKey, now }
        );
        await transaction.CommitAsync(cancellationToken);
    }

    private const string TooEarly = $"""
        FROM conversion c
        JOIN wave w USING (run_key, wave)
        WHERE c.run_key = @runKey AND c.reversed_at IS NULL AND c.occurred_at < {Conversions.Start}
        """;

    private const string Found = $"""
        FROM event e
        JOIN event_type t ON t.event_type = e.event_type AND t.name = @Event
        JOIN decision d
            ON d.run_key = @runKey AND d.customer_key = e.customer_key AND d.step = 1 AND d.reason IN (0, 21)
        JOIN wave w ON w.run_key = d.run_key AND w.wave = d.wave
        LEFT JOIN reversal v
            ON v.customer_key = e.customer_key AND v.event_source = e.event_source AND v.event_id = e.event_id
        WHERE e.occurred_at >= {Conversions.Start} AND e.occurred_at < {Conversions.Start} + @Window
            AND NOT coalesce(e.attributes ? 'reverses', false) AND {Goal.Matches}
        """;
}
