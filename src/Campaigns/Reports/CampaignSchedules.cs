using System.Data;
using System.Globalization;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Lifecycle;
using Campaigns.Receipts;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>Timetables as they are planned and as they went. What they cost grows with waves and chunks, never with touches.
/// </summary>
public sealed class CampaignSchedules(NpgsqlDataSource dataSource, ChannelStates channels)
{
    /// <summary>Sweeps find what is due and in nobody's hands every ten seconds.</summary>
    private static readonly TimeSpan SoonTaken = TimeSpan.FromSeconds(30);

    /// <summary>The timetable of a campaign's latest planned run; 404 where there is no campaign, 409 <c>invalid-state</c> while
    /// no run of it has been planned.</summary>
    public async Task<Result<CampaignSchedule>> OfAsync(string campaignId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var snapshot = await connection.BeginTransactionAsync(
            IsolationLevel.RepeatableRead,
            cancellationToken
        );
        var run = await connection.QuerySingleOrDefaultAsync<RunOf>(
            """
            SELECT r.run_key, coalesce(r.number, 0) AS number, r.state, r.shifted_at, p.state AS campaign_state, p.paused_at,
                   CASE r.plan ->> 'purpose' WHEN 'servicing' THEN 2 ELSE 1 END::smallint AS purpose,
                   statement_timestamp() + (SELECT clock_offset FROM business_clock) AS now
            FROM campaign p
            LEFT JOIN LATERAL (
                SELECT * FROM run r
                WHERE r.campaign_key = p.campaign_key AND r.planned_at IS NOT NULL
                ORDER BY r.number DESC
                LIMIT 1
            ) r ON true
            WHERE p.campaign_id = @campaignId
            """,
            new { campaignId }
        );
        if (run is null)
        {
            return Error.NotFound("campaign", campaignId);
        }

        if (run.RunKey is not { } runKey)
        {
            return Error.InvalidState("No run of it has been planned yet.");
        }

        var statuses = (await channels.ReadAsync(connection)).ToDictionary(status => status.Channel);
        var counts = await Counts.FoldedAsync(connection, runKey, cancellationToken);
        var sent = await MassSends.ByWaveAsync(connection, runKey, through: null, cancellationToken);
        var waves = await connection.QueryAsync<WaveOf>(WavesSql, new { runKey, run.Now });
        return new CampaignSchedule
        {
            CampaignId = campaignId,
            CampaignState = run.CampaignState,
            Run = run.Number,
            RunState = run.State,
            ShiftedAt = run.ShiftedAt,
            ComputedThrough = run.Now,
            Waves =
            [
                .. waves.Select(wave =>
                    Show(wave, run, counts, statuses[wave.Channel]) with
                    {
                        MassSends = sent.GetValueOrDefault(wave.Wave),
                    }
                ),
            ],
        };
    }

    // A chunk's requests are numbered as they go: the first and the last row of each is looked up, whatever lies between.
    private const string WavesSql = """
        WITH gone AS (
            SELECT coalesce(c.planned_wave, c.wave) AS wave, min(f.attempted_at) AS first_attempt_at,
                   max(l.attempted_at) AS last_attempt_at
            FROM chunk c
            CROSS JOIN LATERAL (
                SELECT a.attempted_at FROM attempt a
                WHERE a.run_key = c.run_key AND a.chunk = c.chunk AND a.customer_keys <> '{}'
                ORDER BY a.request LIMIT 1
            ) f
            CROSS JOIN LATERAL (
                SELECT a.attempted_at FROM attempt a
                WHERE a.run_key = c.run_key AND a.chunk = c.chunk AND a.customer_keys <> '{}'
                ORDER BY a.request DESC LIMIT 1
            ) l
            WHERE c.run_key = @runKey AND c.requests > 0
            GROUP BY 1
        ), due AS (
            SELECT c.wave, min(coalesce(c.late_since, c.due_at)) AS due_at, min(c.due_at) AS next_at,
                   bool_or(c.leased_until > clock_timestamp()) IS TRUE AS taken,
                   bool_or(c.late_since IS NOT NULL AND NOT c.yields) AS put_off,
                   bool_or(c.late_since IS NOT NULL AND c.yields) AS yields
            FROM chunk c
            WHERE c.run_key = @runKey AND c.state = 0
            GROUP BY 1
        )
        SELECT w.wave, w.channel, w.opens_at, w.closes_at, w.touches, w.held_out, g.first_attempt_at, g.last_attempt_at,
               d.wave IS NOT NULL AS has_waiting, coalesce(d.taken, false) AS taken,
               coalesce(d.put_off, false) AS put_off, coalesce(d.yields, false) AS yields,
               greatest(d.next_at, w.opens_at) AS next_at,
               CASE WHEN d.wave IS NOT NULL THEN greatest(@Now - greatest(d.due_at, w.opens_at), interval '0') END AS lag
        FROM wave w
        LEFT JOIN gone g USING (wave)
        LEFT JOIN due d USING (wave)
        WHERE w.run_key = @runKey AND (w.touches > 0 OR w.held_out > 0 OR d.wave IS NOT NULL)
        ORDER BY w.opens_at, w.channel, w.wave
        """;

