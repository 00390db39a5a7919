using Campaigns.Statistics;

namespace Campaigns.Tests.Statistics;

/// <summary>Thousands of campaigns whose truth is known. Seeds are fixed; the bounds are those of the number of
/// campaigns: 99 % of what a method that keeps its word would show.</summary>
public sealed class SimulationTests
{
    private const int Campaigns = 2_000;

    /// <summary>2.576 standard deviations of the share among 2,000 of an event of 5 %.</summary>
    private const double Tolerance = 0.01255;

    [Theory]
    [InlineData(9_000, 1_000, 0.05)]
    [InlineData(4_000, 4_000, 0.02)]
    [InlineData(3_000, 1_500, 0.3)]
    public void Without_effect_five_per_cent_of_fixed_intervals_raise_a_false_alarm(
        int treated,
        int control,
        double rate
    )
    {
        var random = new Random(20260214);
        var alarms = 0;
        for (var i = 0; i < Campaigns; i++)
        {
            var interval = Proportions.Newcombe(Convert(random, treated, rate), Convert(random, control, rate));
            alarms += interval.Value!.Value.ExcludesZero ? 1 : 0;
        }

        Assert.InRange((double)alarms / Campaigns, 0.05 - Tolerance, 0.05 + Tolerance);
    }

    [Fact]
    public void The_score_interval_keeps_the_same_promise()
    {
        var random = new Random(20260214);
        var alarms = 0;
        for (var i = 0; i < Campaigns; i++)
        {
            var interval = Proportions.MiettinenNurminen(Convert(random, 9_000, 0.05), Convert(random, 1_000, 0.05));
            alarms += interval.Value!.Value.ExcludesZero ? 1 : 0;
        }

        Assert.InRange((double)alarms / Campaigns, 0.05 - Tolerance, 0.05 + Tolerance);
    }

    [Theory]
    [InlineData(0.5, 0.05)]
    [InlineData(0.1, 0.05)]
    [InlineData(0.1, 0.01)]
    public void Over_all_looks_at_most_five_per_cent_of_sequences_raise_a_false_alarm(double holdout, double rate)
    {
        var random = new Random(20260515);
        var rho = ConfidenceSequence.Rho();
        int sequence = 0,
            peeking = 0;
        for (var i = 0; i < Campaigns; i++)
        {
            Arm t = new(0, 0),
                c = new(0, 0);
            bool alarm = false,
                peeked = false;
            for (var look = 0; look < 40; look++)
            {
                t = Add(t, Convert(random, (int)(500 * (1 - holdout)), rate));
                c = Add(c, Convert(random, (int)(500 * holdout), rate));
                alarm = alarm || ConfidenceSequence.At(t, c, rho).Value is { Difference.ExcludesZero: true };
                peeked = peeked || Proportions.Newcombe(t, c).Value!.Value.ExcludesZero;
            }
            sequence += alarm ? 1 : 0;
            peeking += peeked ? 1 : 0;
        }

        Assert.InRange((double)sequence / Campaigns, 0, 0.05);
        // The reason for the sequence: who looks forty times at the fixed interval is fooled this often.
        Assert.True((double)peeking / Campaigns > 0.15);
    }

    [Fact]
    public void A_known_effect_on_the_rate_is_covered_in_ninety_five_of_a_hundred()
    {
        var random = new Random(1);
        int newcombe = 0,
            score = 0,
            lift = 0,
            incremental = 0,
            sequence = 0;
        var rho = ConfidenceSequence.Rho();
        for (var i = 0; i < Campaigns; i++)
        {
            var (t, c) = (Convert(random, 6_000, 0.06), Convert(random, 2_000, 0.05));
            newcombe += Covers(Proportions.Newcombe(t, c).Value!.Value, 0.01);
            score += Covers(Proportions.MiettinenNurminen(t, c).Value!.Value, 0.01);
            lift += Covers(Proportions.RelativeLift(t, c).Value!.Value, 0.2);
            incremental += Covers(Proportions.Incremental(t, c).Value!.Value, 60);
            sequence += Covers(ConfidenceSequence.At(t, c, rho).Value!.Value.Difference, 0.01);
        }

        Assert.All([newcombe, score, lift, incremental], IsNominal);
        Assert.True(sequence >= 0.95 * Campaigns);
    }

    [Fact]
    public void A_known_effect_on_the_value_is_covered_and_a_covariate_narrows_it()
    {
        var random = new Random(2);
        int welch = 0,
            cuped = 0;
        double welchError = 0,
            cupedError = 0;
        for (var i = 0; i < Campaigns; i++)
        {
            var (t, c) = (Spend(random, 300, 20), Spend(random, 100, 0));
            var plain = Means.Welch(t.Y, c.Y).Value!.Value;
            var adjusted = Means.Cuped(t, c).Value!.Value;
            welch += Covers(plain.Difference, 20);
            cuped += Covers(adjusted.Difference, 20);
            welchError += plain.StandardError;
            cupedError += adjusted.StandardError;
        }

        Assert.All([welch, cuped], IsNominal);
        Assert.True(cupedError < 0.75 * welchError);
    }

    [Fact]
    public void The_smallest_effect_of_the_preview_is_seen_in_eighty_of_a_hundred()
    {
        var random = new Random(3);
        var effect = Power.SmallestEffect(9_000, 1_000, 0.05).Value!.Value;
        var seen = 0;
        for (var i = 0; i < Campaigns; i++)
        {
            var p = Proportions.PValue(Convert(random, 9_000, 0.05 + effect), Convert(random, 1_000, 0.05));
            seen += p.Value < 0.05 ? 1 : 0;
        }

        Assert.InRange((double)seen / Campaigns, 0.77, 0.83);
    }

    private static void IsNominal(int covered) =>
        Assert.InRange((double)covered / Campaigns, 0.95 - Tolerance, 0.95 + Tolerance);

    private static int Covers(Estimate estimate, double truth) =>
        estimate.Low <= truth && truth <= estimate.High ? 1 : 0;

    private static Arm Add(Arm one, Arm other) => new(one.Converted + other.Converted, one.Customers + other.Customers);

    /// <summary>Jumps from conversion to conversion, which is the same and much faster than asking every customer.
    /// </summary>
    private static Arm Convert(Random random, int customers, double rate)
    {
        var (converted, position) = (0, 0L);
        var scale = Math.Log(1 - rate);
        while ((position += 1 + (long)(Math.Log(1 - random.NextDouble()) / scale)) <= customers)
            converted++;
        return new(converted, customers);
    }

    /// <summary>Skewed, as amounts are, and related to what was spent before.</summary>
    private static PairedMoments Spend(Random random, int customers, double effect)
    {
        var x = new double[customers];
        var y = new double[customers];
        for (var i = 0; i < customers; i++)
        {
            x[i] = Exponential(random) * 50 + Exponential(random) * 50;
            y[i] = x[i] + 60 * Exponential(random) + effect;
        }
        return Samples.Paired(y, x);
    }

    private static double Exponential(Random random) => -Math.Log(1 - random.NextDouble());
}
