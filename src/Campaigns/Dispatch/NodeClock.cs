namespace Campaigns.Dispatch;

/// <summary>Whether this node tells the same time as the database.</summary>
internal static class NodeClock
{
    /// <param name="database">The database's clock, read between the two instants of ours.</param>
    internal static bool IsOff(
        DateTimeOffset database,
        DateTimeOffset asked,
        DateTimeOffset answered,
        DispatchOptions options
    ) => database < asked - options.MaxClockError || database > answered + options.MaxClockError;
}

/// <summary>What pausing and cancelling a campaign hold alone, and every attempt shared: an advisory lock, because its
/// queue is fair, where row locks let new sharers overtake who waits to have it alone.</summary>
internal static class CampaignFence
{
    internal const int LockClass = 0x46454E43; // "FENC"
}
