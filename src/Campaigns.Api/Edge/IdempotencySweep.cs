using Dapper;
using Npgsql;

namespace Campaigns.Api.Edge;

/// <summary>Forgets answers that are kept no longer.</summary>
internal sealed partial class IdempotencySweep(
    NpgsqlDataSource dataSource,
    TimeProvider time,
    ILogger<IdempotencySweep> logger
) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(10);

    /// <returns>How many were forgotten.</returns>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await connection.ExecuteAsync(
            "DELETE FROM idempotency WHERE started_at < now() - @Kept::interval",
            new { Idempotency.Kept }
        );
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Pause, time);
        do
        {
            try
            {
                await SweepAsync(stoppingToken);
            }
            catch (NpgsqlException exception)
            {
                Log.NotSwept(logger, exception);
            }
        } while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "Answers to requests with an Idempotency-Key stay longer.")]
        public static partial void NotSwept(ILogger logger, Exception exception);
    }
}
