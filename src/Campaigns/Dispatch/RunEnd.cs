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
    /// <summary>Does nothing while a chunk waits.</summary>
    internal async Task<bool> CloseIfDoneAsync(int runKey, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var waits = await connection.QuerySingleAsync<bool>(
            """
            SELECT NOT EXISTS (SELECT FROM run WHERE run_key = @runKey AND state = 'planned')
                OR EXISTS (SELECT FROM chunk WHERE run_key = @runKey AND state = 0)
            """,
            new { runKey }
        );
        if (waits)
        {
            return false;
        }

        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // Retries are added by transactions that hold a waiting chunk: none waits, so none can be added.
        var now = await BusinessClock.NowAsync(connection);
        if (await RunStates.CloseAsync(connection, runKey, now) is not { } campaignKey)
        {
            return false;
        }

        if (!await HasOpenRunAsync(connection, campaignKey))
        {
            await CampaignStates.FinishAsync(connection, campaignKey, now);
        }

        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    internal Task RunAsync(Job job, CancellationToken cancellationToken) =>
        CloseIfDoneAsync(int.Parse(job.Argument, CultureInfo.InvariantCulture), cancellationToken);

    private static Task<bool> HasOpenRunAsync(NpgsqlConnection connection, int campaignKey) =>
        connection.QuerySingleAsync<bool>(
            "SELECT EXISTS (SELECT FROM run WHERE campaign_key = @campaignKey AND state IN ('planning', 'planned'))",
            new { campaignKey }
        );
}
