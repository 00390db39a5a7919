using Campaigns.Jobs;
using Microsoft.Extensions.Logging;

namespace Campaigns.Dispatch;

/// <summary>The job <see cref="JobKind.DispatchWave"/>: a lane that works the due chunks of one wave, one after the other.
/// </summary>
internal sealed partial class WaveDispatcher(
    ChunkQueue queue,
    WaveContexts contexts,
    ChannelLines lines,
    GatewayLanes lanes,
    ChunkWork work,
    WaveSchedule schedule,
    RunEnd runEnd,
    DispatchOptions options,
    ILogger<WaveDispatcher> logger
)
{
    /// <summary>Works until nothing is due, or others of the gateway wait for its place; then comes back at the next due
    /// instant, or ends.</summary>
    internal async Task RunAsync(Job job, CancellationToken stopping)
    {
        var (runKey, wave, _) = WaveSchedule.Parse(job.Argument);
        if (await contexts.ReadAsync(runKey, wave, stopping) is not { } context)
        {
            return;
        }

        ChannelLine Line() => lines.Of(context.Channel, context.Plan.Purpose);
        using var lane = lanes.Enter(Line().Name, job.Argument, out var wait);
        using var drained = new CancellationTokenSource();
        await using var drain = stopping.Register(() => drained.CancelAfter(options.Drain));
        while (!stopping.IsCancellationRequested)
        {
            var line = Line();
            if (
                lane?.MayGoOn(line.Name) is not true
                || line.IsBroken
                || await queue.ClaimAsync(runKey, wave, line.Name, stopping) is not { } chunk
            )
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
            await ComeBackAsync(job, runKey, wave, Line(), wait, stopping);
        }
    }

    private async Task ComeBackAsync(
        Job job,
        int runKey,
        int wave,
        ChannelLine line,
        TimeSpan wait,
        CancellationToken cancellationToken
    )
    {
        var atLeast = line.BrokenFor is { } broken && broken > wait ? broken : wait;
        if (await queue.NextDueAsync(runKey, wave, line.Name, atLeast, cancellationToken) is { } due)
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
