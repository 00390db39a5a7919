namespace Campaigns.Dispatch;

/// <summary>The slots of a round's requests: taken before its attempts are committed.</summary>
/// <param name="early">How long before the first of them the attempts may be committed.</param>
internal sealed class RoundSlots(ChannelPace pace, long[] slots, TimeSpan early)
{
    /// <summary>How long until the attempts may be committed; negative where it is time.</summary>
    internal TimeSpan Wait => pace.Until(slots[0]) - early;

    /// <summary>Waits until the attempts may be committed.</summary>
    internal Task NearAsync(CancellationToken cancellationToken) => pace.UntilAsync(slots[0], early, cancellationToken);

    internal long this[int request] => slots[request];

    /// <summary>Those after the first so many are not needed.</summary>
    internal void GiveBackFrom(int requests) => pace.GiveBack(slots[requests..]);
}
