using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Json;
using Dapper;
using Npgsql;

namespace Campaigns.Lifecycle;

/// <summary>Moves a campaign from state to state. Each move leaves an audit row in the caller's transaction.</summary>
public static class CampaignStates
{
    /// <summary>From approved to running. False, and nothing changed, when it is not approved.</summary>
    public static Task<bool> LaunchAsync(
        NpgsqlConnection connection,
        int campaignKey,
        Actor actor,
        DateTimeOffset now
    ) => MoveAsync(connection, campaignKey, CampaignMove.Launch, actor, now);

    /// <summary>From running to paused. False, and nothing changed, when it is not running.</summary>
    public static Task<bool> PauseAsync(
        NpgsqlConnection connection,
        int campaignKey,
        Actor actor,
        DateTimeOffset now
    ) => MoveAsync(connection, campaignKey, CampaignMove.Pause, actor, now);

    /// <summary>From paused to running. False, and nothing changed, when it is not paused.</summary>
    public static Task<bool> ResumeAsync(
        NpgsqlConnection connection,
        int campaignKey,
        Actor actor,
        DateTimeOffset now
    ) => MoveAsync(connection, campaignKey, CampaignMove.Resume, actor, now);

    /// <summary>From any state but finished to cancelled. False, and nothing changed, when it has ended.</summary>
    public static Task<bool> CancelAsync(
        NpgsqlConnection connection,
        int campaignKey,
        Actor actor,
        DateTimeOffset now
    ) => MoveAsync(connection, campaignKey, CampaignMove.Cancel, actor, now);

    /// <summary>From running or paused back to draft, since its run has stopped before anything was sent. False, and nothing
    /// changed, when it is neither.</summary>
    /// <param name="failure">Why, for the audit log.</param>
    public static Task<bool> StopAsync(
        NpgsqlConnection connection,
        int campaignKey,
        string failure,
        DateTimeOffset now
    ) => MoveAsync(connection, campaignKey, CampaignMove.Stop, Actor.Service, now, new { failure });

    /// <summary>From running to finished. False, and nothing changed, when it is not running.</summary>
    public static Task<bool> FinishAsync(NpgsqlConnection connection, int campaignKey, DateTimeOffset now) =>
        MoveAsync(connection, campaignKey, CampaignMove.Finish, Actor.Service, now);

    internal static async Task<bool> MoveAsync(
        NpgsqlConnection connection,
        int campaignKey,
        CampaignMove move,
        Actor actor,
        DateTimeOffset now,
        object? detail = null
    )
    {
        var campaignId = await connection.QuerySingleOrDefaultAsync<string?>(
            """
            UPDATE campaign
            SET state = @to, updated_at = @now, paused_at = CASE WHEN @to = 'paused' THEN @now::timestamptz END
            WHERE campaign_key = @campaignKey AND state = ANY (@from)
            RETURNING campaign_id
            """,
            new
            {
                campaignKey,
                from = CampaignMoves.From(move).Select(ProductJson.NameOf).ToArray(),
                to = ProductJson.NameOf(CampaignMoves.To(move)),
                now,
            }
        );
        if (campaignId is not null)
        {
            await AuditLog.WriteAsync(
                connection,
                now,
                actor,
                CampaignMoves.Action(move),
                "campaign",
                campaignId,
                detail
            );
        }

        return campaignId is not null;
    }
}
