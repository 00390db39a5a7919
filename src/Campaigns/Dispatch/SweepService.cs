using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Campaigns.Dispatch;

/// <summary>Sweeps every few seconds on every worker; the sweep itself sees to it that one does at a time.</summary>
internal sealed partial class SweepService(
    Sweep sweep,
    DispatchOptions options,
    TimeProvider time,
    ILogger<SweepService> logger
) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.SweepEvery, time);
        do
        {
            try
            {
                await sweep.RunAsync(stoppingToken);
            }
            catch (Exception failure) when (!stoppingToken.IsCancellationRequested)
            {
                Log.SweepFailed(logger, failure);
            }
        } while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The sweep failed; the next one tries again")]
        internal static partial void SweepFailed(ILogger logger, Exception failure);
    }
}
