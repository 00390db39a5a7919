using Campaigns.Database;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Campaigns.Jobs;

/// <summary>Tells the engine, within half a second of real time, that the stored clock offset has moved; and once at
/// the start, for it may have moved while no node was up.</summary>
public sealed partial class ClockWatcher(BusinessClock clock, IJobEngine engine, ILogger<ClockWatcher> logger)
    : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private TimeSpan? _seen;
    private bool _failing;

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Pause);
        do
        {
            try
            {
                await LookAsync(stoppingToken);
                _failing = false;
            }
            catch (Exception problem) when (!stoppingToken.IsCancellationRequested)
            {
                LogOnce(problem);
            }
        } while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var offset = await clock.OffsetAsync(cancellationToken);
        if (offset != _seen)
        {
            await engine.ClockMovedAsync(cancellationToken);
            _seen = offset;
        }
    }

    private void LogOnce(Exception problem)
    {
        if (!_failing)
        {
            Log.CannotFollow(logger, problem);
        }

        _failing = true;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The business clock cannot be followed for the moment.")]
        public static partial void CannotFollow(ILogger logger, Exception problem);
    }
}
