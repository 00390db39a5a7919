using Campaigns.Statistics;
using Campaigns.Tests.Support;
using FsCheck;
using FsCheck.Fluent;

namespace Campaigns.Tests.Statistics;

public sealed class ProportionsTests
{
    /// <summary>Newcombe (1998), table II, method 10: examples a, b, d, e and h.</summary>
    [Theory]
    [InlineData(56, 70, 48, 80, 0.0524, 0.3339)]
    [InlineData(9, 10, 3, 10, 0.1705, 0.8090)]
    [InlineData(5, 56, 0, 29, -0.0381, 0.1926)]
    [InlineData(0, 10, 0, 20, -0.1611, 0.2775)]
    [InlineData(10, 10, 0, 10, 0.6075, 1.0000)]
    public void Newcombes_interval_is_the_published_one(long x1, long n1, long x2, long n2, double low, double high)
    {
        var interval = Proportions.Newcombe(new(x1, n1), new(x2, n2)).Value!.Value;

        Assert.Equal((low, high), (Math.Round(interval.Low, 4), Math.Round(interval.High, 4)));
        Assert.Equal((double)x1 / n1 - (double)x2 / n2, interval.Value);
    }

    /// <summary>The same examples, method 5 of Newcombe (1998).</summary>
    [Theory]
    [InlineData(56, 70, 48, 80, 0.0528, 0.3382)]
    [InlineData(9, 10, 3, 10, 0.1700, 0.8406)]
    [InlineData(5, 56, 0, 29, -0.0326, 0.1933)]
    [InlineData(0, 10, 0, 10, -0.2879, 0.2879)]
    public void Miettinen_and_Nurminens_interval_is_the_published_one(
        long x1,
        long n1,
        long x2,
        long n2,
        double low,
        double high
    )
    {
        var interval = Proportions.MiettinenNurminen(new(x1, n1), new(x2, n2)).Value!.Value;

        Assert.Equal((low, high), (Math.Round(interval.Low, 4), Math.Round(interval.High, 4)));
    }

    [Fact]
    public void Relative_lift_has_a_log_interval()
    {
        var lift = Proportions.RelativeLift(new(7, 34), new(1, 34)).Value!.Value;

        Assert.Equal(6.0, lift.Value, 1e-9);
        Assert.Equal(-0.0903944882, lift.Low, 1e-9);
        Assert.Equal(52.8695064641, lift.High, 1e-9);
        Assert.False(lift.ExcludesZero);
    }

    [Theory]
    [InlineData(0, 100, 5, 100)]
    [InlineData(5, 100, 0, 100)]
    [InlineData(0, 100, 0, 100)]
    public void Relative_lift_needs_a_conversion_in_each_arm(long x1, long n1, long x2, long n2)
    {
        var lift = Proportions.RelativeLift(new(x1, n1), new(x2, n2));

        Assert.Null(lift.Value);
        Assert.Equal(MissingReason.NoConversions, lift.Reason);
    }

    [Fact]
    public void Incremental_conversions_scale_the_difference_to_the_treated_arm()
    {
        Arm treated = new(540, 9_000),
            control = new(50, 1_000);
        var incremental = Proportions.Incremental(treated, control).Value!.Value;
        var difference = Proportions.Newcombe(treated, control).Value!.Value;

        Assert.Equal(90, incremental.Value, 1e-9);
        Assert.Equal(9_000 * difference.Low, incremental.Low, 1e-9);
        Assert.Equal(9_000 * difference.High, incremental.High, 1e-9);
    }

