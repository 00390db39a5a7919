namespace Campaigns.Reports;

/// <summary>Counts a run again from what was recorded: attempts, outcomes, receipts, engagements, goal events. It agrees with
/// the counters to the unit.</summary>
/// <remarks>Each source is read and aggregated by itself, by customer where a customer counts once, and joined to nothing as
/// large as it: whoever was tried has the wave and variant of the chunk, and engagements and conversions carry theirs.
/// Instants are grouped by the quarter of an hour, and days made of the groups: in every time zone a day begins with one.
/// </remarks>
internal static class Recount
{
    /// <summary>SQL of cells as they are folded: metric, arm, channel, variant, wave, day, n, amount of the run
    /// <c>@runKey</c>.</summary>
    public const string Cells = $"WITH {Bank}, moved AS (SELECT * FROM touch_state(@runKey)), {Person} {All}";

    /// <summary>The same of what had been recorded at <c>@asOf</c>.</summary>
    public const string CellsAsOf =
        $"WITH {Past}, {Bank}, moved AS (SELECT * FROM touch_state(@runKey, NULL, @asOf)), {Person} {All}";

    /// <summary>CTEs in the places of the tables: of the run <c>@runKey</c>, what had been recorded at <c>@asOf</c>.</summary>
    public const string Past = $"""
        attempt AS (SELECT * FROM attempt WHERE run_key = @runKey AND attempted_at <= @asOf),
        outcome AS (SELECT * FROM outcome WHERE run_key = @runKey AND recorded_at <= @asOf),
        receipt AS (SELECT * FROM receipt WHERE run_key = @runKey AND received_at <= @asOf),
        engagement AS (SELECT * FROM engagement WHERE run_key = @runKey AND recorded_at <= @asOf),
        conversion AS ({PastConversions} AND c.run_key = @runKey)
        """;

    /// <summary>SQL of conversions as they had been recorded at <c>@asOf</c>, and which of them counted then; a condition on
    /// whole runs or customers follows.</summary>
    public const string PastConversions = """
        SELECT c.run_key, c.wave, c.customer_key, c.arm, c.variant, c.event_source, c.event_id, c.occurred_at, c.amount,
            c.other_currency, coalesce((r.plan #>> '{goal,everyTime}')::boolean, false) OR row_number() OVER (
                PARTITION BY c.run_key, c.customer_key ORDER BY c.occurred_at, c.event_source, c.event_id
            ) = 1 AS counted
        FROM conversion c
        JOIN run r USING (run_key)
        WHERE c.recorded_at <= @asOf AND (c.reversed_at IS NULL OR c.reversed_at > @asOf)
        """;

    private const string Bank = "bank AS (SELECT name FROM time_zone WHERE zone = 1)";

    private const string Person = """
        person AS (
            SELECT s.chunk, s.state, quarter_hour(s.attempted_at) AS attempted, quarter_hour(s.accepted_at) AS accepted,
                quarter_hour(s.delivered_at) AS delivered, count(*) AS n
            FROM moved s
            GROUP BY 1, 2, 3, 4, 5
        )
        """;

