using System.Globalization;
using Campaigns.Database;
using Campaigns.Jobs;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>The job <c>CloseRun</c>: a run whose chunks are all done is closed, and with its last run a campaign is
/// finished.</summary>
internal sealed class RunEnd(NpgsqlDataSource dataSource)
{
    /// <summary>Does nothing while a chunk waits, or the campaign is paused: only a running one can be finished.</summary>
    internal async Task<bool> CloseIfDoneAsync(int runKey, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (await DoneAsync(connection, runKey) is not { } campaignKey)
        {
            return false;
        }

        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // Nobody pauses the campaign meanwhile, or closes another run of it.
        await CampaignFence.TakeAloneAsync(connection, campaignKey);
        // Retries are added by transactions that hold a waiting chunk: none waits, so none can be added.
        if (await DoneAsync(connection, runKey) is null)
        {
            return false;
        }

        var now = await BusinessClock.NowAsync(connection);
        await RunStates.CloseAsync(connection, runKey, now);
        if (!await HasOpenRunAsync(connection, campaignKey))
        {
            await CampaignStates.FinishAsync(connection, campaignKey, now);
        }

        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    internal Task RunAsync(Job job, CancellationToken cancellationToken) =>
        CloseIfDoneAsync(int.Parse(job.Argument, CultureInfo.InvariantCulture), cancellationToken);

    /// <summary>The campaign of a run that can be closed; null where it cannot.</summary>
    private static Task<int?> DoneAsync(NpgsqlConnection connection, int runKey) =>
        connection.QuerySingleOrDefaultAsync<int?>(
            """
            SELECT r.campaign_key
            FROM run r
            JOIN campaign p USING (campaign_key)
            WHERE r.run_key = @runKey AND r.state = 'planned' AND p.state = 'running'
              AND NOT EXISTS (SELECT FROM chunk WHERE run_key = @runKey AND state = 0)
            """,
            new { runKey }
        );

    private static Task<bool> HasOpenRunAsync(NpgsqlConnection connection, int campaignKey) =>
        connection.QuerySingleAsync<bool>(
            "SELECT EXISTS (SELECT FROM run WHERE campaign_key = @campaignKey AND state IN ('planning', 'planned'))",
            new { campaignKey }
        );
}