    [Fact]
    public void Without_a_holdout_or_a_treated_arm_nothing_is_compared()
    {
        Arm nobody = new(0, 0),
            some = new(3, 10);

        Assert.Equal(MissingReason.NoHoldout, Proportions.Newcombe(some, nobody).Reason);
        Assert.Equal(MissingReason.NoHoldout, Proportions.MiettinenNurminen(some, nobody).Reason);
        Assert.Equal(MissingReason.NoHoldout, Proportions.RelativeLift(some, nobody).Reason);
        Assert.Equal(MissingReason.NoHoldout, Proportions.Incremental(some, nobody).Reason);
        Assert.Equal(MissingReason.NoHoldout, Proportions.PValue(some, nobody).Reason);
        Assert.Equal(MissingReason.NobodyTreated, Proportions.Newcombe(nobody, some).Reason);
        Assert.Equal(MissingReason.NobodyTreated, Proportions.Incremental(nobody, some).Reason);
    }

    [Fact]
    public void When_everyone_converted_the_difference_has_an_interval_and_the_rest_a_reason()
    {
        Arm everyone = new(20, 20);

        var difference = Proportions.Newcombe(everyone, everyone).Value!.Value;
        Assert.True(difference is { Value: 0, Low: < 0, High: > 0 });
        Assert.Equal(MissingReason.NoVariation, Proportions.RelativeLift(everyone, everyone).Reason);
        Assert.Equal(MissingReason.NoVariation, Proportions.PValue(everyone, everyone).Reason);
    }

    [Theory]
    [InlineData(-1, 10)]
    [InlineData(11, 10)]
    public void An_arm_cannot_convert_more_than_it_has(long converted, long customers) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new Arm(converted, customers));

    [Fact]
    public void The_p_value_is_that_of_the_pooled_z_test() =>
        // z = (0.06 - 0.05) / sqrt(0.059 * 0.941 * (1/9000 + 1/1000)) = 1.27321
        Assert.Equal(0.202945, Proportions.PValue(new(540, 9_000), new(50, 1_000)).Value!.Value, 1e-5);

    [Fact]
    public void Every_interval_holds_its_estimate_within_what_is_possible() =>
        Seeded.ForAll(
            Arms(),
            500,
            arms =>
            {
                foreach (
                    var figure in new[]
                    {
                        Proportions.Newcombe(arms.Treated, arms.Control),
                        Proportions.MiettinenNurminen(arms.Treated, arms.Control),
                    }
                )
                {
                    var (value, low, high) = figure.Value!.Value;
                    Assert.True(-1 <= low && low <= value && value <= high && high <= 1, $"{low} {value} {high}");
                }
                if (Proportions.RelativeLift(arms.Treated, arms.Control) is { Value: var (lift, from, to) })
                    Assert.True(-1 <= from && from <= lift && lift <= to && double.IsFinite(to));
                if (Proportions.PValue(arms.Treated, arms.Control) is { Value: { } p })
                    Assert.InRange(p, 0, 1);
            }
        );

    [Fact]
    public void Exchanging_the_arms_turns_the_interval_round() =>
        Seeded.ForAll(
            Arms(),
            300,
            arms =>
            {
                foreach (var method in new[] { Proportions.Newcombe, Method(Proportions.MiettinenNurminen) })
                {
                    var one = method(arms.Treated, arms.Control, 0.05).Value!.Value;
                    var other = method(arms.Control, arms.Treated, 0.05).Value!.Value;
                    Assert.Equal(one.Value, -other.Value, 1e-9);
                    Assert.Equal(one.Low, -other.High, 1e-9);
                    Assert.Equal(one.High, -other.Low, 1e-9);
                }
            }
        );

    private static Func<Arm, Arm, double, Figure<Estimate>> Method(Func<Arm, Arm, double, Figure<Estimate>> method) =>
        method;

    internal static Gen<(Arm Treated, Arm Control)> Arms()
    {
        var arm =
            from customers in Gen.OneOf(Gen.Choose(1, 20), Gen.Choose(1, 1_000_000))
            from converted in Gen.OneOf(
                Gen.Choose(0, Math.Min(customers, 5)),
                Gen.Choose(0, customers),
                Gen.Constant(customers)
            )
            select new Arm(converted, customers);
        return from treated in arm from control in arm select (treated, control);
    }
}
