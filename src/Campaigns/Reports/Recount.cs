namespace Campaigns.Reports;

/// <summary>Counts a run again from what was recorded: attempts, outcomes, receipts, engagements, goal events. It agrees with
/// the counters to the unit.</summary>
internal static class Recount
{
    /// <summary>SQL of cells as they are folded: metric, arm, channel, variant, wave, day, n, amount of the run
    /// <c>@runKey</c>.</summary>
    public const string Cells = $"{Bank}{Touches} UNION ALL {Requests} UNION ALL {Engagements} UNION ALL {Conversions}";

    private const string Bank = "WITH bank AS (SELECT name FROM time_zone WHERE zone = 1), ";

    // Customers are counted by decision, state and days first, and then by metric: fewer rows to sort out.
    private const string Touches = """
        person AS (
            SELECT d.channel, d.variant, d.wave, s.state, (s.attempted_at AT TIME ZONE bank.name)::date AS attempted,
                (s.accepted_at AT TIME ZONE bank.name)::date AS accepted,
                (s.delivered_at AT TIME ZONE bank.name)::date AS delivered, count(*) AS n
            FROM touch_state(@runKey) s
            JOIN decision d ON d.run_key = @runKey AND d.customer_key = s.customer_key AND d.step = 1
            CROSS JOIN bank
            GROUP BY 1, 2, 3, 4, 5, 6, 7
        )
        SELECT m.metric, 0::smallint AS arm, p.channel, p.variant, p.wave, m.day, sum(p.n)::bigint AS n,
            0::numeric AS amount
        FROM person p
        CROSS JOIN LATERAL (VALUES
            ('attempted', p.attempted), ('accepted', p.accepted), ('delivered', p.delivered),
            ('state_' || nullif(p.state, 'planned'), '-infinity'::date)
        ) AS m (metric, day)
        WHERE m.metric IS NOT NULL AND m.day IS NOT NULL
        GROUP BY 1, 3, 4, 5, 6
        """;

    // By the wave that was planned, which the chunk knows.
    private const string Requests = """
        SELECT t.metric, 0::smallint, w.channel, t.variant, w.wave, (t.at AT TIME ZONE bank.name)::date,
            sum(t.n)::bigint, 0::numeric
        FROM (
            SELECT 'attempts' AS metric, a.chunk, a.variant, a.attempted_at AS at, cardinality(a.customer_keys) AS n
            FROM attempt a
            WHERE a.run_key = @runKey AND cardinality(a.customer_keys) > 0
            UNION ALL
            SELECT m.metric, a.chunk, a.variant, o.recorded_at,
                CASE WHEN cardinality(o.states) = 1 THEN cardinality(a.customer_keys)
                     ELSE cardinality(array_positions(o.states, m.state)) END
            FROM outcome o
            JOIN attempt a USING (run_key, chunk, request)
            JOIN (VALUES ('acceptances', 1::smallint), ('acceptances', 5), ('deliveries', 5)) AS m (metric, state)
                ON m.state = ANY (o.states)
            WHERE o.run_key = @runKey
            UNION ALL
            SELECT m.metric, r.chunk, c.variant, m.at, r.n
            FROM (
                SELECT chunk, answer, received_at, occurred_at, count(*) AS n
                FROM receipt
                WHERE run_key = @runKey AND state = 4
                GROUP BY 1, 2, 3, 4
            ) r
            JOIN chunk c ON c.run_key = @runKey AND c.chunk = r.chunk
            CROSS JOIN LATERAL (VALUES
                ('deliveries', r.occurred_at), ('acceptances', CASE WHEN r.answer <> 1 THEN r.received_at END)
            ) AS m (metric, at)
            WHERE m.at IS NOT NULL
        ) t
        JOIN chunk c ON c.run_key = @runKey AND c.chunk = t.chunk
        JOIN wave w ON w.run_key = @runKey AND w.wave = coalesce(c.planned_wave, c.wave)
        CROSS JOIN bank
        GROUP BY 1, 3, 4, 5, 6
        """;

    private const string Engagements = """
        SELECT m.metric, 0::smallint, coalesce(d.channel, 0::smallint), coalesce(d.variant, 0::smallint),
            coalesce(d.wave, 0), (e.occurred_at AT TIME ZONE bank.name)::date, sum(m.n)::bigint, 0::numeric
        FROM (
            SELECT *, row_number() OVER (
                PARTITION BY customer_key, kind ORDER BY occurred_at, event_source, event_id
            ) = 1 AS first
            FROM engagement
            WHERE run_key = @runKey
        ) e
        JOIN decision d ON d.run_key = @runKey AND d.customer_key = e.customer_key AND d.step = 1
        CROSS JOIN bank
        CROSS JOIN LATERAL (VALUES (e.kind, 1), (e.kind || '_customers', e.first::int)) AS m (metric, n)
        GROUP BY 1, 3, 4, 5, 6
        HAVING sum(m.n) <> 0
        """;

    // Conversions' amount is their value; converted's amount the sum of squares of the value per customer.
    private const string Conversions = """
        SELECT m.metric, c.arm, coalesce(d.channel, 0::smallint), coalesce(d.variant, 0::smallint),
            coalesce(d.wave, 0), (c.occurred_at AT TIME ZONE bank.name)::date, sum(m.n)::bigint, sum(m.amount)
        FROM (
            SELECT *,
                row_number() OVER person = 1 AS first,
                sum(coalesce(amount, 0)) OVER (PARTITION BY customer_key) AS value
            FROM conversion
            WHERE run_key = @runKey AND counted
            WINDOW person AS (PARTITION BY customer_key ORDER BY occurred_at, event_source, event_id)
        ) c
        JOIN decision d ON d.run_key = @runKey AND d.customer_key = c.customer_key AND d.step = 1
        CROSS JOIN bank
        CROSS JOIN LATERAL (VALUES
            ('conversions', 1, coalesce(c.amount, 0)), ('converted', c.first::int, c.first::int * c.value * c.value)
        ) AS m (metric, n, amount)
        GROUP BY 1, 2, 3, 4, 5, 6
        HAVING sum(m.n) <> 0 OR sum(m.amount) <> 0
        """;
}
