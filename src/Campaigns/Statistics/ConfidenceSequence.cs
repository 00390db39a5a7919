using System.Runtime.InteropServices;

namespace Campaigns.Statistics;

/// <summary>What may be said at a look, however often one looks.</summary>
/// <param name="Difference">Of the rates, with an interval that holds over all looks together.</param>
/// <param name="PValue">Valid at every look.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Look(Estimate Difference, double PValue);

/// <summary>A confidence sequence for the difference of two rates: the normal mixture of Howard et al. and Waudby-Smith et
/// al., two-sided. Over all looks together it raises a false alarm in at most <c>alpha</c> of campaigns without effect;
/// the price is a wider interval than at a single look fixed in advance.</summary>
public static class ConfidenceSequence
{
    /// <summary>The N* of a campaign that names none.</summary>
    public const int DefaultSampleSize = 5_000;

    /// <summary>Conversions that the smaller arm has to expect before the first look.</summary>
    public const double FewestExpected = 5;

    /// <summary>ρ, which makes the sequence tightest when about N* customers are assigned to both arms. N* is fixed when
    /// the campaign is approved.</summary>
    public static double Rho(double sampleSize = DefaultSampleSize, double alpha = 0.05)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sampleSize);
        var twoLog = -2 * Math.Log(alpha);
        return Math.Sqrt((twoLog + Math.Log(1 + twoLog)) / sampleSize);
    }

    /// <summary>The difference as it may be read now.</summary>
    /// <param name="rho">From <see cref="Rho"/>, with the same alpha.</param>
    public static Figure<Look> At(Arm treated, Arm control, double rho, double alpha = 0.05)
    {
        if (Proportions.EmptyArm(treated, control) is { } reason)
            return reason;
        var smaller = Math.Min(treated.Customers, control.Customers);
        if (smaller * Proportions.PooledRate(treated, control) < FewestExpected)
            return MissingReason.TooEarly;
        var error = Proportions.PooledError(treated, control);
        if (error == 0)
            return MissingReason.NoVariation;

        double n = treated.Customers + control.Customers;
        var spread = n * rho * rho;
        var difference = treated.Rate - control.Rate;
        var half = error * Math.Sqrt(2 * (spread + 1) / spread * Math.Log(Math.Sqrt(spread + 1) / alpha));
        var z = difference / error;
        var logEvidence = z * z * spread / (2 * (spread + 1)) - Math.Log(spread + 1) / 2;
        return new Look(
            new(difference, Math.Max(difference - half, -1), Math.Min(difference + half, 1)),
            Math.Min(1, Math.Exp(-logEvidence))
        );
    }
}
