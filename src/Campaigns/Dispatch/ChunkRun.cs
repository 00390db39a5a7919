using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>One claimed chunk on its way.</summary>
internal sealed partial class ChunkRun(
    ChunkTools tools,
    Chunk chunk,
    WaveContext wave,
    ChannelLine line,
    IGateway gateway,
    Message template,
    Lease lease,
    CancellationToken stopping,
    CancellationToken drained
)
{
    private static readonly TimeSpan RepeatAtLeast = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RepeatAtMost = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ReadAgain = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(20);
    private readonly Message _message = template.For(gateway.Declaration);
    private readonly Wire _wire = new(tools, chunk, wave, gateway.Declaration, lease);

    /// <summary>The last request that was handed to the gateway, or left by an earlier lease.</summary>
    private int _lastRequest = chunk.Requests;

    internal async Task<Pass> WorkAsync()
    {
        var touches = await tools.TouchReader.OfChunkAsync(chunk, gateway.Declaration, _message, stopping);
        var settled = new Pass(Halt.None);
        if (chunk.Requests > 0)
        {
            var earlier = await EarlierAttempts.OfAsync(tools.DataSource, chunk);
            settled = await SettleAsync(earlier);
            if (settled.Halt != Halt.None)
            {
                return settled;
            }

            touches.RemoveAll(touch => earlier.Handled.Contains(touch.CustomerKey));
        }

        try
        {
            var pass = await SendAllAsync(touches, settled);
            return pass is { Halt: Halt.None, Unanswered: true }
                ? new Pass(Halt.Unanswered, settled.Wait ?? RepeatAtLeast)
                : pass;
        }
        catch
        {
            await _wire.DrainAsync();
            throw;
        }
    }

    /// <summary>Keeps the wire full: what has come back is recorded with the attempts that take its place.</summary>
    private async Task<Pass> SendAllAsync(List<Touch> touches, Pass pass)
    {
        var read = tools.Time.GetTimestamp();
        for (var next = 0; ; )
        {
            _wire.TakeBack();
            pass = MayGoOn(pass);
            if (next < touches.Count && tools.Time.GetElapsedTime(read) > ReadAgain)
            {
                (touches, next, read) = (await AsTheyAreAsync(touches[next..]), 0, tools.Time.GetTimestamp());
            }

            var size = pass.Halt == Halt.None ? Math.Min(touches.Count - next, Room()) : 0;
            if (size > 0 && GoesWithAttempts)
            {
                pass = await RoundAsync(touches.GetRange(next, size), pass);
                next += size;
            }
            else if (_wire.HasReplies)
            {
                pass = pass.Then(await _wire.RecordAsync());
            }
            else if (_wire.IsEmpty)
            {
                return pass;
            }
            else
            {
                await _wire.SomeAsync();
            }
        }
    }

    /// <summary>Addresses and values may change, and consent to read a value, while a chunk is on its way.</summary>
    private Task<List<Touch>> AsTheyAreAsync(List<Touch> touches) =>
        tools.TouchReader.OfCustomersAsync(
            chunk,
            gateway.Declaration,
            _message,
            [.. touches.Select(touch => touch.CustomerKey)],
            stopping
        );

    /// <summary>Whether what has come back may be recorded with the next attempts: nothing follows from it, and nothing but
    /// their slots is waited for.</summary>
    private bool GoesWithAttempts => !_wire.HasReplies || chunk.Fresh && !gateway.ReservesKeys && _wire.NothingFollows;

    private Pass MayGoOn(Pass pass) =>
        pass.Halt != Halt.None ? pass
        : stopping.IsCancellationRequested ? pass with { Halt = Halt.Node }
        : line.BrokenFor is { } broken ? pass with { Halt = Halt.Channel, Wait = broken }
        : pass;

    /// <summary>Touches for which there is room on the wire; none until half of it is free, for a transaction costs as much
    /// for one request as for all.</summary>
    private int Room()
    {
        var most = line.RequestsOfARound;
        var free = most - _wire.Requests;
        return free * 2 < most ? 0 : (int)Math.Min(int.MaxValue, free * (long)gateway.Declaration.MaxBatch);
    }

    /// <summary>After a failure of the database: attempts of this lease that were committed although nobody said so, and
    /// certainly not sent, are taken back.</summary>
    internal async Task TakeBackAsync()
    {
        try
        {
            // The lock waits for a transaction that may still be ending.
            await tools.Queue.RenewAsync(chunk, CancellationToken.None);
            var earlier = await EarlierAttempts.OfAsync(tools.DataSource, chunk);
            var unsent = earlier.Unsettled.Where(attempt => attempt.Request > _lastRequest);
            var answers = new List<(Attempt, Reply)>();
            foreach (var attempt in unsent)
            {
                answers.Add((await AttemptOfAsync(attempt), new Reply.NotSent(TimeSpan.Zero)));
            }

            if (answers.Count > 0)
            {
                await tools.Outcomes.RecordAsync(chunk, wave, gateway.Declaration, answers, await tools.NowAsync());
            }
        }
        catch (Exception failure) when (Transient.Is(failure))
        {
            // Then who takes the chunk up finds them without an outcome.
        }
    }

    private async Task<Pass> RoundAsync(List<Touch> touches, Pass pass)
    {
        var requests = (touches.Count + gateway.Declaration.MaxBatch - 1) / gateway.Declaration.MaxBatch;
        var reserved = gateway.ReservesKeys ? await line.ReserveKeysAsync(gateway, requests, stopping) : null;
        if (reserved is { Keys: var keys } && keys.Count < requests)
        {
            return pass with { Halt = Halt.Channel, Wait = await RefusedAsync(reserved.Refusal) };
        }

        var slots = await line.SlotsAsync(requests, stopping);
        pass = await UntilNearAsync(slots, pass);
        if (pass.Halt != Halt.None)
        {
            slots.GiveBackFrom(0);
            return pass;
        }

        var since = tools.Time.GetTimestamp();
        var round = await tools.Gate.AttemptAsync(
            chunk,
            wave,
            gateway.Declaration,
            touches,
            reserved?.Keys,
            requests,
            _wire.Answers,
            CancellationToken.None
        );
        slots.GiveBackFrom(round.Attempts.Count);
        if (round.Halt == Halt.Lost)
        {
            return pass with { Halt = Halt.Lost };
        }

        _wire.Recorded();
        if (round.Halt != Halt.None)
        {
            return pass with { Halt = round.Halt };
        }

        lease.Renewed(since);
        line.Committed(tools.Time.GetElapsedTime(since));
        if (round.Attempts.Count > 0)
        {
            _lastRequest = round.Attempts[^1].Request;
            // The window was looked at some time before the commit.
            var open = round.Open - tools.Time.GetElapsedTime(since);
            _wire.Add(
                round.Attempts.Select((attempt, i) => SendAsync(attempt, slots[i], open)),
                round.Attempts[0].Day.Now
            );
        }

        return pass;
    }

    /// <summary>Waits until the slots are near. What comes back until then is recorded at once, unless that is soon and it
    /// goes with the attempts.</summary>
    private async Task<Pass> UntilNearAsync(RoundSlots slots, Pass pass)
    {
        while (slots.Wait > Soon && !_wire.IsEmpty && pass.Halt == Halt.None)
        {
            stopping.ThrowIfCancellationRequested();
            if (_wire.HasReplies)
            {
                pass = pass.Then(await _wire.RecordAsync());
            }
            else
            {
                await Task.WhenAny(_wire.SomeAsync(), slots.NearAsync(stopping));
                _wire.TakeBack();
            }
        }

        if (pass.Halt == Halt.None)
        {
            await slots.NearAsync(stopping);
        }

        return GoesWithAttempts ? pass : pass.Then(await _wire.RecordAsync());
    }

    /// <summary>Repeats requests that an earlier lease left without an answer, where the gateway is the one that knows their
    /// keys; else they are unknown.</summary>
    private async Task<Pass> SettleAsync(EarlierAttempts earlier)
    {
        var settled = new Pass(Halt.None);
        foreach (var attempt in earlier.Unsettled)
        {
            var slots = await line.SlotAsync(stopping);
            var since = tools.Time.GetTimestamp();
            var (halt, repeated, now, open) = await AgainAsync(attempt);
            if (repeated is null)
            {
                slots.GiveBackFrom(0);
            }

            if (halt != Halt.None)
            {
                return new Pass(halt);
            }

            Log.Unsettled(tools.Logger, attempt.RequestKey, repeated is null ? "unknown" : "repeated");
            var send = repeated is null
                ? Task.FromResult<(Attempt Attempt, Reply Reply)>((attempt.AsUnknown(now), new Reply.Forgotten()))
                : SendAsync(repeated with { IsRepeat = true }, slots[0], open - tools.Time.GetElapsedTime(since));
            _wire.Add([send], now.Now);
            var pass = await _wire.DrainAsync();
            if ((await send).Reply is Reply.Of { Result: SendResult.Throttled or SendResult.ChannelStopped } held)
            {
                await tools.Outcomes.NoteAsync(gateway.Declaration, held.Result, now.Now);
            }

            if (pass.Halt != Halt.None)
            {
                return pass;
            }

            settled = pass.Unanswered ? pass with { Wait = Backoff(attempt, now) } : settled;
        }

        return settled;
    }

    /// <summary>The request as it was: the same key, the same members in the same order. Null where it may not be
    /// repeated any more.</summary>
    private async Task<(Halt, Attempt?, ContactDay, TimeSpan Open)> AgainAsync(EarlierAttempt earlier)
    {
        var attempt = await AttemptOfAsync(earlier);
        var whole =
            attempt.Touches.Count == earlier.CustomerKeys.Length && attempt.Touches.All(touch => touch.Fault is null);
        var (halt, now, open) = await tools.Gate.RecheckAsync(
            chunk,
            wave,
            gateway.Declaration,
            attempt.Touches,
            CancellationToken.None
        );
        if (halt is not Halt.None and not Halt.Refused)
        {
            return (halt, null, now, open);
        }

        var known =
            gateway.Declaration.Dedupe == Dedupe.Key
            && gateway.Declaration.Name == earlier.Gateway
            && now.Now - (chunk.Asked?.At ?? earlier.AttemptedAt) < gateway.Declaration.DedupePeriod;
        return (Halt.None, halt == Halt.None && whole && known ? attempt : null, now, open);
    }

    private async Task<Attempt> AttemptOfAsync(EarlierAttempt earlier)
    {
        var touches = await tools.TouchReader.OfCustomersAsync(
            chunk,
            gateway.Declaration,
            _message,
            earlier.CustomerKeys,
            CancellationToken.None
        );
        var day = await tools.DayAsync(earlier.AttemptedAt);
        return new Attempt(earlier.Request, earlier.RequestKey, touches, day) { Asked = chunk.Asked };
    }

    /// <summary>Twice as late each time.</summary>
    private static TimeSpan Backoff(EarlierAttempt attempt, ContactDay now)
    {
        var since = now.Now - attempt.AttemptedAt;
        return since < RepeatAtLeast ? RepeatAtLeast
            : since > RepeatAtMost ? RepeatAtMost
            : since;
    }

    private async Task<(Attempt Attempt, Reply Reply)> SendAsync(Attempt attempt, long slot, TimeSpan open)
    {
        var items = new SendItem[attempt.Touches.Count];
        for (var i = 0; i < items.Length; i++)
        {
            var touch = attempt.Touches[i];
            items[i] = new SendItem(TouchKey.Of(wave.RunKey, touch.CustomerKey), touch.Address, touch.Variables);
        }

        var request = new SendRequest(attempt.Key, wave.Plan.Purpose, _message.Content, items);
        // Its credentials may have been changed meanwhile.
        var now = line.Gateway ?? gateway;
        return (attempt, await line.SendAsync(now, request, slot, open, () => lease.IsHeld, drained));
    }

    private async Task<TimeSpan?> RefusedAsync(SendResult? refusal)
    {
        if (refusal is not null)
        {
            await tools.Outcomes.NoteAsync(gateway.Declaration, refusal, await tools.NowAsync());
        }

        return refusal is SendResult.Unanswered or null ? RepeatAtLeast * 5 : null;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Request {Key} was left without an answer: {What}")]
        internal static partial void Unsettled(ILogger logger, string key, string what);
    }
}

