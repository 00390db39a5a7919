using Campaigns.Channels;
using Campaigns.Customers;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Ends chunks: done, expired with their window, or cancelled.</summary>
internal sealed class ChunkEnd(NpgsqlDataSource dataSource)
{
    /// <summary>All touches of the chunk have been dealt with. False when the lease is another's; and when a request has no
    /// outcome, so that whatever forgot it, the chunk is taken up again.</summary>
    internal async Task<bool> DoneAsync(Chunk chunk)
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        return await connection.ExecuteAsync(
                $"""
                UPDATE chunk
                SET state = 1, leased_by = NULL, leased_until = NULL,
                    finished_at = (SELECT clock_timestamp() + clock_offset FROM business_clock)
                WHERE run_key = @RunKey AND chunk = @Number AND token = @Token AND state = 0
                  AND {ChunkQueue.NotWaitedFor}
                  AND NOT EXISTS (
                      SELECT
                      FROM attempt a
                      WHERE a.run_key = @RunKey AND a.chunk = @Number AND cardinality(a.customer_keys) > 0
                        AND NOT EXISTS (
                            SELECT
                            FROM outcome o
                            WHERE o.run_key = a.run_key AND o.chunk = a.chunk AND o.request = a.request
                        )
                  )
                """,
                new
                {
                    chunk.RunKey,
                    chunk.Number,
                    chunk.Token,
                }
            ) == 1;
    }

    /// <summary>Ends a waiting chunk whose window has closed: what was not attempted goes to the next window, or
    /// expires.</summary>
    internal Task<bool> ExpireAsync(int runKey, int number, CancellationToken cancellationToken) =>
        EndAsync(runKey, number, Withheld.Expired, cancellationToken);

    /// <summary>Cancels a waiting chunk; what is already on the wire is not taken back.</summary>
    internal Task<bool> CancelAsync(int runKey, int number, CancellationToken cancellationToken) =>
        EndAsync(runKey, number, Withheld.Cancelled, cancellationToken);

    /// <summary>As <see cref="CancelAsync(int, int, CancellationToken)"/>, in the caller's transaction.</summary>
    internal static Task<bool> CancelAsync(
        NpgsqlConnection connection,
        int runKey,
        int number,
        CancellationToken cancellationToken
    ) => EndAsync(connection, runKey, number, Withheld.Cancelled, cancellationToken);

    private async Task<bool> EndAsync(int runKey, int number, Withheld reason, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var ended = await EndAsync(connection, runKey, number, reason, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return ended;
    }

    private static async Task<bool> EndAsync(
        NpgsqlConnection connection,
        int runKey,
        int number,
        Withheld reason,
        CancellationToken cancellationToken
    )
    {
        // The new token fences whoever held the chunk; a lease that is still good is left alone.
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            """
            UPDATE chunk c
            SET token = c.token + 1, leased_by = NULL, leased_until = NULL,
                state = CASE WHEN @cancelled THEN 2 ELSE 3 END, finished_at = clock_timestamp() + b.clock_offset,
                requests = c.requests + 1
            FROM business_clock b, (
                SELECT run_key, chunk
                FROM chunk
                WHERE run_key = @runKey AND chunk = @number AND state = 0
                  AND (leased_until IS NULL OR leased_until < clock_timestamp())
                FOR UPDATE SKIP LOCKED
            ) q
            WHERE c.run_key = q.run_key AND c.chunk = q.chunk
            RETURNING c.run_key, c.chunk AS number, c.wave, c.step, c.channel, c.variant, c.low_key, c.high_key,
                      c.members, c.try, c.fresh, c.asked_by, c.asked_at, c.token, c.requests,
                      clock_timestamp() + b.clock_offset AS now,
                      coalesce(c.planned_wave, c.wave) AS planned_wave,
                      (
                          SELECT w.channel FROM wave w
                          WHERE w.run_key = c.run_key AND w.wave = coalesce(c.planned_wave, c.wave)
                      ) AS planned_channel
            """,
            new
            {
                runKey,
                number,
                cancelled = reason == Withheld.Cancelled,
            }
        );
        if (row is null)
        {
            return false;
        }

        await FinishAsync(connection, row, reason, cancellationToken);
        return true;
    }

    private static async Task FinishAsync(
        NpgsqlConnection connection,
        Row row,
        Withheld reason,
        CancellationToken cancellationToken
    )
    {
        var chunk = row.AsChunk();
        reason = chunk.Asked is null ? reason : Withheld.Unanswered;
        var earlier = await EarlierAttempts.OfAsync(connection, row.RunKey, row.Number);
        var deltas = new Deltas(chunk);
        long[] rest = [.. (await CustomersAsync(connection, row)).Where(key => !earlier.Handled.Contains(key)).Order()];
        var left = rest.Concat(earlier.Unsettled.SelectMany(attempt => attempt.CustomerKeys));
        var delivered = await Deltas.DeliveredAsync(connection, chunk, left);
        await using var batch = new NpgsqlBatch(connection);
        foreach (var attempt in earlier.Unsettled)
        {
            ItemResult[] unknown = [new(SendState.Unknown, "unanswered", null)];
            batch.BatchCommands.Add(OutcomeRow.Insert(chunk, attempt.Request, 1, unknown, row.Now));
            var counted = attempt.CustomerKeys.Count(key => !delivered.Contains(key));
            deltas.Move("attempted", "unknown", counted);
        }

        if (rest.Length > 0 && reason == Withheld.Expired && await NextWaveAsync(connection, row) is { } next)
        {
            NewChunk rolled = new(
                next.Wave,
                chunk.PlannedWave,
                chunk.Channel,
                chunk.Variant,
                rest,
                chunk.Try,
                chunk.Fresh,
                next.OpensAt
            );
            await ChunkQueue.AddAsync(connection, chunk.RunKey, [rolled]);
        }
        else if (rest.Length > 0)
        {
            var withheld = rest.ToDictionary(key => key, _ => reason);
            batch.BatchCommands.Add(AttemptRow.Insert(chunk, row.Requests, row.Now, null, null, [], withheld));
            deltas.Withhold(chunk, rest.Where(key => !delivered.Contains(key)).Select(_ => reason));
        }

        deltas.AppendTo(batch);
        if (batch.BatchCommands.Count > 0)
        {
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    private static Task<IEnumerable<long>> CustomersAsync(NpgsqlConnection connection, Row row) =>
        row.Members is { } members
            ? Task.FromResult<IEnumerable<long>>(members)
            : connection.QueryAsync<long>(
                """
                SELECT customer_key
                FROM decision
                WHERE run_key = @RunKey AND wave = @Wave AND variant = @Variant AND reason = 0
                  AND touch_place(wave, variant, customer_key)
                      BETWEEN touch_place(@Wave, @Variant, @LowKey) AND touch_place(@Wave, @Variant, @HighKey)
                """,
                new
                {
                    row.RunKey,
                    row.Wave,
                    row.Variant,
                    row.LowKey,
                    row.HighKey,
                }
            );

    /// <summary>The first window after the chunk's own that is not over.</summary>
    private static Task<NextWave?> NextWaveAsync(NpgsqlConnection connection, Row row) =>
        connection.QuerySingleOrDefaultAsync<NextWave?>(
            """
            WITH RECURSIVE later AS (
                SELECT next_wave, 1 AS place FROM wave WHERE run_key = @RunKey AND wave = @Wave
                UNION ALL
                SELECT w.next_wave, l.place + 1
                FROM later l
                JOIN wave w ON w.run_key = @RunKey AND w.wave = l.next_wave
                WHERE l.place < 1000
            )
            SELECT w.wave, greatest(w.opens_at, @Now) AS opens_at
            FROM later l
            JOIN wave w ON w.run_key = @RunKey AND w.wave = l.next_wave
            WHERE w.closes_at > @Now
            ORDER BY l.place
            LIMIT 1
            """,
            new
            {
                row.RunKey,
                row.Wave,
                row.Now,
            }
        );

    private sealed class NextWave
    {
        public int Wave { get; init; }
        public DateTimeOffset OpensAt { get; init; }
    }

    private sealed class Row
    {
        public int RunKey { get; init; }
        public int Number { get; init; }
        public int Wave { get; init; }
        public int PlannedWave { get; init; }
        public short PlannedChannel { get; init; }
        public short Step { get; init; }
        public Channel Channel { get; init; }
        public short Variant { get; init; }
        public long? LowKey { get; init; }
        public long? HighKey { get; init; }
        public long[]? Members { get; init; }
        public short Try { get; init; }
        public bool Fresh { get; init; }
        public string? AskedBy { get; init; }
        public DateTimeOffset? AskedAt { get; init; }
        public long Token { get; init; }
        public int Requests { get; init; }
        public DateTimeOffset Now { get; init; }

        internal Chunk AsChunk() =>
            new()
            {
                RunKey = RunKey,
                Number = Number,
                Wave = Wave,
                PlannedWave = PlannedWave,
                PlannedChannel = PlannedChannel,
                Step = Step,
                Channel = Channel,
                Variant = Variant,
                Try = Try,
                Fresh = Fresh,
                AskedBy = AskedBy,
                AskedAt = AskedAt,
                Token = Token,
                Requests = Requests,
            };
    }
}
