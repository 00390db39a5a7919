using MathNet.Numerics.Distributions;

namespace Campaigns.Statistics;

/// <summary>What arms of a given size can show, for the two-sided test of two rates with the pooled rate under no effect
/// and each arm's own under the effect.</summary>
public static class Power
{
    /// <summary>Customers each of two equal arms needs to see the difference between two rates.</summary>
    /// <param name="rate">Of one arm, in [0, 1].</param>
    /// <param name="otherRate">Of the other arm, in [0, 1].</param>
    /// <exception cref="ArgumentException">The rates are equal: no number of customers shows that.</exception>
    public static double CustomersPerArm(double rate, double otherRate, double power = 0.8, double alpha = 0.05)
    {
        if (rate == otherRate)
            throw new ArgumentException("The rates are equal.", nameof(otherRate));
        var pooled = (rate + otherRate) / 2;
        var root =
            Tails.NormalQuantile(alpha) * Math.Sqrt(2 * pooled * (1 - pooled))
            + Normal.InvCDF(0, 1, power) * Math.Sqrt(rate * (1 - rate) + otherRate * (1 - otherRate));
        return Math.Pow(root / (rate - otherRate), 2);
    }

    /// <summary>The smallest rise of the conversion rate over the control's that is seen with the power asked for.</summary>
    /// <param name="treated">Customers of the treated arm.</param>
    /// <param name="control">Customers of the control arm.</param>
    /// <param name="controlRate">The rate expected without the campaign, in [0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">The rate is not in [0, 1).</exception>
    /// <returns>A difference of rates: 0.002 is two more conversions in a thousand customers.</returns>
    public static Figure<double> SmallestEffect(
        long treated,
        long control,
        double controlRate,
        double power = 0.8,
        double alpha = 0.05
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegative(controlRate);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(controlRate, 1);
        if (control == 0)
            return MissingReason.NoHoldout;
        if (treated == 0)
            return MissingReason.NobodyTreated;
        var (z, zPower) = (Tails.NormalQuantile(alpha), Normal.InvCDF(0, 1, power));
        bool IsSeen(double effect)
        {
            var rate = controlRate + effect;
            var pooled = (treated * rate + control * controlRate) / (treated + control);
            var without = Math.Sqrt(pooled * (1 - pooled) * (1.0 / treated + 1.0 / control));
            var with = Math.Sqrt(rate * (1 - rate) / treated + controlRate * (1 - controlRate) / control);
            return effect >= z * without + zPower * with;
        }

        var largest = 1 - controlRate;
        return IsSeen(largest) ? Roots.Bisect(0, largest, effect => !IsSeen(effect)) : MissingReason.ArmsTooSmall;
    }
}
