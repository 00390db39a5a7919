using Dapper;
using Npgsql;

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

    /// <summary>Until the transaction ends no attempt of the campaign is committed, and nobody else changes where it stands.
    /// </summary>
    internal static Task TakeAloneAsync(NpgsqlConnection connection, int campaignKey) =>
        connection.ExecuteAsync(
            "SELECT pg_advisory_xact_lock(@LockClass, @campaignKey)",
            new { LockClass, campaignKey }
        );
}
