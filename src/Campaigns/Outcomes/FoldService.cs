using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Campaigns.Outcomes;

/// <summary>Folds every second on every worker; one at a time does it.</summary>
internal sealed partial class FoldService(Fold fold, TimeProvider time, ILogger<FoldService> logger) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        do
        {
            try
            {
                await fold.RunAsync(stoppingToken);
            }
            catch (Exception failure) when (!stoppingToken.IsCancellationRequested)
            {
                Log.FoldFailed(logger, failure);
            }
        } while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Counters could not be folded; the next second tries again")]
        internal static partial void FoldFailed(ILogger logger, Exception failure);
    }
}
