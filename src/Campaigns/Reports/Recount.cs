using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>A count of a report, by what it can be grouped by.</summary>
/// <param name="Arm">0 treated, 1 held out.</param>
/// <param name="Channel">As planned; 0 where the decision names none.</param>
/// <param name="Wave">As planned.</param>
internal sealed record Cell(
    string Metric,
    short Arm,
    short Channel,
    short Variant,
    int Wave,
    DateOnly Day,
    long N,
    decimal Amount
);

/// <summary>Counts a run again from what was recorded: attempts, outcomes, receipts, engagements, goal events.</summary>
internal static class Recount
{
    public static async Task<List<Cell>> OfAsync(
        NpgsqlConnection connection,
        int runKey,
        CancellationToken cancellationToken
    ) =>
        (
            await connection.QueryAsync<Cell>(
                new CommandDefinition(
                    $"{Sends} UNION ALL {Engagements} UNION ALL {Conversions}",
                    new { runKey },
                    cancellationToken: cancellationToken
                )
            )
        ).AsList();

    // A customer's first attempt, acceptance and delivery; delivered is accepted too, whatever the answer was. Receipts are
    // appended and grouped, not joined: without statistics yet, that would be planned as a loop in a loop.
    private const string Sends = """
        WITH bank AS (
            SELECT name FROM time_zone WHERE zone = 1
        ), sent AS (
            SELECT m.customer_key, a.attempted_at, CASE WHEN m.answer IN (1, 5) THEN o.recorded_at END AS accepted_at,
                CASE WHEN m.answer = 5 THEN o.recorded_at END AS delivered_at
            FROM attempt a
            LEFT JOIN LATERAL (
                SELECT o.recorded_at,
                    CASE WHEN cardinality(o.states) = 1
                        THEN array_fill(o.states[1], ARRAY[cardinality(a.customer_keys)]) ELSE o.states END AS states
                FROM outcome o
                WHERE o.run_key = a.run_key AND o.chunk = a.chunk AND o.request = a.request
                ORDER BY o.answer DESC
                LIMIT 1
            ) o ON true
            CROSS JOIN LATERAL unnest(a.customer_keys, o.states) AS m (customer_key, answer)
            WHERE a.run_key = @runKey
            UNION ALL
            SELECT customer_key, NULL, NULL, occurred_at
            FROM receipt
            WHERE run_key = @runKey AND state = 4
        ), person AS (
            SELECT d.channel, d.variant, d.wave, s.attempts, s.attempted_at, s.acceptances, s.receipts, s.delivered_at,
                coalesce(s.accepted_at, s.delivered_at) AS accepted_at
            FROM (
                SELECT customer_key, count(attempted_at) AS attempts, min(attempted_at) AS attempted_at,
                    count(accepted_at) AS acceptances, min(accepted_at) AS accepted_at,
                    count(delivered_at) AS receipts, min(delivered_at) AS delivered_at
                FROM sent
                GROUP BY customer_key
            ) s
            JOIN decision d ON d.run_key = @runKey AND d.customer_key = s.customer_key AND d.step = 1
        )
        SELECT m.metric, 0::smallint AS arm, coalesce(p.channel, 0::smallint) AS channel,
            coalesce(p.variant, 0::smallint) AS variant, coalesce(p.wave, 0) AS wave,
            (m.at AT TIME ZONE bank.name)::date AS day, sum(m.n)::bigint AS n, 0::numeric AS amount
        FROM person p
        CROSS JOIN bank
        CROSS JOIN LATERAL (VALUES
            ('attempted', p.attempted_at, 1), ('attempts', p.attempted_at, p.attempts),
            ('accepted', p.accepted_at, 1), ('acceptances', p.accepted_at, greatest(p.acceptances, p.receipts, 1)),
            ('delivered', p.delivered_at, 1), ('deliveries', p.delivered_at, p.receipts)
        ) AS m (metric, at, n)
        WHERE m.at IS NOT NULL
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