    private static ScheduledWave Show(WaveOf wave, RunOf run, Counts counts, ChannelStatus channel)
    {
        long In(string metric) => counts.Of(metric, 0, By.Wave, wave.Wave).N;
        var moved = TouchStates.Moved.ToDictionary(state => state, state => In($"state_{state}"));
        return new ScheduledWave
        {
            Wave = wave.Wave,
            Channel = wave.Channel,
            OpensAt = wave.OpensAt,
            ClosesAt = wave.ClosesAt,
            Touches = wave.Touches,
            HeldOut = wave.HeldOut,
            FirstAttemptAt = wave.FirstAttemptAt,
            LastAttemptAt = wave.LastAttemptAt,
            Attempted = In("attempted"),
            States = new WaveStates(
                wave.Touches - moved.Values.Sum(),
                moved["attempted"],
                moved["accepted"],
                moved["delivered"],
                moved["failed"],
                moved["suppressed"],
                moved["expired"],
                moved["cancelled"],
                moved["unknown"]
            ),
            Lag = wave.Lag ?? TimeSpan.Zero,
            HeldBecause = wave.HasWaiting ? Why(wave, run, channel) : null,
        };
    }

    private static string? Why(WaveOf wave, RunOf run, ChannelStatus channel)
    {
        var lag = wave.Lag ?? TimeSpan.Zero;
        return run switch
        {
            { CampaignState: CampaignState.Paused } =>
                $"The campaign has been paused since {ChannelHold.At(run.PausedAt)}: resume it.",
            { State: not "planned" } or { CampaignState: not CampaignState.Running } =>
                "The campaign runs no more: what waits ends with the next sweep.",
            _ when wave.ClosesAt <= run.Now =>
                "The window has closed: with the next sweep what waits rolls to the next window, or expires.",
            _ when channel.HeldBecause(run.Purpose) is { } because => because,
            _ when lag == TimeSpan.Zero => null,
            _ when wave.Taken =>
                $"It goes as fast as its gateway may, {Rate(channel, run.Purpose)} calls a second by all nodes "
                    + "together, and is late by that: raise RatePerSecond as far as the provider allows, or leave it.",
            _ when run.Now - wave.NextAt > SoonTaken =>
                "No worker has taken up what is due: see that a node with the role of worker runs and reaches the database.",
            _ => PutOff(wave),
        };
    }

    private static string? PutOff(WaveOf wave)
    {
        var tried =
            "What the provider refused for now or left unanswered is tried again as long as the window is open: see the "
            + "channel's last errors.";
        var yields =
            "A campaign with a higher priority may still need its customers' places under the caps: it waits until that one has "
            + "gone or ended, as long as the window is open.";
        return (wave.PutOff, wave.Yields) switch
        {
            (true, true) => $"{tried} {yields}",
            (true, false) => tried,
            (false, true) => yields,
            _ => null,
        };
    }

    private static string Rate(ChannelStatus channel, Purpose purpose) =>
        channel
            .Gateways.First(gateway => gateway.Purposes.Contains(purpose))
            .RatePerSecond.ToString(CultureInfo.InvariantCulture);

    private sealed class RunOf
    {
        public int? RunKey { get; init; }
        public int Number { get; init; }
        public string State { get; init; } = "";
        public DateTimeOffset? ShiftedAt { get; init; }
        public CampaignState CampaignState { get; init; }
        public DateTimeOffset? PausedAt { get; init; }
        public Purpose Purpose { get; init; }
        public DateTimeOffset Now { get; init; }
    }

    private sealed class WaveOf
    {
        public int Wave { get; init; }
        public Channel Channel { get; init; }
        public DateTimeOffset OpensAt { get; init; }
        public DateTimeOffset ClosesAt { get; init; }
        public long Touches { get; init; }
        public long HeldOut { get; init; }
        public DateTimeOffset? FirstAttemptAt { get; init; }
        public DateTimeOffset? LastAttemptAt { get; init; }
        public bool HasWaiting { get; init; }
        public bool Taken { get; init; }
        public bool PutOff { get; init; }
        public bool Yields { get; init; }
        public DateTimeOffset NextAt { get; init; }
        public TimeSpan? Lag { get; init; }
    }
}
