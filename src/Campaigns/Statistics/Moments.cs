using System.Runtime.InteropServices;

namespace Campaigns.Statistics;

/// <summary>What is kept of a value per customer: how many, their mean, and the sample variance (divided by n − 1; 0 below
/// two customers).</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Moments(long Count, double Mean, double Variance)
{
    /// <summary>From running sums; customers without a value count with 0.</summary>
    public static Moments FromSums(long count, double sum, double sumOfSquares)
    {
        if (count == 0)
            return default;
        var mean = sum / count;
        return new(count, mean, count < 2 ? 0 : Math.Max(sumOfSquares - sum * mean, 0) / (count - 1));
    }

    internal double ErrorSquared => Variance / Count;
}

/// <summary>What is kept of a value per customer and its covariate from before the campaign.</summary>
/// <param name="Y">The value.</param>
/// <param name="X">The covariate.</param>
/// <param name="Covariance">Of the sample, divided by n − 1.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PairedMoments(Moments Y, Moments X, double Covariance)
{
    /// <summary>From running sums.</summary>
    public static PairedMoments FromSums(
        long count,
        double sumY,
        double sumOfSquaresY,
        double sumX,
        double sumOfSquaresX,
        double sumOfProducts
    ) =>
        new(
            Moments.FromSums(count, sumY, sumOfSquaresY),
            Moments.FromSums(count, sumX, sumOfSquaresX),
            count < 2 ? 0 : (sumOfProducts - sumX * (sumY / count)) / (count - 1)
        );

    /// <summary>The moments of y − θx.</summary>
    internal Moments Adjusted(double theta) =>
        new(
            Y.Count,
            Y.Mean - theta * X.Mean,
            Math.Max(Y.Variance + theta * theta * X.Variance - 2 * theta * Covariance, 0)
        );
}
