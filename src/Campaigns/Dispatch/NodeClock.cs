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
