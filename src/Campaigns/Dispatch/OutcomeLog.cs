using Campaigns.Channels;
using Campaigns.Customers;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>What became of a request that was attempted.</summary>
internal abstract record Reply
{
    /// <summary>The gateway's word.</summary>
    internal sealed record Of(SendResult Result) : Reply;

    /// <summary>We did not send it, and it may be sent after a while.</summary>
    internal sealed record NotSent(TimeSpan Wait) : Reply;

    /// <summary>It was sent by an earlier lease, may not be sent again, and nobody is left who would know.</summary>
    internal sealed record Forgotten : Reply;

    /// <summary>We may not touch it any more: the lease ran out before it was sent.</summary>
    internal sealed record Abandoned : Reply;
}

/// <summary>Appends outcomes and does what follows from them, in one transaction that is fenced by the lease.</summary>
internal sealed class OutcomeLog(NpgsqlDataSource dataSource, DispatchOptions options, Fallback fallback)
{
    /// <summary>What <c>hold_chunk</c> raises.</summary>
    private const string LeaseLost = "CM001";

    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(1);

    /// <summary>Records what was answered; an unanswered request that may be repeated stays without an outcome.</summary>
    /// <param name="now">Business time.</param>
    /// <returns>False when the lease is another's: then nothing was written.</returns>
    internal async Task<bool> RecordAsync(
        Chunk chunk,
        WaveContext wave,
        GatewayDeclaration gateway,
        IReadOnlyList<(Attempt Attempt, Reply Reply)> answers,
        ContactDay now
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var customers = answers.SelectMany(answer => answer.Attempt.Touches).Select(touch => touch.CustomerKey);
        var delivered = await Deltas.DeliveredAsync(connection, chunk, customers);
        var counts = new OutcomeCounts(chunk, delivered, now.Now);
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(Hold(chunk));
        var sorted = new List<Sorted>();
        foreach (var (attempt, reply) in answers.OrderBy(answer => answer.Attempt.Request))
        {
            if (Sort(attempt, reply, gateway) is { } one)
            {
                sorted.Add(one);
                batch.BatchCommands.Add(OutcomeRow.Insert(chunk, attempt.Request, answer: 1, one.Items, now.Now));
                counts.Accepted(one.Accepted);
                counts.Delivered(one.Delivered);
                counts.Unknown(one.Unknown);
            }
        }

        if (sorted.All(one => one.NothingFollows))
        {
            counts.Deltas.AppendTo(batch);
            return await IsHeldAsync(() => batch.CommitAsync(CancellationToken.None));
        }

        if (!await IsHeldAsync(() => batch.ExecuteNonQueryAsync()))
        {
            return false;
        }

        await FollowAsync(connection, chunk, wave, gateway, sorted, now, counts);
        await using var rest = new NpgsqlBatch(connection);
        counts.Deltas.AppendTo(rest);
        await rest.CommitAsync(CancellationToken.None);
        return true;
    }

