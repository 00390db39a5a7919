namespace Campaigns.Statistics;

/// <summary>How far the observed difference of two rates lies from a supposed one, in standard errors at the rates that
/// are likeliest if the supposed difference were true. Falls as the supposed difference rises.</summary>
internal static class ScoreTest
{
    public static double At(double delta, Arm treated, Arm control)
    {
        double n1 = treated.Customers,
            n2 = control.Customers,
            n = n1 + n2;
        var p2 = LikeliestControlRate(delta, treated, control);
        var p1 = Math.Clamp(p2 + delta, 0, 1);
        var variance = (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * n / (n - 1);
        var distance = treated.Rate - control.Rate - delta;
        return variance > 0 ? distance / Math.Sqrt(variance)
            : distance == 0 ? 0
            : Math.Sign(distance) * double.MaxValue;
    }

    /// <summary>Where the log-likelihood, which is concave, stops rising. The closed form of its cubic is faster and
    /// loses half the digits, which is all of them where a few of a million convert.</summary>
    private static double LikeliestControlRate(double delta, Arm treated, Arm control)
    {
        double x1 = treated.Converted,
            n1 = treated.Customers,
            x2 = control.Converted,
            n2 = control.Customers;
        bool IsRising(double p) =>
            Ratio(x1, p + delta) + Ratio(x2, p) > Ratio(n1 - x1, 1 - p - delta) + Ratio(n2 - x2, 1 - p);

        return Roots.Bisect(Math.Max(0, -delta), Math.Min(1, 1 - delta), IsRising);
    }

    private static double Ratio(double count, double rate) => count == 0 ? 0 : count / Math.Max(rate, double.Epsilon);
}
