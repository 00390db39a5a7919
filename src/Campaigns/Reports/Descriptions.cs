using Campaigns.Customers;
using Campaigns.Lifecycle;
using Campaigns.Outcomes;
using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>Counts for comparisons that prove nothing. The cost grows with the audience.</summary>
internal static class Descriptions
{
    /// <param name="asOf">What was known then; null for now.</param>
    public static async Task<NotCausal> ReadAsync(
        NpgsqlConnection connection,
        int runKey,
        Goal goal,
        DateTimeOffset? asOf,
        CancellationToken cancellationToken
    )
    {
        var row = await connection.QuerySingleAsync<Row>(
            new CommandDefinition(
                $"""
                WITH {(asOf is null ? "" : $"{Recount.Past},")}
                participant AS (
                    SELECT DISTINCT customer_key FROM engagement WHERE run_key = @runKey AND kind IN ('opened', 'clicked')
                ), converter AS (
                    SELECT DISTINCT customer_key FROM conversion WHERE run_key = @runKey AND counted
                ), person AS MATERIALIZED (
                    -- The events of whoever was erased are gone, and her conversions are kept: she is in neither period.
                    SELECT d.customer_key, d.reason, NOT k.erased AS known, {Conversions.Start} AS start,
                        p.customer_key IS NOT NULL AS takes_part, v.customer_key IS NOT NULL AS converted
                    FROM decision d
                    JOIN wave w ON w.run_key = d.run_key AND w.wave = d.wave
                    JOIN contact k ON k.customer_key = d.customer_key
                    LEFT JOIN participant p ON p.customer_key = d.customer_key
                    LEFT JOIN converter v ON v.customer_key = d.customer_key
                    WHERE d.run_key = @runKey AND d.step = 1 AND d.reason IN (0, 21)
                ), earlier AS (
                    SELECT DISTINCT p.customer_key
                    FROM person p
                    JOIN event e USING (customer_key)
                    WHERE e.event_type = (SELECT event_type FROM event_type WHERE name = @Event)
                        AND e.occurred_at >= p.start - @Window AND e.occurred_at < p.start
                        AND e.recorded_at <= @until AND {Goal.Matches} AND NOT {EventNames.IsTakenBack}
                )
                SELECT count(*) FILTER (WHERE known) AS everyone,
                    count(*) FILTER (WHERE known AND converted) AS everyone_converted,
                    (SELECT count(*) FROM earlier) AS before_converted,
                    count(*) FILTER (WHERE reason = 0 AND takes_part) AS taking_part,
                    count(*) FILTER (WHERE reason = 0 AND takes_part AND converted) AS taking_part_converted,
                    count(*) FILTER (WHERE reason = 0 AND NOT takes_part) AS others,
                    count(*) FILTER (WHERE reason = 0 AND NOT takes_part AND converted) AS others_converted
                FROM person
                """,
                new
                {
                    runKey,
                    asOf,
                    until = asOf ?? DateTimeOffset.MaxValue,
                    goal.Event,
                    goal.Window,
                    goal.AtLeast,
                    Currency = goal.ValueCurrency,
                    Where = goal.WhereText(),
                },
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );
        return new NotCausal(
            GroupResult.Of(row.TakingPart, row.TakingPartConverted),
            GroupResult.Of(row.Others, row.OthersConverted),
            GroupResult.Of(row.Everyone, row.BeforeConverted),
            GroupResult.Of(row.Everyone, row.EveryoneConverted)
        );
    }

    private sealed record Row
    {
        public long Everyone { get; init; }
        public long EveryoneConverted { get; init; }
        public long BeforeConverted { get; init; }
        public long TakingPart { get; init; }
        public long TakingPartConverted { get; init; }
        public long Others { get; init; }
        public long OthersConverted { get; init; }
    }
}
