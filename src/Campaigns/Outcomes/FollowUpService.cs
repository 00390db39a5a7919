using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Campaigns.Outcomes;

/// <summary>Looks for follow-ups that are due every ten seconds, on every worker.</summary>
internal sealed partial class FollowUpService(FollowUps followUps, TimeProvider time, ILogger<FollowUpService> logger)
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
                await followUps.TakeDueAsync(stoppingToken);
            }
            catch (Exception failure) when (!stoppingToken.IsCancellationRequested)
            {
                Log.NotTaken(logger, failure);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(
            LogLevel.Warning,
            "The numbers of goals could not be looked up; ten seconds later it is tried again"
        )]
        internal static partial void NotTaken(ILogger logger, Exception failure);
    }
}
