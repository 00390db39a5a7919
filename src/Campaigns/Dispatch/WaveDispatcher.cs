using Campaigns.Jobs;
using Microsoft.Extensions.Logging;

namespace Campaigns.Dispatch;

/// <summary>The job <see cref="JobKind.DispatchWave"/>: a lane that works the due chunks of one wave, one after the other.
/// </summary>
internal sealed partial class WaveDispatcher(
    ChunkQueue queue,
    WaveContexts contexts,
    ChannelLines lines,
    ChunkWork work,
    WaveSchedule schedule,
    RunEnd runEnd,
    DispatchOptions options,
    ILogger<WaveDispatcher> logger
)
{
    /// <summary>Works until nothing is due; then comes back at the next due instant, or ends.</summary>
    internal async Task RunAsync(Job job, CancellationToken stopping)
    {
        var (runKey, wave, _) = WaveSchedule.Parse(job.Argument);
        if (await contexts.ReadAsync(runKey, wave, stopping) is not { } context)
        {
            return;
        }

        using var drained = new CancellationTokenSource();
        await using var drain = stopping.Register(() => drained.CancelAfter(options.Drain));
        while (!stopping.IsCancellationRequested)
        {
            var line = lines.Of(context.Channel, context.Plan.Purpose);
            if (line.IsBroken || await queue.ClaimAsync(runKey, wave, line.Name, stopping) is not { } chunk)
            {
                break;
            }

            var halt = await work.RunAsync(chunk, context, line, stopping, drained.Token);
            if (halt is Halt.Node or Halt.Paused or Halt.Ended or Halt.Closed)
            {
                Log.LaneHalts(logger, job.Title, halt);
                return;
            }
        }

        if (!stopping.IsCancellationRequested)
        {
            await ComeBackAsync(job, runKey, wave, lines.Of(context.Channel, context.Plan.Purpose), stopping);
        }
    }

    private async Task ComeBackAsync(
        Job job,
        int runKey,
        int wave,
        ChannelLine line,
        CancellationToken cancellationToken
    )
    {
        var broken = line.BrokenFor ?? TimeSpan.Zero;
        if (await queue.NextDueAsync(runKey, wave, line.Name, broken, cancellationToken) is { } due)
        {
            await schedule.LaneAtAsync(job, due, cancellationToken);
        }
        else
        {
            await runEnd.CloseIfDoneAsync(runKey, cancellationToken);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Lane of {Wave} ends: {Halt}")]
        internal static partial void LaneHalts(ILogger logger, string wave, Halt halt);
    }
}
