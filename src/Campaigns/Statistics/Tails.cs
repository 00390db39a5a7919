using MathNet.Numerics;
using MathNet.Numerics.Distributions;

namespace Campaigns.Statistics;

/// <summary>Quantiles, and upper tails computed as such: 1 − CDF loses its digits where they matter.</summary>
internal static class Tails
{
    /// <summary>1.959964 at 0.05.</summary>
    public static double NormalQuantile(double alpha) => Normal.InvCDF(0, 1, 1 - alpha / 2);

    public static double StudentQuantile(double alpha, double degreesOfFreedom) =>
        StudentT.InvCDF(0, 1, degreesOfFreedom, 1 - alpha / 2);

    public static double TwoSidedNormal(double z) => SpecialFunctions.Erfc(Math.Abs(z) / Constants.Sqrt2);

    public static double TwoSidedStudent(double t, double degreesOfFreedom) =>
        SpecialFunctions.BetaRegularized(degreesOfFreedom / 2, 0.5, degreesOfFreedom / (degreesOfFreedom + t * t));

    public static double ChiSquare(double value, int degreesOfFreedom) =>
        SpecialFunctions.GammaUpperRegularized(degreesOfFreedom / 2.0, value / 2);
}