/// <summary>How far a chunk, or a round of it, got.</summary>
/// <param name="Wait">Not before this much time has passed.</param>
/// <param name="Unanswered">Whether a request is to be repeated.</param>
internal sealed record Pass(Halt Halt, TimeSpan? Wait = null, bool Unanswered = false)
{
    /// <summary>With what came of requests meanwhile. Nothing follows a lost lease.</summary>
    internal Pass Then(Pass next) =>
        Halt == Halt.Lost
            ? this
            : new Pass(
                next.Halt == Halt.None ? Halt : next.Halt,
                next.Halt == Halt.None ? Wait : next.Wait,
                Unanswered || next.Unanswered
            );
}

/// <summary>What working a chunk takes.</summary>
internal sealed record ChunkTools(
    NpgsqlDataSource DataSource,
    ChunkQueue Queue,
    TouchReader TouchReader,
    AttemptGate Gate,
    OutcomeLog Outcomes,
    LocalDays LocalDays,
    TimeProvider Time,
    ILogger<ChunkRun> Logger
)
{
    internal async Task<DateTimeOffset> NowAsync()
    {
        await using var connection = await DataSource.OpenConnectionAsync(CancellationToken.None);
        return await BusinessClock.NowAsync(connection);
    }

    /// <summary>What day it is everywhere at an instant of business time; null for now.</summary>
    internal async Task<ContactDay> DayAsync(DateTimeOffset? at = null)
    {
        await using var connection = await DataSource.OpenConnectionAsync(CancellationToken.None);
        return await LocalDays.AtAsync(connection, at ?? await BusinessClock.NowAsync(connection), zones: null);
    }
}
