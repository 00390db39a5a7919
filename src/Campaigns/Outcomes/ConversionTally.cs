using Dapper;
using Npgsql;

namespace Campaigns.Outcomes;

/// <summary>Settles which goal events count, and logs what that changes.</summary>
internal static class ConversionTally
{
    /// <summary>Where conversions came or were taken back: of these runs and customers, whom the caller has locked. Settling
    /// again changes nothing.</summary>
    public static async Task SettleAsync(
        NpgsqlConnection connection,
        IReadOnlyCollection<(int RunKey, long CustomerKey)> changed,
        CancellationToken cancellationToken
    )
    {
        if (changed.Count == 0)
        {
            return;
        }

        var once = changed.Distinct().ToList();
        await connection.ExecuteAsync(
            new CommandDefinition(
                Settle,
                new
                {
                    runs = once.Select(one => one.RunKey).ToArray(),
                    customers = once.Select(one => one.CustomerKey).ToArray(),
                },
                cancellationToken: cancellationToken
            )
        );
    }

    // The statement reads conversions as they were: counted is the state before, wanted the state after. A customer's sum
    // of values is squared, and their number by its pairs (k (k - 1), none of one), so that the report has the variance of both
    // per customer.
    private const string Settle = """
        WITH state AS MATERIALIZED (
            SELECT c.run_key, c.wave, c.variant, c.customer_key, c.arm, c.event_source, c.event_id, c.occurred_at, c.counted,
                c.other_currency, CASE WHEN NOT c.other_currency THEN c.amount END AS amount,
                c.reversed_at IS NULL
                AND (
                    coalesce((r.plan #>> '{goal,everyTime}')::boolean, false)
                    OR row_number() OVER (
                        PARTITION BY c.run_key, c.customer_key
                        ORDER BY c.reversed_at IS NOT NULL, c.occurred_at, c.event_source, c.event_id
                    ) = 1
                ) AS wanted
            FROM unnest(@runs, @customers) AS t (run_key, customer_key)
            CROSS JOIN LATERAL (
                -- Each by its key: other runs of theirs, however many, are not read.
                SELECT * FROM conversion WHERE run_key = t.run_key AND customer_key = t.customer_key OFFSET 0
            ) c
            JOIN run r ON r.run_key = c.run_key
        ), settled AS (
            UPDATE conversion c
            SET counted = s.wanted
            FROM state s
            WHERE s.counted <> s.wanted AND c.run_key = s.run_key AND c.customer_key = s.customer_key
                AND c.event_source = s.event_source AND c.event_id = s.event_id
        ), person AS (
            SELECT run_key, wave, variant, arm,
                min(occurred_at) FILTER (WHERE counted) AS before_at,
                min(occurred_at) FILTER (WHERE wanted) AS after_at,
                count(*) FILTER (WHERE counted) AS before_times, count(*) FILTER (WHERE wanted) AS after_times,
                coalesce(sum(amount) FILTER (WHERE counted), 0) AS before_value,
                coalesce(sum(amount) FILTER (WHERE wanted), 0) AS after_value
            FROM state
            GROUP BY run_key, customer_key, arm, wave, variant
            HAVING bool_or(counted <> wanted)
        ), change AS (
            SELECT run_key, wave, variant, arm, 'conversions' AS metric, occurred_at AS at,
                wanted::int - counted::int AS n, (wanted::int - counted::int) * coalesce(amount, 0) AS amount
            FROM state
            WHERE counted <> wanted
            UNION ALL
            SELECT run_key, wave, variant, arm, 'other_currency', occurred_at, wanted::int - counted::int, 0
            FROM state
            WHERE counted <> wanted AND other_currency
            UNION ALL
            SELECT run_key, wave, variant, arm, 'converted', before_at, -1, -before_value * before_value
            FROM person
            WHERE before_at IS NOT NULL
            UNION ALL
            SELECT run_key, wave, variant, arm, 'converted', after_at, 1, after_value * after_value
            FROM person
            WHERE after_at IS NOT NULL
            UNION ALL
            SELECT run_key, wave, variant, arm, 'conversion_pairs', before_at, -before_times * (before_times - 1), 0
            FROM person
            WHERE before_times > 1
            UNION ALL
            SELECT run_key, wave, variant, arm, 'conversion_pairs', after_at, after_times * (after_times - 1), 0
            FROM person
            WHERE after_times > 1
        )
        INSERT INTO report_delta (run_key, metric, arm, channel, variant, wave, day, n, amount)
        SELECT c.run_key, c.metric, c.arm, w.channel, c.variant, c.wave, (c.at AT TIME ZONE bank.name)::date, sum(c.n),
            sum(c.amount)
        FROM change c
        JOIN wave w USING (run_key, wave)
        CROSS JOIN (SELECT name FROM time_zone WHERE zone = 1) bank
        GROUP BY 1, 2, 3, 4, 5, 6, 7
        HAVING sum(c.n) <> 0 OR sum(c.amount) <> 0
        """;
}
