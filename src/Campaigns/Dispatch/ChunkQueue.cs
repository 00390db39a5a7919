using Campaigns.Channels;
using Campaigns.Database;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>The queue of one database: thousands of chunks where others keep millions of touches.</summary>
internal sealed class ChunkQueue(NpgsqlDataSource dataSource, DispatchOptions options)
{
    private const int ChunkNumbers = 0x43484B4E; // "CHKN", an advisory lock's first half

    /// <summary>SQL, always true: whoever writes this does not wait until it is on disk. What a crash of PostgreSQL forgets
    /// of a claim or an end is a chunk that is free again: its attempts are on disk, and its next token is another.</summary>
    internal const string NotWaitedFor = "(SELECT set_config('synchronous_commit', 'off', true)) = 'off'";

    // At random: after a crash a claim that was forgotten must not have the token of the next.
    private const string NewToken = "floor(random() * 4611686018427387904)::bigint";

    /// <summary>Takes the next due chunk of the wave, if there is one that may be worked now.</summary>
    /// <param name="gateway">By which it would go.</param>
    internal async Task<Chunk?> ClaimAsync(int runKey, int wave, string gateway, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var claimed = await connection.QueryPreparedAsync<Chunk>(
            $"""
            UPDATE chunk c
            SET token = {NewToken}, leased_by = @node, leased_until = clock_timestamp() + @lease
            FROM (
                SELECT q.chunk, (SELECT clock_timestamp() + clock_offset FROM business_clock) AS now
                FROM chunk q
                WHERE q.run_key = @run AND q.wave = @wave AND q.state = 0
                  AND q.due_at <= (SELECT clock_timestamp() + clock_offset FROM business_clock)
                  AND (q.leased_until IS NULL OR q.leased_until < clock_timestamp())
                  AND EXISTS (
                      SELECT
                      FROM wave w
                      JOIN run r ON r.run_key = w.run_key
                      JOIN campaign p ON p.campaign_key = r.campaign_key
                      CROSS JOIN business_clock b
                      WHERE w.run_key = @run AND w.wave = @wave
                        AND r.state = 'planned' AND p.state = 'running'
                        AND clock_timestamp() + b.clock_offset >= w.opens_at
                        AND clock_timestamp() + b.clock_offset < w.closes_at
                  )
                  AND NOT {ChannelStates.IsHeld("q.channel", "@gateway")}
                ORDER BY q.due_at, q.chunk
                LIMIT 1
                FOR UPDATE OF q SKIP LOCKED
            ) next
            WHERE c.run_key = @run AND c.chunk = next.chunk AND {NotWaitedFor}
            RETURNING c.run_key, c.chunk AS number, c.wave, c.step, c.channel, c.variant, c.low_key, c.high_key,
                      c.members, c.try, c.fresh, c.asked_by, c.asked_at, c.token, c.requests, next.now AS claimed_at,
                      coalesce(c.planned_wave, c.wave) AS planned_wave,
                      (
                          SELECT w.channel FROM wave w
                          WHERE w.run_key = c.run_key AND w.wave = coalesce(c.planned_wave, c.wave)
                      ) AS planned_channel
            """,
            cancellationToken,
            ("run", runKey),
            ("wave", wave),
            ("gateway", gateway),
            ("node", options.Node),
            ("lease", options.Lease)
        );
        return claimed.FirstOrDefault();
    }

    /// <summary>Says that the chunk is still being worked. False when the lease is another's by now.</summary>
    internal async Task<bool> RenewAsync(Chunk chunk, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await connection.ExecuteAsync(
                new CommandDefinition(
                    """
                    UPDATE chunk
                    SET leased_until = clock_timestamp() + @Lease
                    WHERE run_key = @RunKey AND chunk = @Number AND token = @Token AND state = 0
                    """,
                    new
                    {
                        chunk.RunKey,
                        chunk.Number,
                        chunk.Token,
                        options.Lease,
                    },
                    cancellationToken: cancellationToken
                )
            ) == 1;
    }

