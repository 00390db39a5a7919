using Campaigns.Outcomes;
using Campaigns.Planning;
using Campaigns.Statistics;
using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>Reads how the number of a run's goal changed.</summary>
internal static class NumberChanges
{
    private const short Control = 1;

    // The numbers of whoever was erased are gone. Groups she was in stay as they were added up: the others without her
    // would tell hers.
    private const string AddedUpAgain = $"""
        (
            WITH gone AS (
                SELECT DISTINCT d.wave, CASE d.reason WHEN 0 THEN 0 ELSE 1 END AS arm, coalesce(d.variant, 0) AS variant
                FROM decision d
                JOIN customer c USING (customer_key)
                WHERE d.run_key = @runKey AND d.step = 1 AND d.reason IN (0, 21) AND c.erased
            )
            SELECT * FROM goal_sum
            WHERE run_key = @runKey AND (wave, arm, variant) IN (SELECT wave, arm, variant FROM gone)
            UNION ALL
            SELECT * FROM ({FollowUps.Sums} {FollowUps.SumGroups}) again
            WHERE (wave, arm, variant) NOT IN (SELECT wave, arm, variant FROM gone)
        )
        """;

    /// <summary>Null where the goal is an event.</summary>
    public static async Task<NumberChange?> ReadAsync(
        NpgsqlConnection connection,
        int runKey,
        RunPlan plan,
        ReportQuestion question,
        CancellationToken cancellationToken
    )
    {
        if (plan.Goal.Field is not { } field)
        {
            return null;
        }

        var groups = (
            await connection.QueryAsync<Group>(
                new CommandDefinition(
                    Moments(question.Exact ? AddedUpAgain : "(SELECT * FROM goal_sum WHERE run_key = @runKey)"),
                    new { runKey, until = question.AsOf ?? DateTimeOffset.MaxValue },
                    commandTimeout: 0,
                    cancellationToken: cancellationToken
                )
            )
        ).AsList();
        var (waiting, measuredAt) = await connection.QuerySingleAsync<(long, DateTime?)>(
            new CommandDefinition(
                """
                SELECT coalesce(sum(l.customers) FILTER (WHERE g.wave IS NULL), 0)::bigint, max(g.measured_at)
                FROM run_ledger l
                LEFT JOIN goal_wave g ON g.run_key = l.run_key AND g.wave = l.wave AND g.measured_at <= @until
                WHERE l.run_key = @runKey AND l.step = 1 AND l.reason IN (0, 21)
                """,
                new { runKey, until = question.AsOf ?? DateTimeOffset.MaxValue },
                cancellationToken: cancellationToken
            )
        );
        return Of(field, plan, groups, waiting, measuredAt);
    }

    private static NumberChange Of(string field, RunPlan plan, List<Group> groups, long waiting, DateTime? measuredAt)
    {
        Group Find(short arm, short? variant) =>
            groups.SingleOrDefault(group => group.Arm == arm && group.Variant == variant) ?? new Group();

        var (treated, control) = (Find(0, null), Find(Control, null));
        var (plain, cuped) = (Welch(treated, control), Cuped(treated, control));
        return new NumberChange
        {
            Field = field,
            Treated = treated.ToArm(),
            Control = control.ToArm(),
            Waiting = waiting,
            MeasuredAt = measuredAt,
            Change = Measured.Of(plain),
            ChangePValue = PValue.Of(plain),
            Cuped = Measured.Of(cuped),
            CupedPValue = PValue.Of(cuped),
            NotCausal = plan.Goal.LastYear is { } fields
                ? new(new LastYearChange(fields.Before, fields.After, treated.LastYear, control.LastYear))
                : null,
            ByVariant = Variants(plan, variant => Find(0, variant), control),
        };
    }

    private static VariantChange[] Variants(RunPlan plan, Func<short, Group> find, Group control)
    {
        var compared = plan
            .Variants.Select(variant =>
            {
                var treated = find(variant.Number);
                return (variant.Name, treated, plain: Welch(treated, control), cuped: Cuped(treated, control));
            })
            .ToList();
        var adjusted = PValue.Holm([.. compared.Select(one => PValue.Of(one.cuped))]);
        return
        [
            .. compared.Select(
                (one, index) =>
                    new VariantChange(
                        one.Name,
                        one.treated.ToArm(),
                        Measured.Of(one.plain),
                        Measured.Of(one.cuped),
                        PValue.Of(one.cuped),
                        adjusted[index]
                    )
            ),
        ];
    }

    private static Figure<MeanDifference> Welch(Group treated, Group control) =>
        Means.Welch(treated.Paired.Y, control.Paired.Y);

    private static Figure<MeanDifference> Cuped(Group treated, Group control) =>
        Means.Cuped(treated.Paired, control.Paired);

    // In the database's own decimals: of sums as large as a bank's, a double keeps too few digits for a variance.
    private static string Moments(string sums) =>
        $"""
            SELECT arm, CASE WHEN grouping(variant) = 0 THEN variant END AS variant, sum(customers)::bigint AS customers,
                sum(without_value)::bigint AS without_value,
                (sum(x) / sum(customers))::float8 AS mean_x, (sum(y) / sum(customers))::float8 AS mean_y,
                coalesce((sum(xx) - sum(x) * sum(x) / sum(customers)) / nullif(sum(customers) - 1, 0), 0)::float8 AS var_x,
                coalesce((sum(yy) - sum(y) * sum(y) / sum(customers)) / nullif(sum(customers) - 1, 0), 0)::float8 AS var_y,
                coalesce((sum(xy) - sum(x) * sum(y) / sum(customers)) / nullif(sum(customers) - 1, 0), 0)::float8 AS cov,
                sum(with_last_year)::bigint AS with_last_year,
                (sum(last_year_change) / nullif(sum(with_last_year), 0))::float8 AS mean_change_last_year
            FROM {sums} s
            JOIN goal_wave g USING (run_key, wave)
            WHERE g.measured_at <= @until
            GROUP BY GROUPING SETS ((arm), (arm, variant))
            """;

    private sealed record Group
    {
        public short Arm { get; init; }
        public short? Variant { get; init; }
        public long Customers { get; init; }
        public long WithoutValue { get; init; }
        public double MeanX { get; init; }
        public double MeanY { get; init; }
        public double VarX { get; init; }
        public double VarY { get; init; }
        public double Cov { get; init; }
        public long WithLastYear { get; init; }
        public double? MeanChangeLastYear { get; init; }

        public PairedMoments Paired =>
            new(new(Customers, MeanY, Math.Max(VarY, 0)), new(Customers, MeanX, Math.Max(VarX, 0)), Cov);

        public LastYearArm LastYear => new(WithLastYear, MeanChangeLastYear);

        public ChangeArm ToArm() => Customers == 0 ? new(0, 0) : new(Customers, WithoutValue, MeanX, MeanY);
    }
}
