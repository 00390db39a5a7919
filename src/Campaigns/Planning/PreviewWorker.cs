using Campaigns.Database;
using Campaigns.Operations;
using Campaigns.Results;
using Dapper;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>Works the previews that were asked for, the oldest first. The operation is the queue, and a lock that ends with
/// its session says who is at it: what a dead node left is taken up by another.</summary>
internal sealed partial class PreviewWorker(
    NpgsqlDataSource dataSource,
    Previews previews,
    ILogger<PreviewWorker> logger
) : BackgroundService
{
    private const int Lanes = 2;
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(10);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, Lanes).Select(_ => LaneAsync(stoppingToken)));

    /// <summary>Works one; false when none waits that nobody is at.</summary>
    internal async Task<bool> WorkNextAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenBesidePoolAsync(cancellationToken);
        if (await ClaimAsync(connection, cancellationToken) is not var (operationId, campaignId))
        {
            return false;
        }

        try
        {
            var made = await previews.OfAsync(
                campaignId,
                (done, total) => OperationLog.AdvanceAsync(connection, operationId, done, total),
                cancellationToken
            );
            var now = await BusinessClock.NowAsync(connection);
            await (
                made.TryGet(out var preview, out var error)
                    ? OperationLog.SucceedAsync(connection, operationId, preview, now)
                    : OperationLog.FailAsync(connection, operationId, error, now)
            );
        }
        catch (PostgresException exception) when (!Transient.Is(exception))
        {
            // It would fail again: a rule may divide, or compare, what its values do not allow.
            Log.Failed(logger, exception, operationId);
            var failed = new Error(
                ErrorKind.Invalid,
                "preview-failed",
                $"The database refuses it: {exception.SqlState}."
            );
            await OperationLog.FailAsync(connection, operationId, failed, await BusinessClock.NowAsync(connection));
        }
        finally
        {
            await connection.ExecuteAsync("SELECT pg_advisory_unlock_all()");
        }

        return true;
    }

    private static async Task<(string OperationId, string CampaignId)?> ClaimAsync(
        NpgsqlConnection connection,
        CancellationToken cancellationToken
    )
    {
        var waiting = await connection.QueryAsync<(string OperationId, string CampaignId)>(
            new CommandDefinition(
                "SELECT operation_id, subject_id FROM operation WHERE kind = @Kind AND state = 'running' ORDER BY started_at",
                new { Previews.Kind },
                cancellationToken: cancellationToken
            )
        );
        foreach (var one in waiting)
        {
            // Whoever had the lock before may have ended it.
            var claimed = await connection.QuerySingleAsync<bool>(
                "SELECT pg_try_advisory_lock(hashtextextended(@OperationId, 0))",
                new { one.OperationId }
            );
            if (
                claimed
                && await connection.QuerySingleAsync<bool>(
                    "SELECT state = 'running' FROM operation WHERE operation_id = @OperationId",
                    new { one.OperationId }
                )
            )
            {
                return one;
            }
        }

        await connection.ExecuteAsync("SELECT pg_advisory_unlock_all()");
        return null;
    }

    private async Task LaneAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await WorkNextAsync(stoppingToken)) { }

                using var patience = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
                patience.CancelAfter(Poll);
                await previews.Asked.Reader.ReadAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                // Time to look again, or to stop.
            }
#pragma warning disable CA1031 // one failed pass must not end the lane: the operation waits, for this node or another
            catch (Exception exception)
#pragma warning restore CA1031
            {
                Log.Interrupted(logger, exception);
                await Task.Delay(TimeSpan.FromSeconds(1), CancellationToken.None);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Preview {Operation} failed.")]
        public static partial void Failed(ILogger logger, Exception exception, string operation);

        [LoggerMessage(LogLevel.Warning, "A preview was interrupted; it is tried again.")]
        public static partial void Interrupted(ILogger logger, Exception exception);
    }
}
