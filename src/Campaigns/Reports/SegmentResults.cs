using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Statistics;
using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>Members of one of the campaign's segments at the run's instant. Whoever is in several counts in each, so that
/// segments may add up to more than the whole.</summary>
/// <param name="Segment">Its id.</param>
/// <param name="Audience">Customers.</param>
/// <param name="Treated">Of the segment, as is the control arm.</param>
public sealed record SegmentResult(
    string Segment,
    long Audience,
    SendCounts Sent,
    ArmResult Treated,
    ArmResult Control,
    Measured Difference
);

/// <summary>Counts a run by the segments of its campaign, of what was recorded of every touch. The cost grows with the
/// audience.</summary>
internal static class SegmentResults
{
    /// <param name="asOf">What was known then; null for now.</param>
    public static async Task<IReadOnlyList<SegmentResult>> ReadAsync(
        NpgsqlConnection connection,
        int runKey,
        RunPlan plan,
        DateTimeOffset? asOf,
        CancellationToken cancellationToken
    )
    {
        var rows = await connection.QueryAsync<Row>(
            new CommandDefinition(
                asOf is null
                    ? $"WITH moved AS (SELECT * FROM touch_state(@runKey)), {Counted}"
                    : $"WITH {Recount.Past}, moved AS (SELECT * FROM touch_state(@runKey, NULL, @asOf)), {Counted}",
                new
                {
                    runKey,
                    asOf,
                    segments = plan.Include.Count,
                },
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );
        var bySegment = rows.ToLookup(row => row.Segment);
        return [.. plan.Include.Select((segment, i) => Of(segment.SegmentId, bySegment[i + 1].AsList(), plan.Goal))];
    }

    private static SegmentResult Of(string segment, List<Row> rows, Goal goal)
    {
        var treated = rows.SingleOrDefault(row => row.Reason == Reason.Touch) ?? new Row();
        var control = rows.SingleOrDefault(row => row.Reason == Reason.HeldOut) ?? new Row();
        return new(
            segment,
            rows.Sum(row => row.Customers),
            treated.Sent,
            treated.Arm(goal),
            control.Arm(goal),
            goal.Event is null
                ? new Measured(Missing: MissingReason.NotAnEvent.Name())
                : Measured.Of(Proportions.Newcombe(treated.Arm(goal).Arm, control.Arm(goal).Arm))
        );
    }

    // By the set of segments first, of which there are few.
    private const string Counted = """
        engaged AS (
            SELECT customer_key, bool_or(kind = 'opened') AS opened, bool_or(kind = 'clicked') AS clicked
            FROM engagement
            WHERE run_key = @runKey
            GROUP BY 1
        ), bought AS (
            SELECT customer_key, count(*) AS conversions, sum(amount) FILTER (WHERE NOT other_currency) AS value,
                count(*) FILTER (WHERE other_currency) AS other_currency
            FROM conversion
            WHERE run_key = @runKey AND counted
            GROUP BY 1
        ), mixed AS (
            SELECT coalesce(d.segments, 1) AS segments, d.reason, count(*) AS customers,
                count(m.attempted_at) AS attempted, count(m.accepted_at) AS accepted, count(m.delivered_at) AS delivered,
                count(*) FILTER (WHERE e.opened) AS opened, count(*) FILTER (WHERE e.clicked) AS clicked,
                count(b.customer_key) AS converted, sum(b.conversions) AS conversions, sum(b.value) AS value,
                sum(b.other_currency) AS other_currency
            FROM decision d
            LEFT JOIN moved m ON m.customer_key = d.customer_key
            LEFT JOIN engaged e ON e.customer_key = d.customer_key
            LEFT JOIN bought b ON b.customer_key = d.customer_key
            WHERE d.run_key = @runKey AND d.step = 1
            GROUP BY 1, 2
        )
        SELECT n AS segment, reason, sum(customers)::bigint AS customers, sum(attempted)::bigint AS attempted,
            sum(accepted)::bigint AS accepted, sum(delivered)::bigint AS delivered, sum(opened)::bigint AS opened,
            sum(clicked)::bigint AS clicked, sum(converted)::bigint AS converted,
            coalesce(sum(conversions), 0)::bigint AS conversions, trim_scale(coalesce(sum(value), 0)) AS value,
            coalesce(sum(other_currency), 0)::bigint AS other_currency
        FROM generate_series(1, @segments) n
        JOIN mixed ON mixed.segments & (1::bigint << (n - 1)) <> 0
        GROUP BY 1, 2
        """;

    private sealed record Row
    {
        public int Segment { get; init; }
        public Reason Reason { get; init; }
        public long Customers { get; init; }
        public long Attempted { get; init; }
        public long Accepted { get; init; }
        public long Delivered { get; init; }
        public long Opened { get; init; }
        public long Clicked { get; init; }
        public long Converted { get; init; }
        public long Conversions { get; init; }
        public decimal Value { get; init; }
        public long OtherCurrency { get; init; }

        public SendCounts Sent => new(Customers, Attempted, Accepted, Delivered, Opened, Clicked);

        public ArmResult Arm(Goal goal) =>
            ArmResult.Of(goal, Customers, Converted, (Conversions, Value, OtherCurrency));
    }
}