    private const string Touches = """
        SELECT m.metric, 0::smallint AS arm, w.channel, c.variant, w.wave, (m.at AT TIME ZONE (TABLE bank))::date AS day,
            sum(p.n)::bigint AS n, 0::numeric AS amount
        FROM person p
        JOIN chunk c ON c.run_key = @runKey AND c.chunk = p.chunk
        JOIN wave w ON w.run_key = @runKey AND w.wave = coalesce(c.planned_wave, c.wave)
        CROSS JOIN LATERAL (VALUES
            ('attempted', p.attempted), ('accepted', p.accepted), ('delivered', p.delivered),
            ('state_' || nullif(p.state, 'planned'), '-infinity')
        ) AS m (metric, at)
        WHERE m.metric IS NOT NULL AND m.at IS NOT NULL
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
                SELECT chunk, answer, quarter_hour(received_at) AS received_at, quarter_hour(occurred_at) AS occurred_at,
                    count(*) AS n
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

    // A customer's first of each kind is found in one pass, and each kind grouped by itself.
    private const string Engagements = """
        SELECT e.metric, 0::smallint, w.channel, e.variant, w.wave, (e.at AT TIME ZONE (TABLE bank))::date,
            sum(e.n)::bigint, 0::numeric
        FROM (
            SELECT kind AS metric, wave, variant, quarter_hour(occurred_at) AS at, count(*) AS n
            FROM engagement
            WHERE run_key = @runKey
            GROUP BY 1, 2, 3, 4
            UNION ALL
            SELECT CASE WHEN grouping(opened) = 0 THEN 'opened_customers' WHEN grouping(clicked) = 0 THEN 'clicked_customers'
                        ELSE 'dismissed_customers' END, wave, variant, coalesce(opened, clicked, dismissed), count(*)
            FROM (
                SELECT wave, variant, quarter_hour(min(occurred_at) FILTER (WHERE kind = 'opened')) AS opened,
                    quarter_hour(min(occurred_at) FILTER (WHERE kind = 'clicked')) AS clicked,
                    quarter_hour(min(occurred_at) FILTER (WHERE kind = 'dismissed')) AS dismissed
                FROM engagement
                WHERE run_key = @runKey
                GROUP BY customer_key, wave, variant
            ) p
            GROUP BY GROUPING SETS ((wave, variant, opened), (wave, variant, clicked), (wave, variant, dismissed))
        ) e
        JOIN wave w ON w.run_key = @runKey AND w.wave = e.wave
        WHERE e.at IS NOT NULL
        GROUP BY 1, 3, 4, 5, 6
        """;

    // Conversions' amount is their value; converted's amount the sum of squares of the value per customer; the pairs of k
    // conversions of one customer are k (k − 1), so that squares of their number are conversions and pairs.
    private const string Conversions = """
        SELECT c.metric, c.arm, w.channel, c.variant, w.wave, (c.at AT TIME ZONE (TABLE bank))::date,
            sum(c.n)::bigint, sum(c.amount)
        FROM (
            SELECT m.metric, c.arm, c.variant, c.wave, c.at, c.n, c.amount
            FROM (
                SELECT other_currency, arm, variant, wave, quarter_hour(occurred_at) AS at, count(*) AS n,
                    CASE WHEN other_currency THEN 0 ELSE coalesce(sum(amount), 0) END AS amount
                FROM conversion
                WHERE run_key = @runKey AND counted
                GROUP BY 1, 2, 3, 4, 5
            ) c
            CROSS JOIN LATERAL (VALUES ('conversions'), (CASE WHEN c.other_currency THEN 'other_currency' END)) AS m (metric)
            WHERE m.metric IS NOT NULL
            UNION ALL
            SELECT m.metric, c.arm, c.variant, c.wave, c.at, m.n, m.amount
            FROM (
                SELECT arm, variant, wave, at, count(*) AS n, sum(amount * amount) AS squares,
                    sum(times * (times - 1))::bigint AS pairs
                FROM (
                    SELECT arm, variant, wave, quarter_hour(min(occurred_at)) AS at, count(*) AS times,
                        coalesce(sum(amount) FILTER (WHERE NOT other_currency), 0) AS amount
                    FROM conversion
                    WHERE run_key = @runKey AND counted
                    GROUP BY customer_key, arm, variant, wave
                ) p
                GROUP BY arm, variant, wave, at
            ) c
            CROSS JOIN LATERAL (VALUES ('converted', c.n, c.squares), ('conversion_pairs', c.pairs, 0)) AS m (metric, n, amount)
            WHERE m.n <> 0
        ) c
        JOIN wave w ON w.run_key = @runKey AND w.wave = c.wave
        GROUP BY 1, 2, 3, 4, 5, 6
        """;

    private const string All = $"{Touches} UNION ALL {Requests} UNION ALL {Engagements} UNION ALL {Conversions}";
}
