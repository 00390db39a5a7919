using System.Runtime.InteropServices;

namespace Campaigns.Statistics;

/// <summary>Whether the arms are as large as planned. Where they are not, no comparison of them can be trusted.</summary>
/// <param name="ChiSquare">Null where an arm that was not planned has customers.</param>
/// <param name="PValue">The chance of arms at least as far from the plan.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SampleRatio(double? ChiSquare, double PValue)
{
    /// <summary>A p below this is a mismatch.</summary>
    public const double Threshold = 0.001;

    /// <summary>Customers that each arm has to expect: with fewer, χ² says nothing of how likely they are.</summary>
    public const double LeastExpected = 5;

    /// <summary>Whether to say: do not trust, the arms are not what was planned.</summary>
    public bool IsMismatch => PValue < Threshold;

    /// <summary>χ² of the observed arms against the planned shares.</summary>
    /// <param name="observed">Customers by arm.</param>
    /// <param name="planned">Shares or weights by arm, on any scale; none negative.</param>
    /// <returns><see cref="MissingReason.TooFewCustomers"/> where an arm expects fewer than
    /// <see cref="LeastExpected"/>, <see cref="MissingReason.NoHoldout"/>
    /// where fewer than two arms were planned.</returns>
    public static Figure<SampleRatio> Check(IReadOnlyList<long> observed, IReadOnlyList<double> planned)
    {
        if (observed.Count != planned.Count)
            throw new ArgumentException("One share an arm.", nameof(planned));
        double total = observed.Sum();
        if (total == 0)
            return MissingReason.TooFewCustomers;
        var arms = observed.Zip(planned, (count, share) => (Count: count, Share: share)).ToList();
        if (arms.Any(arm => arm is { Share: <= 0, Count: > 0 }))
            return new SampleRatio(null, 0);
        arms.RemoveAll(arm => arm.Share <= 0);
        if (arms.Count < 2)
            return MissingReason.NoHoldout;

        var scale = total / arms.Sum(arm => arm.Share);
        if (arms.Min(arm => arm.Share) * scale < LeastExpected)
            return MissingReason.TooFewCustomers;
        var chiSquare = arms.Sum(arm => Math.Pow(arm.Count - arm.Share * scale, 2) / (arm.Share * scale));
        return new SampleRatio(chiSquare, Tails.ChiSquare(chiSquare, arms.Count - 1));
    }
}