    /// <summary>Keeps what an answer other than to a request says of the gateway.</summary>
    internal async Task NoteAsync(GatewayDeclaration gateway, SendResult result, DateTimeOffset now)
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await ChannelStates.NoteAsync(connection, gateway, new Reply.Of(result), now);
        await transaction.CommitAsync();
    }

    private static async Task<bool> IsHeldAsync(Func<Task> batch)
    {
        try
        {
            await batch();
            return true;
        }
        catch (PostgresException failure) when (failure.SqlState == LeaseLost)
        {
            return false;
        }
    }

    private async Task FollowAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        WaveContext wave,
        GatewayDeclaration gateway,
        List<Sorted> sorted,
        ContactDay now,
        OutcomeCounts counts
    )
    {
        var closesAt = await connection.QuerySingleAsync<DateTimeOffset>(
            "SELECT closes_at FROM wave WHERE run_key = @RunKey AND wave = @Wave",
            new { chunk.RunKey, chunk.Wave }
        );
        foreach (var one in sorted)
        {
            Touch[] back =
            [
                .. one
                    .Rejected.Concat(one.Poisoned)
                    .Concat(one.Retried)
                    .Concat(one.Unsent.SelectMany(part => part))
                    .OrderBy(touch => touch.CustomerKey),
            ];
            await GiveBack.OfAsync(connection, wave, gateway, one.Attempt, back, CancellationToken.None);
        }

        var rejected = Keys(sorted.SelectMany(one => one.Rejected));
        var chunks = await fallback.OfAsync(
            connection,
            chunk,
            wave,
            rejected,
            now.Now,
            fresh: false,
            CancellationToken.None
        );
        counts.Failed(rejected.Except(chunks.SelectMany(next => next.Members)));
        counts.Failed(Keys(sorted.SelectMany(one => one.Poisoned)));
        var retried = Keys(sorted.SelectMany(one => one.Retried));
        var retryAt = now.Now + Backoff(chunk.Try);
        if (retried.Length > 0 && retryAt < closesAt - Margin)
        {
            chunks.Add(Again(chunk, retried, (short)Math.Min(chunk.Try + 1, short.MaxValue), retryAt));
        }
        else
        {
            counts.Failed(retried);
        }

        var unsent = sorted.SelectMany(one => one.Unsent.Select(part => (part, one.Wait)));
        chunks.AddRange(unsent.Select(part => Again(chunk, Keys(part.part), chunk.Try, now.Now + part.Wait)));
        await ChunkQueue.AddAsync(connection, chunk.RunKey, chunks);
        foreach (var one in sorted)
        {
            await ChannelStates.NoteAsync(connection, gateway, one.Reply, now.Now);
        }
    }

    private static NewChunk Again(Chunk chunk, long[] members, short tries, DateTimeOffset dueAt) =>
        new(chunk.Wave, chunk.PlannedWave, chunk.Channel, chunk.Variant, members, tries, Fresh: false, dueAt);

    private TimeSpan Backoff(short tries)
    {
        var full = options.RetryAfter * Math.Pow(2, Math.Min(tries - 1, 20));
        full = full < options.RetryAtMost ? full : options.RetryAtMost;
#pragma warning disable CA5394 // spreads retries; nothing is secret
        return full * (1 - (Random.Shared.NextDouble() / 5));
#pragma warning restore CA5394
    }

    /// <summary>Locks the chunk and renews its lease, or fails, and with it all that follows in its batch.</summary>
    private NpgsqlBatchCommand Hold(Chunk chunk) =>
        new("SELECT hold_chunk($1, $2, $3, $4)")
        {
            Parameters =
            {
                new() { Value = chunk.RunKey },
                new() { Value = chunk.Number },
                new() { Value = chunk.Token },
                new() { Value = options.Lease },
            },
        };

    /// <summary>Null where nothing is to be recorded yet.</summary>
    private static Sorted? Sort(Attempt attempt, Reply reply, GatewayDeclaration gateway)
    {
        switch (reply)
        {
            case Reply.NotSent notSent:
                return Sorted.AllUnsent(attempt, reply, "not_sent", notSent.Wait, [attempt.Touches]);
            case Reply.Of { Result: SendResult.Answered answered }:
                return Sorted.Answered(attempt, reply, answered.Items);
            case Reply.Of { Result: SendResult.Throttled throttled }:
                return Sorted.AllUnsent(attempt, reply, "throttled", throttled.RetryAfter, [attempt.Touches]);
            case Reply.Of { Result: SendResult.ChannelStopped stopped }:
                return Sorted.AllUnsent(attempt, reply, stopped.Code, TimeSpan.Zero, [attempt.Touches]);
            case Reply.Of { Result: SendResult.Spoiled spoiled }:
                var half = attempt.Touches.Count / 2;
                IReadOnlyList<Touch>[] halves =
                [
                    [.. attempt.Touches.Take(half)],
                    [.. attempt.Touches.Skip(half)],
                ];
                return Sorted.AllUnsent(
                    attempt,
                    reply,
                    spoiled.Code,
                    TimeSpan.Zero,
                    [.. halves.Where(h => h.Count > 0)]
                );
            case Reply.Forgotten:
            case Reply.Of { Result: SendResult.Unanswered } when gateway.Dedupe != Dedupe.Key:
                return Sorted.AllUnknown(attempt, reply);
            default:
                return null;
        }
    }

    private static long[] Keys(IEnumerable<Touch> touches) => [.. touches.Select(touch => touch.CustomerKey).Order()];

    private sealed record Sorted(Attempt Attempt, Reply Reply, IReadOnlyList<ItemResult> Items)
    {
        internal List<Touch> Rejected { get; } = [];
        internal List<Touch> Poisoned { get; } = [];
        internal List<Touch> Retried { get; } = [];
        internal IReadOnlyList<IReadOnlyList<Touch>> Unsent { get; private init; } = [];
        internal TimeSpan Wait { get; private init; }
        internal List<long> Accepted { get; } = [];
        internal List<long> Delivered { get; } = [];
        internal List<long> Unknown { get; private init; } = [];

        internal bool NothingFollows =>
            Rejected.Count == 0 && Poisoned.Count == 0 && Retried.Count == 0 && Unsent.Count == 0;

        internal static Sorted AllUnsent(
            Attempt attempt,
            Reply reply,
            string code,
            TimeSpan wait,
            IReadOnlyList<IReadOnlyList<Touch>> parts
        ) => new(attempt, reply, [new(SendState.Retryable, code, null)]) { Unsent = parts, Wait = wait };

        internal static Sorted AllUnknown(Attempt attempt, Reply reply) =>
            new(attempt, reply, [new(SendState.Unknown, "unanswered", null)]) { Unknown = [.. attempt.Keys] };

        internal static Sorted Answered(Attempt attempt, Reply reply, IReadOnlyList<ItemResult> items)
        {
            var sorted = new Sorted(attempt, reply, items);
            for (var i = 0; i < items.Count; i++)
            {
                sorted.Add(attempt.Touches[i], items[i]);
            }

            return sorted;
        }

        private void Add(Touch touch, ItemResult item)
        {
            switch (item)
            {
                case { State: SendState.Accepted }:
                    Accepted.Add(touch.CustomerKey);
                    break;
                case { State: SendState.Delivered }:
                    Delivered.Add(touch.CustomerKey);
                    break;
                case { State: SendState.Unknown }:
                    Unknown.Add(touch.CustomerKey);
                    break;
                case { State: SendState.Retryable }:
                    Retried.Add(touch);
                    break;
                case { Code: ProviderWords.TemplateError }:
                    Poisoned.Add(touch);
                    break;
                default:
                    Rejected.Add(touch);
                    break;
            }
        }
    }
}
