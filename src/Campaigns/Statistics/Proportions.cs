using System.Runtime.InteropServices;

namespace Campaigns.Statistics;

/// <summary>An arm: everyone assigned to it at planning, delivered or not, and how many of them converted.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Arm
{
    /// <exception cref="ArgumentOutOfRangeException">A count is negative, or more converted than there are.</exception>
    public Arm(long converted, long customers)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(converted);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(converted, customers);
        (Converted, Customers) = (converted, customers);
    }

    public long Converted { get; }

    public long Customers { get; }

    internal double Rate => (double)Converted / Customers;
}

/// <summary>Compares the share of customers who converted in a treated arm with that in the control arm.</summary>
public static class Proportions
{
    /// <summary>Difference of the rates with Newcombe's interval: method 10 of Newcombe, Statistics in Medicine 17
    /// (1998), from Wilson's limits of each arm. The default.</summary>
    public static Figure<Estimate> Newcombe(Arm treated, Arm control, double alpha = 0.05)
    {
        if (EmptyArm(treated, control) is { } reason)
            return reason;
        var z = Tails.NormalQuantile(alpha);
        var (t, c) = (Wilson(treated, z), Wilson(control, z));
        var difference = t.Value - c.Value;
        return new Estimate(
            difference,
            difference - Math.Sqrt(Square(t.Value - t.Low) + Square(c.High - c.Value)),
            difference + Math.Sqrt(Square(t.High - t.Value) + Square(c.Value - c.Low))
        );
    }

    /// <summary>Difference of the rates with the score interval of Miettinen and Nurminen, Statistics in Medicine 4
    /// (1985).</summary>
    public static Figure<Estimate> MiettinenNurminen(Arm treated, Arm control, double alpha = 0.05)
    {
        if (EmptyArm(treated, control) is { } reason)
            return reason;
        var z = Tails.NormalQuantile(alpha);
        var difference = treated.Rate - control.Rate;
        return new Estimate(
            difference,
            Roots.Bisect(-1, difference, delta => ScoreTest.At(delta, treated, control) > z),
            Roots.Bisect(difference, 1, delta => ScoreTest.At(delta, treated, control) > -z)
        );
    }

    /// <summary>Relative lift, treated over control less 1, with the log interval of Katz et al., Biometrics 34 (1978).
    /// 0.2 is twenty per cent more.</summary>
    public static Figure<Estimate> RelativeLift(Arm treated, Arm control, double alpha = 0.05)
    {
        if (EmptyArm(treated, control) is { } reason)
            return reason;
        if (treated.Converted == 0 || control.Converted == 0)
            return MissingReason.NoConversions;
        var variance =
            1.0 / treated.Converted - 1.0 / treated.Customers + 1.0 / control.Converted - 1.0 / control.Customers;
        if (variance <= 0)
            return MissingReason.NoVariation;
        var ratio = treated.Rate / control.Rate;
        var factor = Math.Exp(Tails.NormalQuantile(alpha) * Math.Sqrt(variance));
        return new Estimate(ratio - 1, ratio / factor - 1, ratio * factor - 1);
    }

    /// <summary>Conversions of the treated arm beyond what the control arm's rate would have brought, with the interval
    /// of <see cref="Newcombe"/> scaled.</summary>
    public static Figure<Estimate> Incremental(Arm treated, Arm control, double alpha = 0.05) =>
        Newcombe(treated, control, alpha) is { Value: { } difference }
            ? difference.Scaled(treated.Customers)
            : EmptyArm(treated, control)!.Value;

    /// <summary>Two-sided p of no difference: the z test with the pooled rate.</summary>
    public static Figure<double> PValue(Arm treated, Arm control)
    {
        if (EmptyArm(treated, control) is { } reason)
            return reason;
        var error = PooledError(treated, control);
        return error > 0 ? Tails.TwoSidedNormal((treated.Rate - control.Rate) / error) : MissingReason.NoVariation;
    }

    internal static MissingReason? EmptyArm(Arm treated, Arm control) =>
        control.Customers == 0 ? MissingReason.NoHoldout
        : treated.Customers == 0 ? MissingReason.NobodyTreated
        : null;

    internal static double PooledRate(Arm treated, Arm control) =>
        (double)(treated.Converted + control.Converted) / (treated.Customers + control.Customers);

    /// <summary>Standard error of the difference where both arms have the pooled rate.</summary>
    internal static double PooledError(Arm treated, Arm control)
    {
        var rate = PooledRate(treated, control);
        return Math.Sqrt(rate * (1 - rate) * (1.0 / treated.Customers + 1.0 / control.Customers));
    }

    private static Estimate Wilson(Arm arm, double z)
    {
        double n = arm.Customers;
        var centre = (arm.Converted + z * z / 2) / (n + z * z);
        var half = z / (n + z * z) * Math.Sqrt(arm.Converted * (1 - arm.Rate) + z * z / 4);
        return new(
            arm.Rate,
            arm.Converted == 0 ? 0 : centre - half,
            arm.Converted == arm.Customers ? 1 : centre + half
        );
    }

    private static double Square(double x) => x * x;
}
