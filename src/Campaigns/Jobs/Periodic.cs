using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Campaigns.Jobs;

/// <summary>What a node does again and again by itself, from its start on: the engine need not wake it. A pass that fails is
/// logged, and the next one tries again.</summary>
/// <param name="every">From the beginning of a pass to the next; real time.</param>
public abstract partial class Periodic(TimeSpan every, TimeProvider time, ILogger logger) : BackgroundService
{
    /// <summary>One pass. Many nodes may be at it.</summary>
    protected abstract Task PassAsync(CancellationToken cancellationToken);

    /// <inheritdoc/>
    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(every, time);
        do
        {
            try
            {
                await PassAsync(stoppingToken);
            }
#pragma warning disable CA1031 // whatever failed, the next pass may succeed
            catch (Exception failure) when (!stoppingToken.IsCancellationRequested)
#pragma warning restore CA1031
            {
                Log.PassFailed(logger, failure, GetType().Name, every);
            }
        } while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "A pass of {Work} failed; it is tried again in {Every}")]
        internal static partial void PassFailed(ILogger logger, Exception failure, string work, TimeSpan every);
    }
}
