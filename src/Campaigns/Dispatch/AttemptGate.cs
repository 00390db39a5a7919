using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>The transaction at the heart: reads again what may have changed since planning and commits the attempts of
/// those who may go. Only what it returned may be sent.</summary>
internal sealed class AttemptGate(
    NpgsqlDataSource dataSource,
    AttemptFences fences,
    LocalDays localDays,
    Admission admission,
    Fallback fallback
)
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromMinutes(1);

    /// <summary>Attempts of as many touches as go on the wire at once.</summary>
    /// <param name="touches">In the order of keys; at most what fits in as many requests as there are keys.</param>
    /// <param name="keys">Keys of the provider's, one a request; null where they are ours.</param>
    /// <param name="requests">Most requests.</param>
    /// <param name="answers">To the chunk's earlier requests, from which nothing follows: recorded in the same transaction,
    /// whatever may not go any more, unless the lease is lost.</param>
    internal async Task<Round> AttemptAsync(
        Chunk chunk,
        WaveContext wave,
        GatewayDeclaration gateway,
        List<Touch> touches,
        IReadOnlyList<string>? keys,
        int requests,
        IReadOnlyList<Answer> answers,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var withheld = touches.Where(touch => touch.Fault is not null).ToDictionary(Key, touch => touch.Fault!.Value);
        var candidates = touches.Where(touch => touch.Fault is null).ToList();
        var fence = await fences.TakeAsync(connection, chunk, wave, gateway, candidates, requests, cancellationToken);
        if (fence.Halt != Halt.None)
        {
            if (fence.Halt != Halt.Lost && answers.Count > 0)
            {
                await AppendAndCommitAsync(connection, chunk, gateway, fence, [], [], answers, cancellationToken);
            }

            return Round.Halted(fence.Halt);
        }

        foreach (var key in fence.Converted)
        {
            withheld[key] = Withheld.Converted;
        }

        if (chunk.Asked is { } asked && !asked.IsKnownTo(gateway, fence.Now))
        {
            foreach (var key in candidates.Select(Key))
            {
                withheld[key] = Withheld.Unanswered;
            }
        }

        foreach (var key in await Deltas.DeliveredAsync(connection, chunk, touches.Select(Key)))
        {
            withheld[key] = Withheld.Delivered;
        }

        candidates.RemoveAll(touch => withheld.ContainsKey(touch.CustomerKey));
        var (dates, times) = await TimesAsync(connection, wave, fence);
        var admitted = await admission.OfAsync(
            connection,
            wave,
            gateway,
            wave.ProviderTemplate(chunk),
            candidates,
            again: chunk.Asked is not null,
            dates,
            cancellationToken
        );
        foreach (var (key, reason) in admitted.Refused)
        {
            withheld[key] = reason;
        }

        var passed = admitted.Passed;
        if (admitted.Waiting.Count > 0)
        {
            var askAgain = dates.Now + AskAgain;
            await LaterAsync(connection, chunk, admitted.Waiting, askAgain, yields: true, withheld);
        }

        if (admitted.Quiet.Count > 0)
        {
            await PutOffAsync(connection, chunk, admitted.Quiet, times, withheld);
        }

        if (passed.Count > 0 && passed.Count < gateway.MinBatch && chunk.Asked is null)
        {
            await MoveOnAsync(connection, chunk, wave, gateway, passed, dates, withheld, cancellationToken);
            passed = [];
        }

        if (chunk.Asked is not null)
        {
            // Whatever keeps them back now, they may have gone.
            foreach (var (key, _) in withheld.Where(one => one.Value != Withheld.Delivered).ToList())
            {
                withheld[key] = Withheld.Unanswered;
            }
        }

        var attempts = Split(chunk, gateway, passed, keys, fence.FirstRequest, dates);
        await AppendAndCommitAsync(connection, chunk, gateway, fence, attempts, withheld, answers, cancellationToken);
        return new Round(Halt.None, attempts) { Open = Least(fence.Open, times.Left) };
    }

    /// <summary>Reads again what may forbid to repeat a request, and renews the lease where nothing does.</summary>
    /// <returns><see cref="Halt.None"/> where it may be repeated, <see cref="Halt.Refused"/> where one of its customers has
    /// refused meanwhile; and how much longer the window is open.</returns>
    internal async Task<(Halt Halt, ContactDay Day, TimeSpan Open)> RecheckAsync(
        Chunk chunk,
        WaveContext wave,
        GatewayDeclaration gateway,
        IReadOnlyList<Touch> touches,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var fence = await fences.TakeAsync(connection, chunk, wave, gateway, [], requests: 0, cancellationToken);
        var (dates, times) = await TimesAsync(connection, wave, fence);
        var open = Least(fence.Open, times.Left);
        if (fence.Halt != Halt.None)
        {
            return (fence.Halt, dates, open);
        }

        long[] keys = [.. touches.Select(Key)];
        if (
            await ContactPlaces.AnyRefusedAsync(
                connection,
                gateway,
                keys,
                wave.Marketing,
                wave.Plan.UsesProfiling,
                dates,
                cancellationToken
            )
        )
        {
            return (Halt.Refused, dates, open);
        }

        await transaction.CommitAsync(cancellationToken);
        return (Halt.None, dates, open);
    }

    /// <summary>The days and the hours of the fence's instant, everywhere.</summary>
    private async Task<(ContactDay Dates, ZoneTimes Times)> TimesAsync(
        NpgsqlConnection connection,
        WaveContext wave,
        AttemptFence fence
    )
    {
        var dates = await localDays.AtAsync(connection, fence.Now, fence.Zones);
        var times = wave.Hours.At(localDays.Names, fence.Now);
        return (dates with { Closed = times.Closed }, times);
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;

    /// <summary>They live elsewhere than when they were planned, or the hours there begin later: they wait for them. What the
    /// window does not last for rolls to the next when it closes, or expires.</summary>
    private static async Task PutOffAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        List<Touch> touches,
        ZoneTimes times,
        Dictionary<long, Withheld> withheld
    )
    {
        if (chunk.Asked is not null)
        {
            foreach (var key in touches.Select(Key))
            {
                withheld[key] = Withheld.Unanswered;
            }

            return;
        }

        var zones = await ContactPlaces.ZonesAsync(connection, [.. touches.Select(Key)]);
        foreach (var group in touches.GroupBy(touch => times.OpensIn(zones[touch.CustomerKey])))
        {
            await LaterAsync(connection, chunk, [.. group], group.Key, yields: false, withheld);
        }
    }

    /// <summary>They ask again, as long as the window is open.</summary>
    /// <param name="yields">Whether their places are a higher campaign's until it has gone or ended; they are late then.</param>
    private static async Task LaterAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        List<Touch> touches,
        DateTimeOffset dueAt,
        bool yields,
        Dictionary<long, Withheld> withheld
    )
    {
        long[] keys = [.. touches.Select(Key)];
        NewChunk later = new(
            chunk.Wave,
            chunk.PlannedWave,
            chunk.Channel,
            chunk.Variant,
            keys,
            chunk.Try,
            chunk.Fresh,
            dueAt,
            LateAs: yields ? chunk.Number : null,
            Yields: yields
        );
        await ChunkQueue.AddAsync(connection, chunk.RunKey, [later]);
        foreach (var key in keys)
        {
            withheld[key] = Withheld.Moved;
        }
    }

    /// <summary>Too few for the gateway: they give their places back and go on to their next channel.</summary>
    private async Task MoveOnAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        WaveContext wave,
        GatewayDeclaration gateway,
        List<Touch> touches,
        ContactDay dates,
        Dictionary<long, Withheld> withheld,
        CancellationToken cancellationToken
    )
    {
        var attempt = new Attempt(0, "", touches, dates);
        await GiveBack.OfAsync(connection, wave, gateway, attempt, touches, cancellationToken);
        var chunks = await fallback.OfAsync(
            connection,
            chunk,
            wave,
            attempt.Keys,
            dates.Now,
            chunk.Fresh,
            cancellationToken
        );
        await ChunkQueue.AddAsync(connection, chunk.RunKey, chunks);
        var moved = chunks.SelectMany(next => next.Members).ToHashSet();
        foreach (var key in attempt.Keys)
        {
            withheld[key] = moved.Contains(key) ? Withheld.Moved : Withheld.Expired;
        }
    }

    /// <summary>As few requests as the gateway's bound allows, of about one size: so no remainder is under its least.
    /// </summary>
    private static List<Attempt> Split(
        Chunk chunk,
        GatewayDeclaration gateway,
        List<Touch> touches,
        IReadOnlyList<string>? keys,
        int firstRequest,
        ContactDay dates
    )
    {
        var count = (touches.Count + gateway.MaxBatch - 1) / gateway.MaxBatch;
        var attempts = new List<Attempt>(count);
        for (var i = 0; i < count; i++)
        {
            var (from, to) = ((int)((long)touches.Count * i / count), (int)((long)touches.Count * (i + 1) / count));
            var request = firstRequest + i;
            var key = keys?[i] ?? $"{chunk.RunKey}-{chunk.Number}-{request}";
            attempts.Add(new Attempt(request, key, touches[from..to], dates) { Asked = chunk.Asked });
        }

        return attempts;
    }

    private static async Task AppendAndCommitAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        GatewayDeclaration gateway,
        AttemptFence fence,
        List<Attempt> attempts,
        Dictionary<long, Withheld> withheld,
        IReadOnlyList<Answer> answers,
        CancellationToken cancellationToken
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        var counts = new OutcomeCounts(chunk, [], fence.Now);
        OutcomeLog.Append(batch, chunk, answers, counts, fence.Now);
        for (var i = 0; i < Math.Max(1, attempts.Count); i++)
        {
            var attempt = i < attempts.Count ? attempts[i] : null;
            if (attempt is not null || withheld.Count > 0)
            {
                batch.BatchCommands.Add(
                    AttemptRow.Insert(
                        chunk,
                        fence.FirstRequest + i,
                        fence.Now,
                        attempt?.Key,
                        attempt is null ? null : gateway.Name,
                        attempt?.Keys ?? [],
                        i == 0 ? withheld : []
                    )
                );
            }
        }

        var deltas = counts.Deltas;
        var attempted = attempts.Sum(attempt => attempt.Touches.Count);
        deltas.Add("attempts", attempted, fence.Now);
        if (chunk.Fresh)
        {
            deltas.Add("attempted", attempted, fence.Now);
            deltas.Move("planned", "attempted", attempted);
        }

        deltas.Withhold(chunk, withheld.Values);
        deltas.AppendTo(batch);
        await batch.CommitAsync(cancellationToken);
    }

    private static long Key(Touch touch) => touch.CustomerKey;
}
