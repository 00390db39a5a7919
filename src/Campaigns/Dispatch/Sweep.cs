using Campaigns.Channels;
using Campaigns.Customers.Inbox;
using Campaigns.Database;
using Dapper;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Finds what should have run and has not: the engine may lose, repeat or delay a wake-up, and lanes may die.
/// </summary>
internal sealed partial class Sweep(
    NpgsqlDataSource dataSource,
    WaveSchedule schedule,
    ChunkEnd chunkEnd,
    RunEnd runEnd,
    Gateways gateways,
    ILogger<Sweep> logger
)
{
    private const int LockClass = 0x53574550; // "SWEP"

    // Of a run in one pass: other runs have their turn, and the transaction that keeps other nodes out is never idle for
    // as long as the server allows.
    private const int MostChunks = 1000;
    private readonly HashSet<int> _scheduled = [];

    /// <summary>Passes in a row that found a wave idle.</summary>
    private readonly Dictionary<(int RunKey, int Wave), int> _idle = [];

    /// <summary>One pass; nothing when another node is at it.</summary>
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenBesidePoolAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (
            !await connection.QuerySingleAsync<bool>(
                "SELECT pg_try_advisory_xact_lock(@LockClass, 0)",
                new { LockClass }
            )
        )
        {
            return;
        }

        var runs = (await connection.QueryAsync<int>("SELECT run_key FROM run WHERE state = 'planned'")).AsList();
        _scheduled.IntersectWith(runs);
        foreach (var past in _idle.Keys.Where(one => !runs.Contains(one.RunKey)))
        {
            _idle.Remove(past);
        }

        foreach (var runKey in runs)
        {
            await OfRunAsync(connection, runKey, cancellationToken);
        }

        foreach (var (runKey, chunk) in await CancelledAsync(connection))
        {
            await chunkEnd.CancelAsync(runKey, chunk, cancellationToken);
        }

        await InboxMessages.PurgeAsync(connection, await BusinessClock.NowAsync(connection), cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private async Task OfRunAsync(NpgsqlConnection connection, int runKey, CancellationToken cancellationToken)
    {
        if (_scheduled.Add(runKey))
        {
            await schedule.OfRunAsync(runKey, cancellationToken);
        }

        foreach (var chunk in await OverdueAsync(connection, runKey))
        {
            await chunkEnd.ExpireAsync(runKey, chunk, cancellationToken);
        }

        var held = await ChannelStates.HeldAsync(connection);
        var idle = (await IdleAsync(connection, runKey)).AsList();
        foreach (
            var past in _idle.Keys.Where(one => one.RunKey == runKey && idle.TrueForAll(now => now.Wave != one.Wave))
        )
        {
            _idle.Remove(past);
        }

        foreach (var (wave, channel, purpose) in idle)
        {
            if (held.Contains((channel, "")) || held.Contains((channel, gateways.NameOf(channel, purpose))))
            {
                continue;
            }

            Log.WavePicksUp(logger, runKey, wave);
            var passes = _idle[(runKey, wave)] = _idle.GetValueOrDefault((runKey, wave)) + 1;
            await schedule.NowAsync(runKey, wave, passes, cancellationToken);
        }

        await runEnd.CloseIfDoneAsync(runKey, cancellationToken);
    }

    /// <summary>Chunks that wait although their window has closed; those of a paused campaign wait for what its resumption
    /// says.</summary>
    private static Task<IEnumerable<int>> OverdueAsync(NpgsqlConnection connection, int runKey) =>
        connection.QueryAsync<int>(
            """
            SELECT c.chunk
            FROM chunk c
            JOIN wave w USING (run_key, wave)
            JOIN run r USING (run_key)
            JOIN campaign p USING (campaign_key)
            CROSS JOIN business_clock b
            WHERE c.run_key = @runKey AND c.state = 0 AND p.state = 'running'
              AND (c.leased_until IS NULL OR c.leased_until < clock_timestamp())
              AND w.closes_at <= clock_timestamp() + b.clock_offset
            ORDER BY c.chunk
            LIMIT @MostChunks
            """,
            new { runKey, MostChunks }
        );

    /// <summary>What a cancellation that was cut short has left waiting.</summary>
    private static Task<IEnumerable<(int RunKey, int Chunk)>> CancelledAsync(NpgsqlConnection connection) =>
        connection.QueryAsync<(int, int)>(
            """
            SELECT c.run_key, c.chunk
            FROM chunk c
            JOIN run r USING (run_key)
            WHERE c.state = 0 AND r.state = 'cancelled'
              AND (c.leased_until IS NULL OR c.leased_until < clock_timestamp())
            LIMIT @MostChunks
            """,
            new { MostChunks }
        );

    /// <summary>Waves with something due and no lane.</summary>
    private static Task<IEnumerable<(int Wave, Channel Channel, Purpose Purpose)>> IdleAsync(
        NpgsqlConnection connection,
        int runKey
    ) =>
        connection.QueryAsync<(int, Channel, Purpose)>(
            """
            SELECT c.wave, c.channel,
                   CASE (SELECT plan ->> 'purpose' FROM run WHERE run_key = @runKey)
                        WHEN 'servicing' THEN 2 ELSE 1 END::smallint
            FROM chunk c
            JOIN wave w USING (run_key, wave)
            JOIN run r USING (run_key)
            JOIN campaign p USING (campaign_key)
            CROSS JOIN business_clock b
            WHERE c.run_key = @runKey AND c.state = 0 AND p.state = 'running'
              AND w.opens_at <= clock_timestamp() + b.clock_offset AND w.closes_at > clock_timestamp() + b.clock_offset
            GROUP BY c.wave, c.channel
            HAVING min(c.due_at) <= (SELECT clock_timestamp() + clock_offset FROM business_clock)
               AND bool_and(c.leased_until IS NULL OR c.leased_until < clock_timestamp())
            """,
            new { runKey }
        );

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Run {Run}, wave {Wave} has touches due and no lane: woken")]
        internal static partial void WavePicksUp(ILogger logger, int run, int wave);
    }
}
