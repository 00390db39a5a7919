using System.Runtime.InteropServices;

namespace Campaigns.Statistics;

/// <summary>Why a figure cannot be given.</summary>
public enum MissingReason
{
    /// <summary>Nobody was held out: there is nothing to compare with.</summary>
    NoHoldout,

    /// <summary>Nobody was treated.</summary>
    NobodyTreated,

    /// <summary>An arm has no conversion, and the figure divides by it.</summary>
    NoConversions,

    /// <summary>All have the same value (nobody or everybody converted, say), so nothing tells how sure one can be.</summary>
    NoVariation,

    /// <summary>An arm has fewer than two customers or, where arms' sizes are checked, expects fewer than five.</summary>
    TooFewCustomers,

    /// <summary>The smaller arm expects fewer than five conversions: a look now would raise false alarms.</summary>
    TooEarly,

    /// <summary>Not even the largest possible effect would be seen with arms of this size.</summary>
    ArmsTooSmall,

    /// <summary>The goal is a number that is to change: nobody converts.</summary>
    NotAnEvent,

    /// <summary>Sums or squares are beyond what can be computed.</summary>
    TooLarge,
}

internal static class MissingReasons
{
    /// <summary>As on the wire, such as <c>noHoldout</c>.</summary>
    public static string Name(this MissingReason reason) =>
        char.ToLowerInvariant(reason.ToString()[0]) + reason.ToString()[1..];
}

/// <summary>A figure, or the reason why there is none; one of the two is null. Never holds NaN or infinity.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Figure<T>
    where T : struct
{
    private Figure(T? value, MissingReason? reason) => (Value, Reason) = (value, reason);

    public T? Value { get; }

    public MissingReason? Reason { get; }

    public static implicit operator Figure<T>(T value) => new(value, null);

    public static implicit operator Figure<T>(MissingReason reason) => new(null, reason);
}

/// <summary>An estimate with its two-sided interval; the bounds are included.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Estimate(double Value, double Low, double High)
{
    /// <summary>Whether the interval leaves out 0.</summary>
    public bool ExcludesZero => Low > 0 || High < 0;

    internal Estimate Scaled(double factor) => new(Value * factor, Low * factor, High * factor);
}
