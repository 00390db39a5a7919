using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Campaigns.Planning;

/// <summary>Every ten seconds wakes the planning of runs that have parts left: the engine may lose a wake-up, and lanes may
/// die.</summary>
internal sealed partial class PlanningSweep(Planner planner, TimeProvider time, ILogger<PlanningSweep> logger)
    : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await planner.ResumeAsync(stoppingToken);
            }
#pragma warning disable CA1031 // one failed pass must not end the sweep: the next may succeed
            catch (Exception exception) when (exception is not OperationCanceledException)
#pragma warning restore CA1031
            {
                Log.Failed(logger, exception);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "Could not look for planning to resume.")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}
