using System.Runtime.InteropServices;

namespace Campaigns.Statistics;

/// <summary>A difference of means, treated less control.</summary>
/// <param name="Difference">With its interval.</param>
/// <param name="PValue">Two-sided, of no difference.</param>
/// <param name="Theta">The weight of the covariate; 0 where none was used.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct MeanDifference(Estimate Difference, double StandardError, double PValue, double Theta);

/// <summary>Compares a value per customer (spend, assets, log-ins) in a treated arm with that in the control arm.</summary>
public static class Means
{
    /// <summary>Welch's test and interval: unequal variances, Student's t with Satterthwaite's degrees of freedom.
    /// </summary>
    public static Figure<MeanDifference> Welch(Moments treated, Moments control, double alpha = 0.05) =>
        Welch(treated, control, alpha, theta: 0);

    /// <summary>Welch's on values less what their covariate predicts (Deng et al., CUPED, WSDM 2013), with
    /// θ = (cov T + cov C) / (var X T + var X C). A covariate that does not vary leaves the values as they are.</summary>
    public static Figure<MeanDifference> Cuped(PairedMoments treated, PairedMoments control, double alpha = 0.05)
    {
        var spread = treated.X.Variance + control.X.Variance;
        var theta = spread > 0 ? (treated.Covariance + control.Covariance) / spread : 0;
        return Welch(treated.Adjusted(theta), control.Adjusted(theta), alpha, theta);
    }

    private static Figure<MeanDifference> Welch(Moments treated, Moments control, double alpha, double theta)
    {
        if (control.Count == 0)
            return MissingReason.NoHoldout;
        if (treated.Count == 0)
            return MissingReason.NobodyTreated;
        if (treated.Count < 2 || control.Count < 2)
            return MissingReason.TooFewCustomers;

        var (t, c) = (treated.ErrorSquared, control.ErrorSquared);
        var error = Math.Sqrt(t + c);
        var difference = treated.Mean - control.Mean;
        if (!double.IsFinite(difference) || !double.IsFinite(error) || !double.IsFinite(theta))
            return MissingReason.TooLarge;
        if (error == 0)
            return MissingReason.NoVariation;

        // Shares of the variance, because its square may be too large or too small for a double.
        var (shareT, shareC) = (t / (t + c), c / (t + c));
        var freedom = 1 / (shareT * shareT / (treated.Count - 1) + shareC * shareC / (control.Count - 1));
        var half = Tails.StudentQuantile(alpha, freedom) * error;
        return new MeanDifference(
            new(difference, difference - half, difference + half),
            error,
            Tails.TwoSidedStudent(difference / error, freedom),
            theta
        );
    }
}
