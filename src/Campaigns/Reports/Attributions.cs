using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>Gives conversions to runs by a rule, each to one that counts it.</summary>
internal static class Attributions
{
    private const string OfMine = $"{Recount.PastConversions} AND c.customer_key IN (SELECT customer_key FROM mine)";

    /// <summary>Of the counted conversions of a run's treated arm, those that are the run's own. The cost grows with the
    /// conversions.</summary>
    /// <param name="asOf">What was known then; null for now.</param>
    public static async Task<Attribution> CountAsync(
        NpgsqlConnection connection,
        int runKey,
        AttributionModel model,
        DateTimeOffset? asOf,
        CancellationToken cancellationToken
    )
    {
        var (last, first, all) = await connection.QuerySingleAsync<(long, long, long)>(
            new CommandDefinition(
                $"""
                WITH mine AS MATERIALIZED (
                    {(asOf is null ? "" : $"WITH {Recount.Past}")}
                    SELECT customer_key, event_source, event_id, occurred_at
                    FROM conversion
                    WHERE run_key = @runKey AND arm = 0 AND counted
                ), claim AS MATERIALIZED (
                    SELECT c.run_key, m.customer_key, m.event_source, m.event_id, m.occurred_at
                    FROM mine m
                    JOIN {(asOf is null ? "conversion" : $"({OfMine})")} c
                        USING (customer_key, event_source, event_id)
                    WHERE c.arm = 0 AND c.counted
                ), tried AS (
                    SELECT r.run_key, t.customer_key, t.attempted_at
                    FROM (SELECT run_key, array_agg(DISTINCT customer_key) AS customers FROM claim GROUP BY 1) r
                    CROSS JOIN LATERAL touch_state(r.run_key, r.customers, @until) t
                    WHERE t.attempted_at IS NOT NULL
                ), ranked AS (
                    SELECT c.run_key,
                        row_number() OVER (event ORDER BY t.attempted_at DESC, c.run_key) AS last,
                        row_number() OVER (event ORDER BY t.attempted_at, c.run_key) AS first
                    FROM claim c
                    JOIN tried t USING (run_key, customer_key)
                    WHERE t.attempted_at <= c.occurred_at
                    WINDOW event AS (PARTITION BY c.customer_key, c.event_source, c.event_id)
                )
                SELECT count(*) FILTER (WHERE last = 1), count(*) FILTER (WHERE first = 1), count(*)
                FROM ranked
                WHERE run_key = @runKey
                """,
                new
                {
                    runKey,
                    asOf,
                    until = asOf ?? DateTimeOffset.MaxValue,
                },
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );
        return new Attribution(
            model,
            model switch
            {
                AttributionModel.Last => last,
                AttributionModel.First => first,
                _ => all,
            }
        );
    }
}
