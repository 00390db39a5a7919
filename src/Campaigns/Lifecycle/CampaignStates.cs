using Campaigns.Access;
using Campaigns.Audit;
using Dapper;
using Npgsql;

namespace Campaigns.Lifecycle;

/// <summary>What happens to a campaign that has been launched. Each change leaves an audit row in the caller's transaction.
/// </summary>
public static class CampaignStates
{
    /// <summary>From running to paused. False, and nothing changed, when it is not running.</summary>
    public static Task<bool> PauseAsync(
        NpgsqlConnection connection,
        int campaignKey,
        Actor actor,
        DateTimeOffset now
    ) => MoveAsync(connection, campaignKey, ["running"], "paused", "paused", actor, now);

    /// <summary>From paused to running. False, and nothing changed, when it is not paused.</summary>
    public static Task<bool> ResumeAsync(
        NpgsqlConnection connection,
        int campaignKey,
        Actor actor,
        DateTimeOffset now
    ) => MoveAsync(connection, campaignKey, ["paused"], "running", "resumed", actor, now);

    /// <summary>From any state but finished to cancelled. False, and nothing changed, when it has ended.</summary>
    public static Task<bool> CancelAsync(
        NpgsqlConnection connection,
        int campaignKey,
        Actor actor,
        DateTimeOffset now
    ) =>
        MoveAsync(
            connection,
            campaignKey,
            ["draft", "submitted", "approved", "running", "paused"],
            "cancelled",
            "cancelled",
            actor,
            now
        );

    /// <summary>From running to finished. False, and nothing changed, when it is not running.</summary>
    public static Task<bool> FinishAsync(NpgsqlConnection connection, int campaignKey, DateTimeOffset now) =>
        MoveAsync(connection, campaignKey, ["running"], "finished", "finished", Actor.Service, now);

    private static async Task<bool> MoveAsync(
        NpgsqlConnection connection,
        int campaignKey,
        string[] from,
        string to,
        string action,
        Actor actor,
        DateTimeOffset now
    )
    {
        var campaignId = await connection.QuerySingleOrDefaultAsync<string?>(
            """
            UPDATE campaign
            SET state = @to, updated_at = @now
            WHERE campaign_key = @campaignKey AND state = ANY (@from)
            RETURNING campaign_id
            """,
            new
            {
                campaignKey,
                from,
                to,
                now,
            }
        );
        if (campaignId is not null)
        {
            await AuditLog.WriteAsync(connection, now, actor, action, "campaign", campaignId);
        }

        return campaignId is not null;
    }
}
