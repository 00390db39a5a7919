using Campaigns.Statistics;

namespace Campaigns.Tests.Statistics;

/// <summary>Moments of values at hand.</summary>
internal static class Samples
{
    public static Moments Of(IReadOnlyCollection<double> values) =>
        Moments.FromSums(values.Count, values.Sum(), values.Sum(v => v * v));

    public static PairedMoments Paired(IReadOnlyCollection<double> y, IReadOnlyCollection<double> x) =>
        PairedMoments.FromSums(
            y.Count,
            y.Sum(),
            y.Sum(v => v * v),
            x.Sum(),
            x.Sum(v => v * v),
            y.Zip(x, (a, b) => a * b).Sum()
        );
}
