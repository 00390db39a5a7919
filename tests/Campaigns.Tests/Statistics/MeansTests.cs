using Campaigns.Statistics;

namespace Campaigns.Tests.Statistics;

public sealed class MeansTests
{
    private static readonly double[] TreatedY = [12, 15, 11, 18, 20];
    private static readonly double[] TreatedX = [10, 13, 9, 15, 17];
    private static readonly double[] ControlY = [9, 14, 10, 13, 12];
    private static readonly double[] ControlX = [8, 14, 10, 12, 11];

    [Fact]
    public void Welch_compares_the_value_per_customer()
    {
        var result = Means
            .Welch(Moments.FromSums(3_461, 2_422.7, 134_698.29), Moments.FromSums(3_407, 1_396.87, 52_377.9767))
            .Value!.Value;

        Assert.Equal(0.29, result.Difference.Value, 1e-9);
        Assert.Equal(0.0453779, result.Difference.Low, 5e-8);
        Assert.Equal(0.5346221, result.Difference.High, 5e-8);
        Assert.Equal(0.0201584, result.PValue, 5e-8);
    }

    [Fact]
    public void A_covariate_takes_out_what_was_there_before()
    {
        var result = Means.Cuped(Samples.Paired(TreatedY, TreatedX), Samples.Paired(ControlY, ControlX)).Value!.Value;

        Assert.Equal(1.0679012, result.Theta, 5e-8);
        Assert.Equal(1.6777778, result.Difference.Value, 5e-8);
        Assert.Equal(0.3241323, result.StandardError, 5e-8);
        Assert.Equal(
            1.9493589,
            Means.Welch(Samples.Of(TreatedY), Samples.Of(ControlY)).Value!.Value.StandardError,
            5e-8
        );
    }

    [Fact]
    public void A_covariate_that_does_not_vary_changes_nothing()
    {
        double[] constant = [7, 7, 7, 7, 7];
        var adjusted = Means.Cuped(Samples.Paired(TreatedY, constant), Samples.Paired(ControlY, constant)).Value!.Value;
        var plain = Means.Welch(Samples.Of(TreatedY), Samples.Of(ControlY)).Value!.Value;

        Assert.Equal(0, adjusted.Theta);
        Assert.Equal(plain.Difference.Value, adjusted.Difference.Value, 1e-9);
        Assert.Equal(plain.StandardError, adjusted.StandardError, 1e-9);
    }

    [Fact]
    public void What_cannot_be_compared_says_why()
    {
        var some = Samples.Of(TreatedY);
        var nothingSpent = Samples.Of([0, 0, 0]);

        Assert.Equal(MissingReason.NoHoldout, Means.Welch(some, default).Reason);
        Assert.Equal(MissingReason.NobodyTreated, Means.Welch(default, some).Reason);
        Assert.Equal(MissingReason.TooFewCustomers, Means.Welch(some, Samples.Of([3])).Reason);
        Assert.Equal(MissingReason.NoVariation, Means.Welch(nothingSpent, nothingSpent).Reason);
        Assert.Equal(
            MissingReason.TooLarge,
            Means.Welch(Moments.FromSums(10, 1e300, double.PositiveInfinity), some).Reason
        );
    }

    [Fact]
    public void Very_large_and_very_small_amounts_keep_their_interval()
    {
        foreach (var scale in new[] { 1e-150, 1e-9, 1, 1e12, 1e150 })
        {
            var result = Means
                .Welch(
                    Samples.Of([.. TreatedY.Select(y => y * scale)]),
                    Samples.Of([.. ControlY.Select(y => y * scale)])
                )
                .Value!.Value;
            Assert.Equal(3.6, result.Difference.Value / scale, 1e-9);
            Assert.Equal(1.9493589, result.StandardError / scale, 5e-8);
        }
    }
}
