using Campaigns.Statistics;

namespace Campaigns.Planning;

/// <summary>What a run would decide if it were launched now.</summary>
public sealed record Preview
{
    public required string CampaignId { get; init; }
    public required int Version { get; init; }

    /// <summary>The instant it was reckoned for.</summary>
    public required DateTimeOffset AsOf { get; init; }
    public required Ledger Ledger { get; init; }
    public required IReadOnlyList<TimetableLine> Timetable { get; init; }
    public required SmallestEffect SmallestEffect { get; init; }

    /// <summary>Null in a preview that was kept from before costs were reckoned.</summary>
    public PreviewCost? Cost { get; init; }
}

/// <summary>The smallest rise of the conversion rate over the holdout's that these arms show in eighty of a hundred such
/// campaigns, at 5 %, two-sided. A campaign that may bring less cannot be told from one that brings nothing.</summary>
public sealed record SmallestEffect
{
    /// <summary>Customers who would be touched, all variants together.</summary>
    public required long Treated { get; init; }

    /// <summary>Customers held out by the campaign.</summary>
    public required long HeldOut { get; init; }

    /// <summary>The share of both who had the goal's event in as long a time as the goal counts, up to now: taken for the
    /// rate to be expected without the campaign; [0, 1].</summary>
    public required double Rate { get; init; }

    /// <summary>A difference of rates: 0.002 is two more conversions in a thousand customers. Null where there is none.
    /// </summary>
    public double? Difference { get; init; }

    /// <summary>Why there is none, such as <c>noHoldout</c> or <c>armsTooSmall</c>.</summary>
    public string? Missing { get; init; }

    /// <param name="before">Customers who had the goal's event before; null where it is no event.</param>
    internal static SmallestEffect Of(long treated, long heldOut, long? before)
    {
        if (before is not { } converted)
        {
            return new()
            {
                Treated = treated,
                HeldOut = heldOut,
                Rate = 0,
                Missing = MissingReason.NotAnEvent.Name(),
            };
        }

        var all = treated + heldOut;
        var rate = all == 0 ? 0 : (double)converted / all;
        // Where everybody converts anyway there is nothing to raise.
        var smallest = rate < 1 ? Power.SmallestEffect(treated, heldOut, rate) : MissingReason.NoVariation;
        return new SmallestEffect
        {
            Treated = treated,
            HeldOut = heldOut,
            Rate = rate,
            Difference = smallest.Value,
            Missing = smallest.Reason?.Name(),
        };
    }
}
