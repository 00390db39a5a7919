using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

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
