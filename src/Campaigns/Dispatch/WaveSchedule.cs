using System.Globalization;
using Campaigns.Channels;
using Campaigns.Jobs;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Asks the job engine to wake the lanes of waves, under names a marketer understands.</summary>
internal sealed class WaveSchedule(NpgsqlDataSource dataSource, IJobEngine engine, DispatchOptions options)
{
    /// <summary>Schedules every wave of a run at its opening.</summary>
    internal async Task OfRunAsync(int runKey, CancellationToken cancellationToken)
    {
        foreach (var wave in await WavesAsync(runKey, wave: null, cancellationToken))
        {
            await AtAsync(wave, wave.OpensAt, cancellationToken);
        }
    }

    /// <summary>Wakes the lanes of a wave as soon as the engine can.</summary>
    /// <param name="tries">From 1; see <see cref="Jobs.Job.IdOf"/>.</param>
    internal async Task NowAsync(int runKey, int wave, int tries, CancellationToken cancellationToken)
    {
        foreach (var one in await WavesAsync(runKey, wave, cancellationToken))
        {
            for (var lane = 1; lane <= Lanes(one); lane++)
            {
                await engine.RunNowAsync(Job(one, lane, tries), cancellationToken);
            }
        }
    }

    /// <summary>Wakes one lane at an instant, by its first name: however often it was woken, it comes back once.</summary>
    internal Task LaneAtAsync(Job lane, DateTimeOffset at, CancellationToken cancellationToken) =>
        engine.RunAtAsync(new Job(Name(lane.Argument), lane.Kind, lane.Argument, lane.Title), at, cancellationToken);

    /// <summary>The three numbers of a lane's argument.</summary>
    internal static (int RunKey, int Wave, int Lane) Parse(string argument)
    {
        var parts = argument.Split(':');
        return (Number(parts[0]), Number(parts[1]), Number(parts[2]));

        static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
    }

    private async Task AtAsync(WaveRow wave, DateTimeOffset at, CancellationToken cancellationToken)
    {
        for (var lane = 1; lane <= Lanes(wave); lane++)
        {
            await engine.RunAtAsync(Job(wave, lane), at, cancellationToken);
        }
    }

    private int Lanes(WaveRow wave) => Math.Clamp((wave.Touches / options.TouchesPerLane) + 1, 1, options.MaxLanes);

    private static Job Job(WaveRow wave, int lane, int tries = 1)
    {
        var opens = wave.OpensAt.ToOffset(wave.UtcOffset).ToString("ddd HH:mm", CultureInfo.InvariantCulture);
        var touches = wave.Touches.ToString("N0", CultureInfo.InvariantCulture);
        var more = lane > 1 ? $" · lane {lane}" : "";
        var argument = string.Create(CultureInfo.InvariantCulture, $"{wave.RunKey}:{wave.Wave}:{lane}");
        return new Job(
            Jobs.Job.IdOf(Name(argument), tries),
            JobKind.DispatchWave,
            argument,
            $"{wave.CampaignId} · {wave.Channel} · {opens} · {touches} touches{more}"
        );
    }

    private static string Name(string argument) => $"dispatch:{argument}";

    private async Task<IEnumerable<WaveRow>> WavesAsync(int runKey, int? wave, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await connection.QueryAsync<WaveRow>(
            new CommandDefinition(
                """
                SELECT w.run_key, w.wave, w.channel, w.opens_at, p.campaign_id, z.utc_offset,
                       (SELECT coalesce(sum(c.touches), 0)::int
                        FROM chunk c
                        WHERE c.run_key = w.run_key AND c.wave = w.wave AND c.state = 0) AS touches
                FROM wave w
                JOIN run r USING (run_key)
                JOIN campaign p USING (campaign_key)
                CROSS JOIN LATERAL (
                    SELECT (w.opens_at AT TIME ZONE name) - (w.opens_at AT TIME ZONE 'UTC') AS utc_offset
                    FROM time_zone
                    WHERE zone = 1
                ) z
                WHERE w.run_key = @runKey AND (@wave::int IS NULL OR w.wave = @wave)
                  AND EXISTS (
                      SELECT FROM chunk c WHERE c.run_key = w.run_key AND c.wave = w.wave AND c.state = 0
                  )
                """,
                new { runKey, wave },
                cancellationToken: cancellationToken
            )
        );
    }

    private sealed class WaveRow
    {
        public int RunKey { get; init; }
        public int Wave { get; init; }
        public Channel Channel { get; init; }
        public DateTimeOffset OpensAt { get; init; }
        public string CampaignId { get; init; } = "";
        public TimeSpan UtcOffset { get; init; }
        public int Touches { get; init; }
    }
}
