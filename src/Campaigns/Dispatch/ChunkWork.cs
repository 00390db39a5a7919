using Campaigns.Database;
using Microsoft.Extensions.Logging;

namespace Campaigns.Dispatch;

/// <summary>Works one claimed chunk to its end, or as far as it may be worked now.</summary>
internal sealed partial class ChunkWork(
    ChunkTools tools,
    ChunkEnd chunkEnd,
    DispatchOptions options,
    ILogger<ChunkWork> logger
)
{
    private static readonly TimeSpan WithoutGateway = TimeSpan.FromMinutes(1);

    /// <summary>Sends what may be sent of the chunk and records what became of it.</summary>
    /// <param name="stopping">Begin nothing more.</param>
    /// <param name="drained">Leave what is on the wire.</param>
    internal async Task<Halt> RunAsync(
        Chunk chunk,
        WaveContext wave,
        ChannelLine line,
        CancellationToken stopping,
        CancellationToken drained
    )
    {
        await using var lease = new Lease(tools.Queue, chunk, options.Lease, tools.Time);
        var pass = new Pass(Halt.Channel, WithoutGateway);
        if (
            line.Gateway is { } gateway
            && gateway.Declaration.Purposes.Contains(wave.Plan.Purpose)
            && wave.Messages.TryGetValue(chunk.Variant, out var message)
        )
        {
            var run = new ChunkRun(tools, chunk, wave, line, gateway, message, lease, stopping, drained);
            pass = await WorkAsync(run, chunk);
        }

        if (pass.Halt == Halt.None)
        {
            return await Transient.AgainAsync(() => chunkEnd.DoneAsync(chunk)) ? Halt.None : Halt.Lost;
        }

        if (pass.Halt != Halt.Lost)
        {
            DateTimeOffset? dueAt = pass.Wait is { } wait ? await tools.NowAsync() + wait : null;
            await Transient.AgainAsync(() => tools.Queue.ReleaseAsync(chunk, dueAt));
        }

        return pass.Halt;
    }

    /// <summary>A failure of the database leaves the chunk to whoever takes it up next, at once.</summary>
    private async Task<Pass> WorkAsync(ChunkRun run, Chunk chunk)
    {
        try
        {
            return await run.WorkAsync();
        }
        catch (OperationCanceledException)
        {
            return new Pass(Halt.Node);
        }
        catch (Exception failure) when (Transient.Is(failure))
        {
            Log.ChunkFailed(logger, failure, chunk.RunKey, chunk.Number);
            await run.TakeBackAsync();
            await Transient.AgainAsync(() => tools.Queue.ReleaseAsync(chunk, dueAt: null));
            throw;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The database failed under chunk {Run}-{Chunk}; it is given back")]
        internal static partial void ChunkFailed(ILogger logger, Exception failure, int run, int chunk);
    }
}
