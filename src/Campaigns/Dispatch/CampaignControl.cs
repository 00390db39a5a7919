using Campaigns.Access;
using Campaigns.Database;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>What is done with touches that came due while a campaign was paused.</summary>
public enum Overdue
{
    /// <summary>They are cancelled.</summary>
    Skip,

    /// <summary>They go now where their window is still open, else in the next one.</summary>
    Send,

    /// <summary>The whole rest of the timetable moves by the length of the pause, for both arms, and is made legal again; see
    /// <see cref="Timetables"/>.</summary>
    Shift,
}

/// <summary>What pausing came to.</summary>
/// <param name="LastAttemptAt">Business time of the last attempt; null when there was none. Nothing was sent after it.
/// </param>
public sealed record Paused(DateTimeOffset? LastAttemptAt);

/// <summary>Pauses, resumes and cancels campaigns that run.</summary>
public sealed class CampaignControl
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(50);
    private readonly NpgsqlDataSource _dataSource;
    private readonly ChunkEnd _chunkEnd;
    private readonly WaveSchedule _schedule;
    private readonly TimeProvider _time;

    internal CampaignControl(
        NpgsqlDataSource dataSource,
        ChunkEnd chunkEnd,
        WaveSchedule schedule,
        TimeProvider time
    ) => (_dataSource, _chunkEnd, _schedule, _time) = (dataSource, chunkEnd, schedule, time);

    /// <summary>Pauses a running campaign, and returns when what was on the wire has been answered or timed out: nothing is
    /// sent after that. Pausing again waits likewise.</summary>
    /// <returns>404 when there is no such campaign; 409 when it neither runs nor is paused.</returns>
    public async Task<Result<Paused>> PauseAsync(string campaignId, Actor actor, CancellationToken cancellationToken)
    {
        var changed = await ChangeAsync(
            campaignId,
            (connection, key, now) => CampaignStates.PauseAsync(connection, key, actor, now),
            cancellationToken
        );
        if (!changed.TryGet(out var campaign, out var error))
        {
            return error;
        }

        if (!campaign.Changed && campaign.State != "paused")
        {
            return Error.InvalidState(
                $"Campaign '{campaignId}' is {campaign.State}: only a running one can be paused."
            );
        }

        await AnsweredAsync(campaign.Key, cancellationToken);
        return new Paused(await LastAttemptAsync(campaign.Key, cancellationToken));
    }

    /// <summary>Lets a paused campaign run on.</summary>
    /// <returns>404 when there is no such campaign; 409 when it is not paused.</returns>
    public async Task<Result<Done>> ResumeAsync(
        string campaignId,
        Overdue overdue,
        Actor actor,
        CancellationToken cancellationToken
    )
    {
        IReadOnlyList<int> shifted = [];
        var changed = await ChangeAsync(
            campaignId,
            async (connection, campaignKey, now) =>
            {
                shifted = overdue == Overdue.Shift ? await ShiftAsync(connection, campaignKey, now) : [];
                var resumed = await CampaignStates.ResumeAsync(connection, campaignKey, actor, now);
                if (resumed && overdue == Overdue.Skip)
                {
                    await SkipAsync(connection, campaignKey, cancellationToken);
                }

                return resumed;
            },
            cancellationToken
        );
        if (!changed.TryGet(out var campaign, out var error))
        {
            return error;
        }

        // The engine shows the new hours; what it loses, the sweep finds.
        foreach (var run in shifted)
        {
            await _schedule.OfRunAsync(run, cancellationToken);
        }

        return campaign.Changed
            ? new Done()
            : Error.InvalidState($"Campaign '{campaignId}' is {campaign.State}: only a paused one can be resumed.");
    }

    /// <summary>Cancels a campaign for good; returns when what was on the wire has been answered or timed out, and every
    /// touch that waited is cancelled.</summary>
    /// <returns>404 when there is no such campaign; 409 when it has ended.</returns>
    public async Task<Result<Done>> CancelAsync(string campaignId, Actor actor, CancellationToken cancellationToken)
    {
        var changed = await ChangeAsync(
            campaignId,
            async (connection, key, now) =>
            {
                var done = await CampaignStates.CancelAsync(connection, key, actor, now);
                var runs = done ? await OpenRunsAsync(connection, key) : [];
                foreach (var run in runs)
                {
                    await RunStates.CancelAsync(connection, run, now);
                }

                return done;
            },
            cancellationToken
        );
        if (!changed.TryGet(out var campaign, out var error))
        {
            return error;
        }

        if (!campaign.Changed && campaign.State != "cancelled")
        {
            return Error.InvalidState($"Campaign '{campaignId}' is {campaign.State}: it has ended.");
        }

        await AnsweredAsync(campaign.Key, cancellationToken);
        await CancelChunksAsync(campaign.Key, cancellationToken);
        return new Done();
    }

    private sealed record Campaign(int Key, string State, bool Changed);

    /// <summary>Changes the state while no attempt is being committed: what is committed before is seen by who waits for
    /// answers, what would be after reads the new state.</summary>
    private async Task<Result<Campaign>> ChangeAsync(
        string campaignId,
        Func<NpgsqlConnection, int, DateTimeOffset, Task<bool>> change,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var key = await connection.QuerySingleOrDefaultAsync<int?>(
            "SELECT campaign_key FROM campaign WHERE campaign_id = @campaignId",
            new { campaignId }
        );
        if (key is not { } campaignKey)
        {
            return Error.NotFound("campaign", campaignId);
        }

        await CampaignFence.TakeAloneAsync(connection, campaignKey);
        var changed = await change(connection, campaignKey, await BusinessClock.NowAsync(connection));
        var state = await connection.QuerySingleAsync<string>(
            "SELECT state FROM campaign WHERE campaign_key = @campaignKey",
            new { campaignKey }
        );
        await transaction.CommitAsync(cancellationToken);
        return new Campaign(campaignKey, state, changed);
    }

    /// <summary>A lane gives its chunk back as soon as it sees the new state; one that died holds it until its lease ends,
    /// and by then what it sent has been answered or timed out.</summary>
    private async Task AnsweredAsync(int campaignKey, CancellationToken cancellationToken)
    {
        while (await IsOnTheWireAsync(campaignKey, cancellationToken))
        {
            await Task.Delay(AskAgain, _time, cancellationToken);
        }
    }

    private async Task<bool> IsOnTheWireAsync(int campaignKey, CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        return await connection.QuerySingleAsync<bool>(
            """
            SELECT EXISTS (
                SELECT
                FROM run r
                JOIN chunk c USING (run_key)
                WHERE r.campaign_key = @campaignKey AND c.state = 0 AND c.leased_until > clock_timestamp()
            )
            """,
            new { campaignKey }
        );
    }

    private async Task<DateTimeOffset?> LastAttemptAsync(int campaignKey, CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        return await connection.QuerySingleAsync<DateTimeOffset?>(
            """
            SELECT max(a.attempted_at)
            FROM run r
            JOIN attempt a USING (run_key)
            WHERE r.campaign_key = @campaignKey AND cardinality(a.customer_keys) > 0
            """,
            new { campaignKey }
        );
    }

    private async Task CancelChunksAsync(int campaignKey, CancellationToken cancellationToken)
    {
        IEnumerable<(int Run, int Chunk)> waiting;
        await using (var connection = await _dataSource.OpenConnectionAsync(cancellationToken))
        {
            waiting = await WaitingAsync(connection, campaignKey, dueOnly: false);
        }

        foreach (var (run, chunk) in waiting)
        {
            await _chunkEnd.CancelAsync(run, chunk, cancellationToken);
        }
    }

    /// <summary>Cancels what came due in the pause, in the transaction that ends it.</summary>
    private static async Task SkipAsync(
        NpgsqlConnection connection,
        int campaignKey,
        CancellationToken cancellationToken
    )
    {
        foreach (var (run, chunk) in await WaitingAsync(connection, campaignKey, dueOnly: true))
        {
            await ChunkEnd.CancelAsync(connection, run, chunk, cancellationToken);
        }
    }

    private static Task<IEnumerable<(int Run, int Chunk)>> WaitingAsync(
        NpgsqlConnection connection,
        int campaignKey,
        bool dueOnly
    ) =>
        connection.QueryAsync<(int Run, int Chunk)>(
            """
            SELECT c.run_key, c.chunk
            FROM run r
            JOIN chunk c USING (run_key)
            CROSS JOIN business_clock b
            WHERE r.campaign_key = @campaignKey AND c.state = 0
              AND (NOT @dueOnly OR c.due_at <= clock_timestamp() + b.clock_offset)
            """,
            new { campaignKey, dueOnly }
        );

    /// <summary>Moves what is left of every open run, and the instants of its waiting chunks with it.</summary>
    private static async Task<IReadOnlyList<int>> ShiftAsync(
        NpgsqlConnection connection,
        int campaignKey,
        DateTimeOffset now
    )
    {
        var pausedAt = await connection.QuerySingleOrDefaultAsync<DateTimeOffset?>(
            "SELECT paused_at FROM campaign WHERE campaign_key = @campaignKey FOR UPDATE",
            new { campaignKey }
        );
        if (pausedAt is not { } paused)
        {
            return [];
        }

        var runs = (await OpenRunsAsync(connection, campaignKey)).AsList();
        foreach (var runKey in runs)
        {
            var moved = await Timetables.ShiftAsync(connection, runKey, paused, now);
            await connection.ExecuteAsync(
                """
                UPDATE chunk c SET due_at = greatest(c.due_at - m.before, interval '0') + m.opens, late_since = NULL
                FROM unnest(@waves, @before, @opens) AS m (wave, before, opens)
                WHERE c.run_key = @runKey AND c.wave = m.wave AND c.state = 0
                """,
                new
                {
                    runKey,
                    waves = moved.Select(wave => wave.Wave).ToArray(),
                    before = moved.Select(wave => wave.From.UtcDateTime).ToArray(),
                    opens = moved.Select(wave => wave.Opens.UtcDateTime).ToArray(),
                }
            );
        }

        return runs;
    }

    private static Task<IEnumerable<int>> OpenRunsAsync(NpgsqlConnection connection, int campaignKey) =>
        connection.QueryAsync<int>(
            "SELECT run_key FROM run WHERE campaign_key = @campaignKey AND state IN ('planning', 'planned')",
            new { campaignKey }
        );
}
