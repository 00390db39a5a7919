using Campaigns.Statistics;

namespace Campaigns.Tests.Statistics;

public sealed class ComparisonsTests
{
    [Fact]
    public void Holm_steps_down()
    {
        double[] adjusted = [0.05, 0.12, 0.12, 0.03, 1, 1];

        AllClose(adjusted, MultipleComparisons.Holm([0.01, 0.04, 0.03, 0.005, 0.55, 0.6]));
    }

    [Fact]
    public void Benjamini_and_Hochberg_step_up()
    {
        double[] adjusted = [0.964, 0.2415, 0.0245, 0.964, 0.7532, 0.0245, 0.2415];

        AllClose(adjusted, MultipleComparisons.BenjaminiHochberg([0.898, 0.138, 0.007, 0.964, 0.538, 0.006, 0.138]));
    }

    [Fact]
    public void A_family_of_one_or_of_none_stays_as_it_is()
    {
        AllClose([0.04], MultipleComparisons.Holm([0.04]));
        AllClose([0.04], MultipleComparisons.BenjaminiHochberg([0.04]));
        Assert.Empty(MultipleComparisons.Holm([]));
        Assert.Empty(MultipleComparisons.BenjaminiHochberg([]));
    }

    [Theory]
    [InlineData(821_588, 815_482, 1, 1, 22.77436884, 1.8217928726e-6, true)]
    [InlineData(5_100, 4_900, 1, 1, 4.0, 0.0455002639, false)]
    [InlineData(10_000, 1_000, 0.9, 0.1, 10.1010101010, 0.00148188077, false)]
    [InlineData(9_000, 1_150, 0.9, 0.1, 19.9507389163, 7.946323923e-6, true)]
    public void Arms_that_are_not_what_was_planned_raise_the_alarm(
        long treated,
        long control,
        double share,
        double controlShare,
        double chiSquare,
        double p,
        bool mismatch
    )
    {
        var ratio = SampleRatio.Check([treated, control], [share, controlShare]).Value!.Value;

        Assert.Equal(chiSquare, ratio.ChiSquare!.Value, 1e-8);
        Assert.Equal(1, ratio.PValue / p, 1e-8);
        Assert.Equal(mismatch, ratio.IsMismatch);
    }

    [Fact]
    public void A_tail_far_out_keeps_its_digits() =>
        // χ² = 200, erfc(10): far below what 1 − CDF can tell from 0.
        Assert.Equal(1, SampleRatio.Check([11_000, 9_000], [1, 1]).Value!.Value.PValue / 2.0884875837625448e-45, 1e-9);

    [Fact]
    public void An_arm_that_was_not_planned_is_a_mismatch_by_itself()
    {
        var ratio = SampleRatio.Check([900, 100, 3], [0.9, 0.1, 0]).Value!.Value;

        Assert.Null(ratio.ChiSquare);
        Assert.True(ratio.IsMismatch);
    }

    [Theory]
    [InlineData(4, 1, 0.99)] // one in five held out where one in a hundred was planned
    [InlineData(440, 59, 0.99)] // 4.99 expected
    public void With_few_customers_expected_there_is_no_alarm(long treated, long heldOut, double share) =>
        Assert.Equal(MissingReason.TooFewCustomers, SampleRatio.Check([treated, heldOut], [share, 1 - share]).Reason);

    [Fact]
    public void Five_customers_expected_are_enough() =>
        Assert.True(SampleRatio.Check([440, 60], [0.99, 0.01]).Value!.Value.IsMismatch);

    [Fact]
    public void Without_customers_or_without_a_second_arm_there_is_nothing_to_check()
    {
        Assert.Equal(MissingReason.TooFewCustomers, SampleRatio.Check([0, 0], [0.9, 0.1]).Reason);
        Assert.Equal(MissingReason.NoHoldout, SampleRatio.Check([10, 0], [1, 0]).Reason);
    }

    [Theory]
    [InlineData(0.5, 0.75, 0.9, 76.7069)]
    [InlineData(0.1, 0.11, 0.8, 14_750.79)]
    public void The_customers_a_difference_needs_are_the_published_ones(
        double rate,
        double otherRate,
        double power,
        double customers
    ) => Assert.Equal(customers, Power.CustomersPerArm(rate, otherRate, power), customers * 1e-6);

    [Fact]
    public void The_smallest_effect_of_equal_arms_is_the_one_they_were_sized_for()
    {
        Assert.Equal(0.01, Power.SmallestEffect(14_751, 14_751, 0.1).Value!.Value, 1e-6);
        Assert.Equal(0.25, Power.SmallestEffect(77, 77, 0.5, 0.9).Value!.Value, 1e-3);
    }

    [Fact]
    public void A_small_holdout_shows_less()
    {
        var equal = Power.SmallestEffect(50_000, 50_000, 0.05).Value!.Value;
        var tenth = Power.SmallestEffect(90_000, 10_000, 0.05).Value!.Value;

        Assert.InRange(tenth, equal * 1.5, equal * 1.8);
    }

    [Fact]
    public void What_no_effect_could_show_says_why()
    {
        Assert.Equal(MissingReason.ArmsTooSmall, Power.SmallestEffect(2, 1, 0.5).Reason);
        Assert.Equal(MissingReason.NoHoldout, Power.SmallestEffect(100, 0, 0.5).Reason);
        Assert.Equal(MissingReason.NobodyTreated, Power.SmallestEffect(0, 100, 0.5).Reason);
    }

    [Fact]
    public void No_number_of_customers_shows_that_two_rates_are_equal() =>
        Assert.Throws<ArgumentException>(() => Power.CustomersPerArm(0.1, 0.1));

    private static void AllClose(double[] expected, IReadOnlyList<double> actual)
    {
        Assert.Equal(expected.Length, actual.Count);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-9));
    }
}
