using Campaigns.Statistics;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Statistics;

public sealed class LookingEarlyTests
{
    private static readonly double Rho = ConfidenceSequence.Rho();

    [Theory]
    [InlineData(5_000, 0.0398400668)]
    [InlineData(40_000, 0.0140855907)]
    public void Rho_comes_from_the_sample_size_that_was_approved(double sampleSize, double rho) =>
        Assert.Equal(rho, ConfidenceSequence.Rho(sampleSize), 5e-11);

    [Fact]
    public void A_look_follows_the_formula_step_by_step()
    {
        var look = ConfidenceSequence.At(new(540, 9_000), new(50, 1_000), Rho).Value!.Value;

        // SE = sqrt(0.059 · 0.941 · (1/9000 + 1/1000)); Nρ² = 10000 · 0.00158723... = 15.8723
        var error = Math.Sqrt(0.059 * 0.941 * (1 / 9_000.0 + 1 / 1_000.0));
        var spread = 10_000 * Rho * Rho;
        var half =
            error
            * Math.Sqrt(10_000)
            * Math.Sqrt(2 * (spread + 1) / (10_000.0 * 10_000 * Rho * Rho) * Math.Log(Math.Sqrt(spread + 1) / 0.05));
        var z = 0.01 / error;
        var evidence = Math.Exp(z * z * spread / (2 * (spread + 1))) / Math.Sqrt(spread + 1);
        Assert.Equal(0.01, look.Difference.Value, 1e-12);
        Assert.Equal(0.01 - half, look.Difference.Low, 1e-12);
        Assert.Equal(0.01 + half, look.Difference.High, 1e-12);
        Assert.Equal(Math.Min(1, 1 / evidence), look.PValue, 1e-12);
    }

    [Theory]
    [InlineData(40, 900, 4, 100, MissingReason.TooEarly)] // 100 · 44/1000 = 4.4
    [InlineData(45, 900, 5, 100, null)] // 5.0
    [InlineData(100, 1_000, 0, 40, MissingReason.TooEarly)]
    [InlineData(1_000, 1_000, 100, 100, MissingReason.NoVariation)]
    [InlineData(0, 1_000, 0, 100, MissingReason.TooEarly)]
    [InlineData(5, 10, 0, 0, MissingReason.NoHoldout)]
    public void There_is_no_look_before_the_smaller_arm_expects_five(
        long x1,
        long n1,
        long x2,
        long n2,
        MissingReason? reason
    ) => Assert.Equal(reason, ConfidenceSequence.At(new(x1, n1), new(x2, n2), Rho).Reason);

    [Fact]
    public void The_p_value_falls_below_five_per_cent_exactly_when_the_interval_leaves_out_zero() =>
        Seeded.ForAll(
            ProportionsTests.Arms(),
            2_000,
            arms =>
            {
                if (ConfidenceSequence.At(arms.Treated, arms.Control, Rho) is not { Value: { } look })
                    return;
                Assert.InRange(look.PValue, 0, 1);
                Assert.True(-1 <= look.Difference.Low && look.Difference.High <= 1);
                Assert.Equal(look.PValue < 0.05, look.Difference.ExcludesZero);
            }
        );
}
