namespace Campaigns.Reports;

/// <summary>Counts a run again from what was recorded: attempts, outcomes, receipts, engagements, goal events. It agrees with
/// the counters to the unit.</summary>
internal static class Recount
{
    /// <summary>SQL of cells as they are folded: metric, arm, channel, variant, wave, day, n, amount of the run
    /// <c>@runKey</c>.</summary>
    public const string Cells = $"{Bank}{Touches} UNION ALL {Requests} UNION ALL {Engagements} UNION ALL {Conversions}";

    /// <summary>The same of what had been recorded at <c>@asOf</c>.</summary>
    public static readonly string CellsAsOf =
        $"{Bank}{Past}{Touches.Replace("touch_state(@runKey)", "touch_state(@runKey, NULL, @asOf)", StringComparison.Ordinal)}"
        + $" UNION ALL {Requests} UNION ALL {Engagements} UNION ALL {Conversions}";

    // In the places of the tables that the rest reads.
    private const string Past = """
        attempt AS (SELECT * FROM attempt WHERE run_key = @runKey AND attempted_at <= @asOf),
        outcome AS (SELECT * FROM outcome WHERE run_key = @runKey AND recorded_at <= @asOf),
        receipt AS (SELECT * FROM receipt WHERE run_key = @runKey AND received_at <= @asOf),
        engagement AS (
            SELECT g.*
            FROM engagement g
            JOIN event e USING (customer_key, event_source, event_id)
            WHERE g.run_key = @runKey AND e.recorded_at <= @asOf
        ),
        conversion AS (
            SELECT c.run_key, c.customer_key, c.arm, c.occurred_at, c.amount, c.other_currency,
                coalesce((r.plan #>> '{goal,everyTime}')::boolean, false) OR row_number() OVER (
                    PARTITION BY c.customer_key ORDER BY c.occurred_at, c.event_source, c.event_id
                ) = 1 AS counted
            FROM conversion c
            JOIN run r USING (run_key)
            WHERE c.run_key = @runKey AND c.recorded_at <= @asOf AND (c.reversed_at IS NULL OR c.reversed_at > @asOf)
        ),

        """;

    private const string Bank = "WITH bank AS (SELECT name FROM time_zone WHERE zone = 1), ";

    // Customers are counted by decision, state and days first, and then by metric: fewer rows to sort out. The join is outer,
    // for then it is planned by the number of decisions, which is known; how many touches have moved is not.
    private const string Touches = """
        person AS (
            SELECT d.channel, d.variant, d.wave, s.state, (s.attempted_at AT TIME ZONE (TABLE bank))::date AS attempted,
                (s.accepted_at AT TIME ZONE (TABLE bank))::date AS accepted,
                (s.delivered_at AT TIME ZONE (TABLE bank))::date AS delivered, count(s.customer_key) AS n
            FROM decision d
            LEFT JOIN touch_state(@runKey) s ON s.customer_key = d.customer_key
            WHERE d.run_key = @runKey AND d.step = 1
            GROUP BY 1, 2, 3, 4, 5, 6, 7
            HAVING count(s.customer_key) > 0
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
        SELECT t.metric, 0::smallint, w.channel, t.variant, w.wave, (t.at AT TIME ZONE (TABLE bank))::date,
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
        GROUP BY 1, 3, 4, 5, 6
        """;

    private const string Engagements = """
        SELECT e.metric, 0::smallint, coalesce(d.channel, 0::smallint), coalesce(d.variant, 0::smallint),
            coalesce(d.wave, 0), (e.at AT TIME ZONE (TABLE bank))::date, count(*), 0::numeric
        FROM (
            SELECT kind AS metric, customer_key, occurred_at AS at
            FROM engagement
            WHERE run_key = @runKey
            UNION ALL
            SELECT kind || '_customers', customer_key, min(occurred_at)
            FROM engagement
            WHERE run_key = @runKey
            GROUP BY kind, customer_key
        ) e
        JOIN decision d ON d.run_key = @runKey AND d.customer_key = e.customer_key AND d.step = 1
        GROUP BY 1, 3, 4, 5, 6
        """;

    // Conversions' amount is their value; converted's amount the sum of squares of the value per customer.
    private const string Conversions = """
        SELECT c.metric, c.arm, coalesce(d.channel, 0::smallint), coalesce(d.variant, 0::smallint),
            coalesce(d.wave, 0), (c.at AT TIME ZONE (TABLE bank))::date, count(*), sum(c.amount)
        FROM (
            SELECT m.metric, c.customer_key, c.arm, c.occurred_at AS at,
                CASE WHEN NOT c.other_currency THEN coalesce(c.amount, 0) ELSE 0 END AS amount
            FROM conversion c
            CROSS JOIN LATERAL (VALUES ('conversions'), (CASE WHEN c.other_currency THEN 'other_currency' END)) AS m (metric)
            WHERE c.run_key = @runKey AND c.counted AND m.metric IS NOT NULL
            UNION ALL
            SELECT 'converted', customer_key, arm, min(occurred_at),
                coalesce(sum(amount) FILTER (WHERE NOT other_currency), 0)
                    * coalesce(sum(amount) FILTER (WHERE NOT other_currency), 0)
            FROM conversion
            WHERE run_key = @runKey AND counted
            GROUP BY customer_key, arm
        ) c
        JOIN decision d ON d.run_key = @runKey AND d.customer_key = c.customer_key AND d.step = 1
        GROUP BY 1, 2, 3, 4, 5, 6
        """;
}
