namespace Campaigns.Outcomes;

/// <summary>Stores goal events, settles which of them count, and logs what that changes.</summary>
internal static class ConversionTally
{
    /// <summary>What a query of goal events has to answer.</summary>
    internal const string Columns =
        "run_key, wave, variant, customer_key, arm, event_source, event_id, occurred_at, recorded_at, amount, currency, "
        + "other_currency, reversed_at";

    // The statement reads conversions as they were: counted is the state before, wanted the state after. A customer's sum
    // of values is squared, and their number by its pairs (k (k - 1), none of one), so that the report has the variance of both
    // per customer. Rows are found by key and place: a join could read all conversions, as long as they are few.
    /// <summary>SQL: stores the goal events that are not stored yet, then settles which conversions count, for each run and
    /// customer among them and in <c>@changedRuns</c> and <c>@changedCustomers</c>, whose conversions were taken back. The
    /// caller has locked all of these customers. Settling again changes nothing.</summary>
    /// <param name="events">A query of <see cref="Columns"/>.</param>
    internal static string Settle(string events) =>
        $$"""
            WITH given AS MATERIALIZED (
                {{events}}
            ), touched AS MATERIALIZED (
                SELECT run_key, customer_key FROM given
                UNION
                SELECT * FROM unnest(@changedRuns, @changedCustomers)
            ), known AS MATERIALIZED (
                SELECT c.*
                FROM touched t
                CROSS JOIN LATERAL (
                    -- Each by its key: other runs of theirs, however many, are not read.
                    SELECT *, ctid AS place FROM conversion
                    WHERE run_key = t.run_key AND customer_key = t.customer_key
                    OFFSET 0
                ) c
            ), goal AS MATERIALIZED (
                SELECT r.*
                FROM (SELECT DISTINCT run_key FROM touched) t
                CROSS JOIN LATERAL (
                    SELECT run_key, coalesce((plan #>> '{goal,everyTime}')::boolean, false) AS every_time
                    FROM run
                    WHERE run_key = t.run_key
                    OFFSET 0
                ) r
            ), state AS MATERIALIZED (
                SELECT s.*, CASE WHEN NOT other_currency THEN amount END AS value,
                    reversed_at IS NULL
                    AND (
                        every_time
                        OR row_number() OVER (
                            PARTITION BY run_key, customer_key
                            ORDER BY reversed_at IS NOT NULL, occurred_at, event_source, event_id
                        ) = 1
                    ) AS wanted
                FROM (
                    SELECT DISTINCT ON (run_key, customer_key, event_source, event_id) *
                    FROM (
                        SELECT {{Columns}}, counted, place, false AS fresh FROM known
                        UNION ALL
                        SELECT {{Columns}}, false, null, true FROM given
                    ) s
                    ORDER BY run_key, customer_key, event_source, event_id, fresh
                ) s
                JOIN goal USING (run_key)
            ), added AS (
                INSERT INTO conversion ({{Columns}}, counted) SELECT {{Columns}}, wanted FROM state WHERE fresh
            ), settled AS (
                UPDATE conversion c
                SET counted = s.wanted
                FROM state s
                WHERE c.ctid = s.place AND s.counted <> s.wanted
            ), person AS (
                SELECT run_key, wave, variant, arm,
                    min(occurred_at) FILTER (WHERE counted) AS before_at,
                    min(occurred_at) FILTER (WHERE wanted) AS after_at,
                    count(*) FILTER (WHERE counted) AS before_times, count(*) FILTER (WHERE wanted) AS after_times,
                    coalesce(sum(value) FILTER (WHERE counted), 0) AS before_value,
                    coalesce(sum(value) FILTER (WHERE wanted), 0) AS after_value
                FROM state
                GROUP BY run_key, customer_key, arm, wave, variant
                HAVING bool_or(counted <> wanted)
            ), change AS (
                SELECT run_key, wave, variant, arm, 'conversions' AS metric, occurred_at AS at,
                    wanted::int - counted::int AS n, (wanted::int - counted::int) * coalesce(value, 0) AS amount
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
