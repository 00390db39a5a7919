using System.Text.Json;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Dapper;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Outcomes;

/// <summary>Looks the number that a goal names up a second time, at the end of each customer's window: wave by wave, for
/// both arms, in a transaction that also adds up what the report shows. A wave is wholly there or not at all, and
/// looking again changes nothing.</summary>
internal sealed partial class FollowUps(NpgsqlDataSource dataSource, ILogger<FollowUps> logger)
{
    /// <summary>Of every wave that is due. Where a pause kept a wave from opening, nobody knows yet when its window ends: a
    /// shift would move it. It is looked up after the pause, late perhaps, and equally late in both arms.</summary>
    /// <returns>How many waves this call looked up.</returns>
    public async Task<int> TakeDueAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var now = await BusinessClock.NowAsync(connection);
        var due = await connection.QueryAsync<(int RunKey, int Wave, string Goal)>(
            new CommandDefinition(
                $$"""
                SELECT r.run_key, w.wave, (r.plan -> 'goal')::text
                FROM run r
                JOIN wave w USING (run_key)
                JOIN campaign p USING (campaign_key)
                WHERE r.plan #>> '{goal,field}' IS NOT NULL AND r.planned_at IS NOT NULL
                    AND {{Conversions.Start}} + (r.plan #>> '{goal,window}')::interval <= @now
                    AND (p.paused_at IS NULL OR {{Conversions.Start}} <= p.paused_at)
                    AND NOT EXISTS (SELECT FROM goal_wave g WHERE g.run_key = w.run_key AND g.wave = w.wave)
                ORDER BY w.run_key, w.wave
                """,
                new { now },
                cancellationToken: cancellationToken
            )
        );
        var taken = 0;
        foreach (var (runKey, wave, text) in due)
        {
            var goal = JsonSerializer.Deserialize<Goal>(text, ProductJson.Options)!;
            try
            {
                taken += await TakeAsync(connection, runKey, wave, goal, now, cancellationToken) ? 1 : 0;
            }
            catch (PostgresException failure)
            {
                // Whatever is wrong with one, the others go on.
                Log.WaveFailed(logger, failure, runKey, wave);
            }
        }

        return taken;
    }

    private static async Task<bool> TakeAsync(
        NpgsqlConnection connection,
        int runKey,
        int wave,
        Goal goal,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        var numbers = await GoalNumbers.FindAsync(connection, goal);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // Another node that looks it up at this moment is waited for here, and has then done it.
        var mine = await connection.ExecuteAsync(
            "INSERT INTO goal_wave (run_key, wave, measured_at) VALUES (@runKey, @wave, @now) ON CONFLICT DO NOTHING",
            new
            {
                runKey,
                wave,
                now,
            }
        );
        if (mine == 0)
        {
            return false;
        }

        if (numbers is not null)
        {
            await connection.ExecuteAsync(
                new CommandDefinition(
                    $"""
                    INSERT INTO goal_followup (run_key, customer_key, value)
                    SELECT d.run_key, d.customer_key, {numbers.Value}
                    FROM decision d
                    JOIN goal_baseline b USING (run_key, customer_key)
                    JOIN customer c USING (customer_key)
                    JOIN contact k USING (customer_key)
                    WHERE d.run_key = @runKey AND d.step = 1 AND d.reason IN (0, 21) AND d.wave = @wave
                        AND {numbers.MayBeRead}
                    ON CONFLICT DO NOTHING
                    """,
                    new { runKey, wave },
                    commandTimeout: 0,
                    cancellationToken: cancellationToken
                )
            );
            await connection.ExecuteAsync(
                new CommandDefinition(
                    $"INSERT INTO goal_sum {Sums} AND d.wave = @wave {SumGroups}",
                    new { runKey, wave },
                    commandTimeout: 0,
                    cancellationToken: cancellationToken
                )
            );
        }

        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    /// <summary>SQL of <c>goal_sum</c> from the customers of the run <c>@runKey</c>; a condition and
    /// <see cref="SumGroups"/> follow. x is the number before, y its change; who has no number counts with 0. Last year's
    /// change is of those who have both of its numbers.</summary>
    internal const string Sums = """
        SELECT d.run_key, CASE d.reason WHEN 0 THEN 0 ELSE 1 END::smallint AS arm, coalesce(d.variant, 0) AS variant,
            d.wave, count(*) AS customers, count(*) FILTER (WHERE b.value IS NULL OR f.value IS NULL) AS without_value,
            sum(v.x) AS x, sum(v.x * v.x) AS xx, sum(v.y) AS y, sum(v.y * v.y) AS yy, sum(v.x * v.y) AS xy,
            count(v.last_year_change) AS with_last_year, coalesce(sum(v.last_year_change), 0) AS last_year_change
        FROM goal_followup f
        JOIN goal_baseline b USING (run_key, customer_key)
        JOIN decision d ON d.run_key = f.run_key AND d.customer_key = f.customer_key AND d.step = 1
        CROSS JOIN LATERAL (
            SELECT coalesce(b.value, 0) AS x, coalesce(f.value, 0) - coalesce(b.value, 0) AS y,
                b.last_year_after - b.last_year_before AS last_year_change
        ) v
        WHERE f.run_key = @runKey
        """;

    internal const string SumGroups = "GROUP BY 1, 2, 3, 4";

    private static partial class Log
    {
        [LoggerMessage(
            LogLevel.Warning,
            "The goal's number of run {Run}, wave {Wave} could not be looked up; it is tried again in seconds"
        )]
        internal static partial void WaveFailed(ILogger logger, Exception failure, int run, int wave);
    }
}
