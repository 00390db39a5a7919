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
    private static readonly TimeSpan RecordAgain = TimeSpan.FromMilliseconds(200);
    private readonly Message _message = template.For(gateway.Declaration);

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

        var unanswered = settled.Unanswered;
        for (var from = 0; from < touches.Count; )
        {
            if (stopping.IsCancellationRequested)
            {
                return new Pass(Halt.Node);
            }

            if (line.BrokenFor is { } broken)
            {
                return new Pass(Halt.Channel, broken);
            }

            var size = Math.Min(touches.Count - from, RoundSize());
            var pass = await RoundAsync(touches.GetRange(from, size));
            unanswered |= pass.Unanswered;
            if (pass.Halt != Halt.None)
            {
                return pass;
            }

            from += size;
        }

        return unanswered ? new Pass(Halt.Unanswered, settled.Wait ?? RepeatAtLeast) : new Pass(Halt.None);
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
                await tools.Outcomes.RecordAsync(chunk, wave, gateway.Declaration, answers, await tools.DayAsync());
            }
        }
        catch (Exception failure) when (Transient.Is(failure))
        {
            // Then who takes the chunk up finds them without an outcome.
        }
    }

    private int RoundSize() => (int)Math.Min(int.MaxValue, (long)line.RequestsOfARound * gateway.Declaration.MaxBatch);

    private async Task<Pass> RoundAsync(List<Touch> touches)
    {
        var requests = (touches.Count + gateway.Declaration.MaxBatch - 1) / gateway.Declaration.MaxBatch;
        IReadOnlyList<string>? keys = null;
        if (gateway.ReservesKeys)
        {
            var reserved = await line.ReserveKeysAsync(gateway, requests, stopping);
            if (reserved.Keys.Count < requests)
            {
                return new Pass(Halt.Channel, await RefusedAsync(reserved.Refusal));
            }

            keys = reserved.Keys;
        }

        var slot = await line.SlotAheadAsync(stopping);
        var round = await tools.Gate.AttemptAsync(
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
            return new Pass(round.Halt);
        }

        lease.Renewed();
        _lastRequest = round.Attempts[^1].Request;
        return await RecordAsync(
            [.. round.Attempts.Select(attempt => SendAsync(attempt, slot))],
            round.Attempts[0].Day
        );
    }

    /// <summary>Repeats requests that an earlier lease left without an answer, where the gateway is the one that knows their
    /// keys; else they are unknown.</summary>
    private async Task<Pass> SettleAsync(EarlierAttempts earlier)
    {
        var settled = new Pass(Halt.None);
        foreach (var attempt in earlier.Unsettled)
        {
            var (halt, repeated, now) = await AgainAsync(attempt);
            if (halt != Halt.None)
            {
                return new Pass(halt);
            }

            Log.Unsettled(tools.Logger, attempt.RequestKey, repeated is null ? "unknown" : "repeated");
            var send = repeated is null
                ? Task.FromResult<(Attempt, Reply)>((attempt.AsUnknown(now), new Reply.Forgotten()))
                : SendAsync(repeated, slot: null);
            var pass = await RecordAsync([send], now);
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
    private async Task<(Halt, Attempt?, ContactDay)> AgainAsync(EarlierAttempt earlier)
    {
        var attempt = await AttemptOfAsync(earlier);
        var whole =
            attempt.Touches.Count == earlier.CustomerKeys.Length && attempt.Touches.All(touch => touch.Fault is null);
        var (halt, now) = await tools.Gate.RecheckAsync(
            chunk,
            wave,
            gateway.Declaration,
            attempt.Touches,
            CancellationToken.None
        );
        if (halt is not Halt.None and not Halt.Refused)
        {
            return (halt, null, now);
        }

        var known =
            gateway.Declaration.Dedupe == Dedupe.Key
            && gateway.Declaration.Name == earlier.Gateway
            && now.Now - earlier.AttemptedAt < gateway.Declaration.DedupePeriod;
        return (Halt.None, halt == Halt.None && whole && known ? attempt : null, now);
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
        return new Attempt(earlier.Request, earlier.RequestKey, touches, await tools.DayAsync(earlier.AttemptedAt));
    }

    /// <summary>Twice as late each time.</summary>
    private static TimeSpan Backoff(EarlierAttempt attempt, ContactDay now)
    {
        var since = now.Now - attempt.AttemptedAt;
        return since < RepeatAtLeast ? RepeatAtLeast
            : since > RepeatAtMost ? RepeatAtMost
            : since;
    }

    private async Task<(Attempt, Reply)> SendAsync(Attempt attempt, long? slot)
    {
        var items = new SendItem[attempt.Touches.Count];
        for (var i = 0; i < items.Length; i++)
        {
            var touch = attempt.Touches[i];
            items[i] = new SendItem(TouchKey.Of(wave.RunKey, touch.CustomerKey), touch.Address, touch.Variables);
        }

        var request = new SendRequest(attempt.Key, wave.Plan.Purpose, _message.Content, items);
        return (attempt, await line.SendAsync(gateway, request, slot, () => lease.IsHeld, drained));
    }

    /// <summary>Records answers as they come, those that have come together in one transaction.</summary>
    private async Task<Pass> RecordAsync(List<Task<(Attempt Attempt, Reply Reply)>> sends, ContactDay dates)
    {
        var began = tools.Time.GetTimestamp();
        var pass = new Pass(Halt.None);
        while (sends.Count > 0)
        {
            await Task.WhenAny(sends);
            // Asked once: another may complete while we look.
            var completed = sends.FindAll(send => send.IsCompleted);
            sends.RemoveAll(completed.Contains);
            var ready = completed.ConvertAll(send => send.Result);
            var now = dates with { Now = dates.Now + tools.Time.GetElapsedTime(began) };
            if (!await RecordAsync(ready, now))
            {
                pass = pass with { Halt = Halt.Lost };
                continue;
            }

            lease.Renewed();
            pass = ready.Aggregate(pass, (sofar, one) => Add(sofar, one.Reply));
        }

        return pass;
    }

    /// <summary>What was answered is known here alone: the database may fail for as long as the lease lasts.</summary>
    private async Task<bool> RecordAsync(List<(Attempt, Reply)> ready, ContactDay now)
    {
        while (true)
        {
            try
            {
                return await tools.Outcomes.RecordAsync(chunk, wave, gateway.Declaration, ready, now);
            }
            catch (PostgresException failure)
                when (failure is { SqlState: PostgresErrorCodes.UniqueViolation, TableName: "outcome" })
            {
                return true; // committed before, and the word of it was lost
            }
            catch (Exception failure) when (Transient.Is(failure) && lease.IsHeld)
            {
                await Task.Delay(RecordAgain, tools.Time, CancellationToken.None);
            }
        }
    }

    private Pass Add(Pass pass, Reply reply) =>
        reply switch
        {
            _ when pass.Halt == Halt.Lost => pass,
            Reply.Abandoned => pass with { Halt = Halt.Lost },
            Reply.NotSent notSent => pass with { Halt = Halt.Channel, Wait = notSent.Wait },
            Reply.Of { Result: SendResult.Throttled or SendResult.ChannelStopped } => pass with { Halt = Halt.Channel },
            Reply.Of { Result: SendResult.Unanswered } => pass with
            {
                Unanswered = pass.Unanswered || gateway.Declaration.Dedupe == Dedupe.Key,
            },
            _ => pass,
        };

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
internal sealed record Pass(Halt Halt, TimeSpan? Wait = null, bool Unanswered = false);

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
