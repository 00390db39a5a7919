using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Appends outcomes and does what follows from them, in one transaction that is fenced by the lease.</summary>
internal sealed class OutcomeLog(
    NpgsqlDataSource dataSource,
    DispatchOptions options,
    LocalDays localDays,
    Fallback fallback
)
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
        IReadOnlyList<(Attempt Attempt, Reply Reply)> replies,
        DateTimeOffset now
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var customers = replies.SelectMany(reply => reply.Attempt.Touches).Select(touch => touch.CustomerKey);
        var delivered = await Deltas.DeliveredAsync(connection, chunk, customers);
        var counts = new OutcomeCounts(chunk, delivered, now);
        var answers = AnswersOf(replies, gateway);
        var next = await NextTryAsync(connection, chunk, gateway, answers, now);
        if (next.Asked is null)
        {
            answers = answers.ConvertAll(answer => answer.NotAskedAgain());
        }

        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(Hold(chunk));
        Append(batch, chunk, answers, counts, now);
        if (answers.TrueForAll(answer => answer.NothingFollows))
        {
            counts.Deltas.AppendTo(batch);
            return await IsHeldAsync(() => batch.CommitAsync(CancellationToken.None));
        }

        if (!await IsHeldAsync(() => batch.ExecuteNonQueryAsync()))
        {
            return false;
        }

        await FollowAsync(connection, chunk, wave, gateway, answers, next, now, counts);
        await using var rest = new NpgsqlBatch(connection);
        counts.Deltas.AppendTo(rest);
        await rest.CommitAsync(CancellationToken.None);
        return true;
    }

    /// <summary>Of what came back, what is to be recorded; in the order of requests.</summary>
    internal static List<Answer> AnswersOf(
        IEnumerable<(Attempt Attempt, Reply Reply)> replies,
        GatewayDeclaration gateway
    ) =>
        [
            .. replies
                .OrderBy(reply => reply.Attempt.Request)
                .Select(reply => Answer.Of(reply.Attempt, reply.Reply, gateway))
                .OfType<Answer>(),
        ];

    /// <summary>Outcomes of a chunk that the transaction holds. Retries, fallbacks and places given back are not among
    /// them.</summary>
    internal static void Append(
        NpgsqlBatch batch,
        Chunk chunk,
        IEnumerable<Answer> answers,
        OutcomeCounts counts,
        DateTimeOffset now
    )
    {
        foreach (var answer in answers)
        {
            batch.BatchCommands.Add(OutcomeRow.Insert(chunk, answer.Attempt.Request, answer: 1, answer.Items, now));
            counts.Accepted(answer.Accepted);
            counts.Delivered(answer.Delivered);
            counts.Unknown(answer.Unknown);
        }
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

    /// <summary>When what may be asked for again is.</summary>
    /// <param name="RetryAt">Null where that would be after the window.</param>
    /// <param name="Asked">Null where nothing is unanswered, or the gateway will not know its key any more.</param>
    private sealed record NextTry(DateTimeOffset? RetryAt, Asked? Asked);

    private async Task<NextTry> NextTryAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        GatewayDeclaration gateway,
        List<Answer> answers,
        DateTimeOffset now
    )
    {
        if (answers.TrueForAll(answer => answer.Retried.Count == 0 && answer.Unanswered.Count == 0))
        {
            return new NextTry(null, null);
        }

        var closesAt = await connection.QuerySingleAsync<DateTimeOffset>(
            "SELECT closes_at FROM wave WHERE run_key = @RunKey AND wave = @Wave",
            new { chunk.RunKey, chunk.Wave }
        );
        var retryAt = now + Backoff(chunk.Try);
        if (retryAt >= closesAt - Margin)
        {
            return new NextTry(null, null);
        }

        var unanswered = answers.FindAll(answer => answer.Unanswered.Count > 0);
        var asked =
            unanswered.Count == 0
                ? null
                : chunk.Asked ?? new Asked(gateway.Name, unanswered.Min(answer => answer.Attempt.Day.Now));
        return new NextTry(retryAt, asked?.IsKnownTo(gateway, retryAt) == true ? asked : null);
    }

    private async Task FollowAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        WaveContext wave,
        GatewayDeclaration gateway,
        List<Answer> answers,
        NextTry next,
        DateTimeOffset now,
        OutcomeCounts counts
    )
    {
        foreach (var one in answers)
        {
            Touch[] back =
            [
                .. one
                    .Rejected.Concat(one.Poisoned)
                    .Concat(one.Retried)
                    .Concat(chunk.Asked is null ? one.Unsent.SelectMany(part => part) : [])
                    .OrderBy(touch => touch.CustomerKey),
            ];
            var taken = chunk.Asked is { } first
                ? one.Attempt with
                {
                    Day = await localDays.AtAsync(connection, first.At, zones: null),
                }
                : one.Attempt;
            await GiveBack.OfAsync(connection, wave, gateway, taken, back, CancellationToken.None);
            if (gateway.NoAuthorisation is { } none && wave.ProviderTemplate(chunk) is { } template)
            {
                var usedUp = Keys(one.WithCode(none));
                await GiveBack.AuthorisationsAsync(
                    connection,
                    template,
                    one.Attempt,
                    usedUp,
                    [.. Keys(back).Except(usedUp)]
                );
            }
        }

        var rejected = Keys(answers.SelectMany(one => one.Rejected));
        var chunks = await fallback.OfAsync(
            connection,
            chunk,
            wave,
            rejected,
            now,
            fresh: false,
            CancellationToken.None
        );
        counts.Failed(rejected.Except(chunks.SelectMany(other => other.Members)));
        counts.Failed(Keys(answers.SelectMany(one => one.Poisoned)));
        var retried = Keys(answers.SelectMany(one => one.Retried));
        var nextTry = (short)Math.Min(chunk.Try + 1, short.MaxValue);
        if (retried.Length > 0 && next.RetryAt is { } retryAt)
        {
            chunks.Add(Again(chunk, retried, nextTry, retryAt));
        }
        else
        {
            counts.Failed(retried);
        }

        if (next is { Asked: { } asked, RetryAt: { } askAt })
        {
            var unanswered = Keys(answers.SelectMany(one => one.Unanswered));
            chunks.Add(Again(chunk, unanswered, nextTry, askAt) with { Asked = asked });
        }

        var unsent = answers.SelectMany(one => one.Unsent.Select(part => (part, one.Wait)));
        chunks.AddRange(unsent.Select(part => Again(chunk, Keys(part.part), chunk.Try, now + part.Wait)));
        await ChunkQueue.AddAsync(connection, chunk.RunKey, chunks);
        foreach (var one in answers)
        {
            await ChannelStates.NoteAsync(connection, gateway, one.Reply, now);
        }
    }

    private static NewChunk Again(Chunk chunk, long[] members, short tries, DateTimeOffset dueAt) =>
        new(
            chunk.Wave,
            chunk.PlannedWave,
            chunk.Channel,
            chunk.Variant,
            members,
            tries,
            Fresh: false,
            dueAt,
            chunk.Asked,
            LateAs: chunk.Number
        );

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

    private static long[] Keys(IEnumerable<Touch> touches) => [.. touches.Select(touch => touch.CustomerKey).Order()];
}
