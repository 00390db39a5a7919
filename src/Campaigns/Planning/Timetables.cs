using System.Text.Json;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>A wave that was moved: touches due in [<paramref name="From"/>, the old end) are due by as much later as
/// <paramref name="Opens"/> is after it.</summary>
/// <param name="From">The instant from which the wave was moved: its old opening, or the pause where it was open then.
/// </param>
/// <param name="Opens">Included.</param>
/// <param name="Closes">Excluded.</param>
public sealed record MovedWave(int Wave, DateTimeOffset From, DateTimeOffset Opens, DateTimeOffset Closes);

/// <summary>Moves the rest of a run's timetable.</summary>
/// <remarks>
/// What is left of each window at the pause moves by the pause's length, for both arms alike, and is made legal again: the
/// campaign's own windows and last day move along with it; the bank's quiet hours, the channel's hours, the campaign's kind
/// of days and the customers' slots do not. Of a moved window the first stretch that all these leave is kept; where they
/// leave nothing, it takes the next hours that are legal, for as long as it was or as these last. What then does not fit
/// rolls to the next window, as ever.
/// <para>Goal events count from a window's new opening. A window that was open at the pause counts from where it opened,
/// however often it moves: some of its touches have gone.</para>
/// </remarks>
public static class Timetables
{
    private const int DaysAhead = 366;

    /// <summary>Moves what is left of a run's timetable at the pause, on the caller's connection, in its transaction.
    /// </summary>
    /// <param name="pausedAt">Business time.</param>
    /// <param name="now">Business time; the pause's length is what lies between.</param>
    /// <returns>The waves that were moved; one that is never legal again stays where it was, and so expires.</returns>
    public static async Task<IReadOnlyList<MovedWave>> ShiftAsync(
        NpgsqlConnection connection,
        int runKey,
        DateTimeOffset pausedAt,
        DateTimeOffset now
    )
    {
        var waves = (await Chunks.WavesAsync(connection, runKey)).Values.Where(wave => wave.Closes > pausedAt).ToList();
        var kinds = await KindsAsync(connection, runKey);
        var legal = await LegalHoursAsync(connection, runKey, waves, pausedAt, now);
        var moved = new List<MovedWave>();
        foreach (var wave in waves)
        {
            var from = wave.Opens > pausedAt ? wave.Opens : pausedAt;
            var shifted = new LegalWindow(from + (now - pausedAt), wave.Closes + (now - pausedAt));
            if (Place(shifted, legal(wave.Channel, kinds[wave.Number])) is { } placed)
            {
                moved.Add(new MovedWave(wave.Number, from, placed.Opens, placed.Closes));
            }
        }

        await StoreAsync(connection, runKey, moved, pausedAt, now);
        return moved;
    }

    /// <summary>The first stretch of the window that is legal; where none is, the first legal hours after it.</summary>
    internal static LegalWindow? Place(LegalWindow window, IReadOnlyList<LegalWindow> legal)
    {
        foreach (var hours in legal.Where(hours => hours.Closes > window.Opens))
        {
            var opens = hours.Opens > window.Opens ? hours.Opens : window.Opens;
            var closes = opens < window.Closes ? window.Closes : opens + (window.Closes - window.Opens);
            return new LegalWindow(opens, closes < hours.Closes ? closes : hours.Closes);
        }

        return null;
    }

    /// <summary>Whom each wave serves: kinds of customers whose first window it is, or who can roll to it.</summary>
    private static async Task<ILookup<int, (string Zone, PreferredSlots Slots)>> KindsAsync(
        NpgsqlConnection connection,
        int runKey
    ) =>
        (
            await connection.QueryAsync<(int Wave, string Zone, short Slots)>(
                """
                WITH RECURSIVE served AS (
                    SELECT first.wave, c.zone, c.slots
                    FROM run_calendar c CROSS JOIN LATERAL unnest(c.waves) AS first (wave)
                    WHERE c.run_key = @runKey AND first.wave > 0
                    UNION
                    SELECT w.next_wave, s.zone, s.slots
                    FROM served s JOIN wave w ON w.run_key = @runKey AND w.wave = s.wave
                    WHERE w.next_wave IS NOT NULL
                )
                SELECT s.wave, z.name, s.slots FROM served s JOIN time_zone z USING (zone)
                """,
                new { runKey }
            )
        ).ToLookup(row => row.Wave, row => (row.Zone, (PreferredSlots)row.Slots));