    /// <summary>Gives the chunk back, to be taken up again not before <paramref name="dueAt"/> where that is later than it
    /// was.</summary>
    internal async Task<bool> ReleaseAsync(Chunk chunk, DateTimeOffset? dueAt)
    {
        await using var connection = await dataSource.OpenConnectionAsync(CancellationToken.None);
        return await connection.ExecuteAsync(
                """
                UPDATE chunk
                SET leased_by = NULL, leased_until = NULL, due_at = greatest(due_at, @dueAt),
                    late_since = CASE WHEN @dueAt > due_at THEN coalesce(late_since, due_at) ELSE late_since END
                WHERE run_key = @RunKey AND chunk = @Number AND token = @Token AND state = 0
                """,
                new
                {
                    chunk.RunKey,
                    chunk.Number,
                    chunk.Token,
                    dueAt,
                }
            ) == 1;
    }

    /// <summary>The next instant at which the wave has something to do; null when it has nothing left that is not being
    /// worked or held up by its channel, or its window has closed.</summary>
    /// <param name="wait">Not before this much time has passed.</param>
    internal async Task<DateTimeOffset?> NextDueAsync(
        int runKey,
        int wave,
        string gateway,
        TimeSpan wait,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await connection.QuerySingleOrDefaultAsync<DateTimeOffset?>(
            new CommandDefinition(
                """
                SELECT min(greatest(
                    q.due_at, w.opens_at, s.not_before + b.clock_offset, clock_timestamp() + b.clock_offset + @wait))
                FROM chunk q
                JOIN wave w USING (run_key, wave)
                JOIN run r ON r.run_key = q.run_key
                JOIN campaign p ON p.campaign_key = r.campaign_key
                CROSS JOIN business_clock b
                CROSS JOIN LATERAL (
                    SELECT bool_or(s.stopped) AS stopped, max(s.not_before) AS not_before
                    FROM channel_state s
                    WHERE s.channel = q.channel AND s.gateway IN ('', @gateway)
                ) s
                WHERE q.run_key = @runKey AND q.wave = @wave AND q.state = 0
                  AND (q.leased_until IS NULL OR q.leased_until < clock_timestamp())
                  AND r.state = 'planned' AND p.state = 'running'
                  AND s.stopped IS NOT TRUE AND w.closes_at > clock_timestamp() + b.clock_offset
                """,
                new
                {
                    runKey,
                    wave,
                    gateway,
                    wait,
                },
                cancellationToken: cancellationToken
            )
        );
    }

    /// <summary>Adds chunks to a run, on the connection and in the transaction of what gave rise to them. Their numbers are
    /// higher than that of any chunk which had their touches before.</summary>
    internal static async Task AddAsync(NpgsqlConnection connection, int runKey, IReadOnlyCollection<NewChunk> chunks)
    {
        if (chunks.Count == 0)
        {
            return;
        }

        await connection.ExecuteAsync(
            "SELECT pg_advisory_xact_lock(@ChunkNumbers, @runKey)",
            new { ChunkNumbers, runKey }
        );
        foreach (var chunk in chunks)
        {
            await connection.ExecuteAsync(
                """
                INSERT INTO chunk
                    (run_key, chunk, wave, planned_wave, step, channel, variant, members, touches, try, fresh, due_at,
                     late_since, yields, asked_by, asked_at)
                SELECT @runKey, max(c.chunk) + 1, @Wave, @PlannedWave, 1, @channel, @Variant, @Members, cardinality(@Members), @Try,
                       @Fresh, @DueAt,
                       (
                           SELECT coalesce(o.late_since, o.due_at) FROM chunk o
                           WHERE o.run_key = @runKey AND o.chunk = @LateAs
                       ),
                       @Yields, @askedBy, @askedAt
                FROM chunk c
                WHERE c.run_key = @runKey
                """,
                new
                {
                    runKey,
                    chunk.Wave,
                    chunk.PlannedWave,
                    channel = (short)chunk.Channel,
                    chunk.Variant,
                    chunk.Members,
                    chunk.Try,
                    chunk.Fresh,
                    chunk.DueAt,
                    chunk.LateAs,
                    chunk.Yields,
                    askedBy = chunk.Asked?.Gateway,
                    askedAt = chunk.Asked?.At,
                }
            );
        }
    }
}
