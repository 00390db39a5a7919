using Campaigns.Channels;
using Campaigns.Database;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Works one claimed chunk to its end, or as far as it may be worked now.</summary>
internal sealed partial class ChunkWork(
    NpgsqlDataSource dataSource,
    ChunkQueue queue,
    ChunkEnd chunkEnd,
    TouchReader touchReader,
    AttemptGate gate,
    OutcomeLog outcomes,
    LocalDays localDays,
    DispatchOptions options,
    TimeProvider time,
    ILogger<ChunkWork> logger
)
{
    private static readonly TimeSpan RepeatAtLeast = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RepeatAtMost = TimeSpan.FromMinutes(1);

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
        var lease = new Lease(queue, chunk, options.Lease, time);
        await using var _ = lease;
        var (halt, wait) = await WorkAsync(chunk, wave, line, lease, stopping, drained);
        if (halt == Halt.None)
        {
            return await chunkEnd.DoneAsync(chunk) ? Halt.None : Halt.Lost;
        }

        if (halt != Halt.Lost)
        {
            await queue.ReleaseAsync(chunk, wait is { } more ? await NowAsync() + more : null);
        }

        return halt;
    }

    private async Task<(Halt, TimeSpan?)> WorkAsync(
        Chunk chunk,
        WaveContext wave,
        ChannelLine line,
        Lease lease,
        CancellationToken stopping,
        CancellationToken drained
    )
    {
        if (line.Gateway is not { } gateway || !wave.Messages.TryGetValue(chunk.Variant, out var template))
        {
            return (Halt.Channel, RepeatAtMost);
        }

        var message = template.For(gateway.Declaration);
        var touches = await touchReader.OfChunkAsync(chunk, message, stopping);
        var unanswered = false;
        if (chunk.Requests > 0)
        {
            var (settled, handled) = await SettleAsync(chunk, wave, line, gateway, message, lease, drained);
            if (settled.Halt != Halt.None)
            {
                return (settled.Halt, settled.Wait);
            }

            unanswered = settled.Unanswered;
            touches.RemoveAll(touch => handled.Contains(touch.CustomerKey));
        }

        for (var from = 0; from < touches.Count; )
        {
            if (stopping.IsCancellationRequested)
            {
                return (Halt.Node, null);
            }

            if (line.BrokenFor is { } broken)
            {
                return (Halt.Channel, broken);
            }

            var size = Math.Min(touches.Count - from, RoundSize(line, gateway.Declaration));
            var slice = touches.GetRange(from, size);
            var sent = await RoundAsync(chunk, wave, line, gateway, message, slice, lease, stopping, drained);
            unanswered |= sent.Unanswered;
            if (sent.Halt != Halt.None)
            {
                return (sent.Halt, sent.Wait);
            }

            from += size;
        }

        return unanswered ? (Halt.Unanswered, RepeatAtLeast) : (Halt.None, null);
    }

    private static int RoundSize(ChannelLine line, GatewayDeclaration gateway) =>
        (int)Math.Min(int.MaxValue, (long)line.RequestsOfARound * gateway.MaxBatch);

    private async Task<Sent> RoundAsync(
        Chunk chunk,
        WaveContext wave,
        ChannelLine line,
        IGateway gateway,
        Message message,
        List<Touch> touches,
        Lease lease,
        CancellationToken stopping,
        CancellationToken drained
    )
    {
        var requests = (touches.Count + gateway.Declaration.MaxBatch - 1) / gateway.Declaration.MaxBatch;
        IReadOnlyList<string>? keys = null;
        if (gateway.ReservesKeys)
        {
            var reserved = await line.ReserveKeysAsync(gateway, requests, stopping);
            if (reserved.Keys.Count < requests)
            {
                return new Sent(Halt.Channel, await RefusedAsync(chunk, reserved.Refusal), false);
            }

            keys = reserved.Keys;
        }

        var slot = await line.SlotAheadAsync(stopping);
        var round = await gate.AttemptAsync(
            chunk,
            wave,
            gateway.Declaration,
            touches,
            keys,
            requests,
            CancellationToken.None
        );
        if (round.Halt != Halt.None || round.Attempts.Count == 0)
        {
            return new Sent(round.Halt, null, false);
        }

        lease.Renewed();
        var sends = round
            .Attempts.Select(attempt => SendAsync(line, gateway, wave, message, attempt, slot, lease, drained))
            .ToList();
        return await RecordAsync(chunk, wave, gateway.Declaration, sends, round.Attempts[0].Dates, lease);
    }

    /// <summary>Repeats requests that an earlier lease left without an answer, where the provider knows their keys; else
    /// they are unknown.</summary>
    private async Task<(Sent, HashSet<long> Handled)> SettleAsync(
        Chunk chunk,
        WaveContext wave,
        ChannelLine line,
        IGateway gateway,
        Message message,
        Lease lease,
        CancellationToken drained
    )
    {
        var earlier = await EarlierAttempts.OfAsync(dataSource, chunk);
        var sent = new Sent(Halt.None, null, false);
        foreach (var attempt in earlier.Unsettled)
        {
            var (halt, repeated, now) = await AgainAsync(chunk, wave, gateway, message, attempt);
            if (halt != Halt.None)
            {
                return (new Sent(halt, null, false), earlier.Handled);
            }

            var send = repeated is null
                ? Task.FromResult((attempt.AsUnknown(now), (Reply)new Reply.Forgotten()))
                : SendAsync(line, gateway, wave, message, repeated, slot: null, lease, drained);
            Log.Unsettled(logger, attempt.RequestKey, repeated is null ? "unknown" : "repeated");
            var one = await RecordAsync(chunk, wave, gateway.Declaration, [send], now, lease);
            if (one.Halt != Halt.None)
            {
                return (one, earlier.Handled);
            }

            sent = one.Unanswered ? one with { Wait = Backoff(attempt, now) } : sent;
        }

        return (sent, earlier.Handled);
    }

    /// <summary>The request as it was: the same key, the same members in the same order. Null where it may not be repeated
    /// any more.</summary>
    private async Task<(Halt, Attempt?, Dates)> AgainAsync(
        Chunk chunk,
        WaveContext wave,
        IGateway gateway,
        Message message,
        EarlierAttempt attempt
    )
    {
        var declaration = gateway.Declaration;
        var touches = await touchReader.OfCustomersAsync(chunk, message, attempt.CustomerKeys, CancellationToken.None);
        var whole = touches.Count == attempt.CustomerKeys.Length && touches.TrueForAll(touch => touch.Fault is null);
        var (halt, dates) = await gate.RecheckAsync(chunk, wave, touches, CancellationToken.None);
        if (halt is not Halt.None and not Halt.Refused)
        {
            return (halt, null, dates);
        }

        var known = declaration.Dedupe == Dedupe.Key && dates.Now - attempt.AttemptedAt < declaration.DedupePeriod;
        if (halt == Halt.Refused || !whole || !known)
        {
            return (Halt.None, null, dates);
        }

        var then = await localDays.AtAsync(
            attempt.AttemptedAt,
            touches.Max(touch => touch.Zone),
            CancellationToken.None
        );
        return (Halt.None, new Attempt(attempt.Request, attempt.RequestKey, touches, then), dates);
    }

    /// <summary>Twice as late each time.</summary>
    private static TimeSpan Backoff(EarlierAttempt attempt, Dates now)
    {
        var since = now.Now - attempt.AttemptedAt;
        return since < RepeatAtLeast ? RepeatAtLeast
            : since > RepeatAtMost ? RepeatAtMost
            : since;
    }

    /// <summary>Records answers as they come, those that have come together in one transaction.</summary>
    private async Task<Sent> RecordAsync(
        Chunk chunk,
        WaveContext wave,
        GatewayDeclaration gateway,
        List<Task<(Attempt Attempt, Reply Reply)>> sends,
        Dates dates,
        Lease lease
    )
    {
        var began = time.GetTimestamp();
        var sent = new Sent(Halt.None, null, false);
        while (sends.Count > 0)
        {
            await Task.WhenAny(sends);
            var ready = sends.Where(send => send.IsCompleted).Select(send => send.Result).ToList();
            sends.RemoveAll(send => send.IsCompleted);
            var now = dates with { Now = dates.Now + time.GetElapsedTime(began) };
            if (!await outcomes.RecordAsync(chunk, wave, gateway, ready, now))
            {
                sent = sent with { Halt = Halt.Lost };
                continue;
            }

            lease.Renewed();
            sent = ready.Aggregate(sent, (all, one) => all.And(one.Reply, gateway));
        }

        return sent;
    }

    /// <summary>How a round went.</summary>
    /// <param name="Wait">Not before this much time has passed.</param>
    /// <param name="Unanswered">Whether a request is to be repeated.</param>
    private sealed record Sent(Halt Halt, TimeSpan? Wait, bool Unanswered)
    {
        internal Sent And(Reply reply, GatewayDeclaration gateway) =>
            reply switch
            {
                _ when Halt == Halt.Lost => this,
                Reply.Abandoned => this with { Halt = Halt.Lost },
                Reply.NotSent notSent => this with { Halt = Halt.Channel, Wait = notSent.Wait },
                Reply.Of { Result: SendResult.Throttled or SendResult.ChannelStopped } => this with
                {
                    Halt = Halt.Channel,
                },
                Reply.Of { Result: SendResult.Unanswered } => this with
                {
                    Unanswered = Unanswered || gateway.Dedupe == Dedupe.Key,
                },
                _ => this,
            };
    }

    private static async Task<(Attempt, Reply)> SendAsync(
        ChannelLine line,
        IGateway gateway,
        WaveContext wave,
        Message message,
        Attempt attempt,
        long? slot,
        Lease lease,
        CancellationToken drained
    )
    {
        var items = new SendItem[attempt.Touches.Count];
        for (var i = 0; i < items.Length; i++)
        {
            var touch = attempt.Touches[i];
            items[i] = new SendItem($"{wave.RunKey}-{touch.CustomerKey}", touch.Address, touch.Variables);
        }

        var request = new SendRequest(attempt.Key, wave.Plan.Purpose, message.Content, items);
        return (attempt, await line.SendAsync(gateway, request, slot, () => lease.IsHeld, drained));
    }

    private async Task<TimeSpan?> RefusedAsync(Chunk chunk, SendResult? refusal)
    {
        if (refusal is not null)
        {
            await outcomes.NoteAsync(chunk.Channel, refusal, await NowAsync());
        }

        return refusal is SendResult.Unanswered or null ? RepeatAtLeast * 5 : null;
    }

    private async Task<DateTimeOffset> NowAsync()
    {
        await using var connection = await dataSource.OpenConnectionAsync(CancellationToken.None);
        return await BusinessClock.NowAsync(connection);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Request {Key} was left without an answer: {What}")]
        internal static partial void Unsettled(ILogger logger, string key, string what);
    }
}