    private delegate IReadOnlyList<LegalWindow> LegalHours(
        Channel channel,
        IEnumerable<(string Zone, PreferredSlots Slots)> kinds
    );

    private static async Task<LegalHours> LegalHoursAsync(
        NpgsqlConnection connection,
        int runKey,
        List<Wave> waves,
        DateTimeOffset pausedAt,
        DateTimeOffset now
    )
    {
        var (document, boundHours) = await connection.QuerySingleAsync<(string, string?)>(
            """
            SELECT v.definition::text, r.plan ->> 'hours'
            FROM run r JOIN campaign_version v ON v.campaign_key = r.campaign_key AND v.version = r.campaign_version
            WHERE r.run_key = @runKey
            """,
            new { runKey }
        );
        var schedule = JsonSerializer.Deserialize<CampaignDefinition>(document, ProductJson.Options)!.Schedule;
        // Dispatch goes by the hours that the run has bound: a policy that was loosened since does not open them.
        var bound = boundHours is null
            ? null
            : JsonSerializer.Deserialize<ContactHours>(boundHours, ProductJson.Options);
        var hours = (await ContactPolicies.CurrentAsync(connection)).Policy.Hours;
        var last = waves.Select(wave => wave.Closes).DefaultIfEmpty(now).Max() + (now - pausedAt);
        var calendar = (await RunBinder.CalendarAsync(connection, schedule, hours)).Calendar with
        {
            From = DateOnly.FromDateTime(now.UtcDateTime).AddDays(-1),
            To = DateOnly.FromDateTime(last.UtcDateTime).AddDays(DaysAhead),
            Windows = [],
        };
        var calculators = new[] { hours, bound ?? hours }
            .Distinct()
            .Select(one => WindowCalculator.Create(calendar with { Hours = one }, now).Value)
            .ToList();
        var known = new Dictionary<(Channel, string, PreferredSlots), IReadOnlyList<LegalWindow>>();
        return (channel, kinds) =>
            kinds
                .Select(kind => Of(channel, kind.Zone, kind.Slots))
                .Aggregate<IReadOnlyList<LegalWindow>, IReadOnlyList<LegalWindow>>(
                    [new LegalWindow(now, DateTimeOffset.MaxValue)],
                    Intersect
                );

        IReadOnlyList<LegalWindow> Of(Channel channel, string zone, PreferredSlots slots) =>
            known.TryGetValue((channel, zone, slots), out var windows)
                ? windows
                : known[(channel, zone, slots)] = calculators
                    .Select(calculator => calculator.Windows(zone, slots, channel).Value)
                    .Aggregate(Intersect);
    }

    private static IReadOnlyList<LegalWindow> Intersect(
        IReadOnlyList<LegalWindow> some,
        IReadOnlyList<LegalWindow> others
    )
    {
        var both = new List<LegalWindow>();
        for (int i = 0, j = 0; i < some.Count && j < others.Count; )
        {
            var opens = some[i].Opens > others[j].Opens ? some[i].Opens : others[j].Opens;
            var closes = some[i].Closes < others[j].Closes ? some[i].Closes : others[j].Closes;
            if (opens < closes)
            {
                both.Add(new LegalWindow(opens, closes));
            }

            _ = some[i].Closes < others[j].Closes ? i++ : j++;
        }

        return both;
    }

    private static async Task StoreAsync(
        NpgsqlConnection connection,
        int runKey,
        List<MovedWave> moved,
        DateTimeOffset pausedAt,
        DateTimeOffset now
    )
    {
        await connection.ExecuteAsync(
            """
            UPDATE wave w
            SET opens_at = m.opens, closes_at = m.closes,
                counts_from = coalesce(w.counts_from, CASE WHEN w.opens_at <= @pausedAt THEN w.opens_at END)
            FROM unnest(@waves, @opens, @closes) AS m (wave, opens, closes)
            WHERE w.run_key = @runKey AND w.wave = m.wave
            """,
            new
            {
                runKey,
                pausedAt,
                waves = moved.Select(wave => wave.Wave).ToArray(),
                opens = moved.Select(wave => wave.Opens.UtcDateTime).ToArray(),
                closes = moved.Select(wave => wave.Closes.UtcDateTime).ToArray(),
            }
        );
        await connection.ExecuteAsync("UPDATE run SET shifted_at = @now WHERE run_key = @runKey", new { runKey, now });
    }
}
