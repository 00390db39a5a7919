using System.Text.Json;
using Campaigns.Calendar;
using Campaigns.Json;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>Makes a run: its plan, its timetable and its parts, so that any worker can plan it.</summary>
internal static class RunStore
{
    /// <summary>Customers of one part, counted as keys.</summary>
    public const int PartSize = 50_000;

    /// <summary>Makes a run inside the caller's transaction.</summary>
    /// <param name="number">1 for the campaign's first run.</param>
    /// <returns>Its key and the number of its parts; 422 when no window is left for anyone.</returns>
    public static async Task<Result<(int RunKey, int Parts)>> CreateAsync(
        NpgsqlConnection connection,
        int campaignKey,
        int number,
        RunPlan plan,
        CampaignCalendar calendar,
        DateTimeOffset asOf,
        CancellationToken cancellationToken
    )
    {
        var computed = await ComputeCalendarAsync(connection, plan, calendar, asOf);
        if (!computed.TryGet(out var timetable, out var error))
        {
            return error;
        }

        var (low, high) = await connection.QuerySingleAsync<(long Low, long High)>(
            "SELECT coalesce(min(customer_key), 0), coalesce(max(customer_key), -1) + 1 FROM contact"
        );
        var runKey = await RunTable.NextKeyAsync(connection, high - low);
        await connection.ExecuteAsync(
            """
            INSERT INTO run (run_key, campaign_key, number, campaign_version, state, as_of, plan, created_at)
            VALUES (@runKey, @campaignKey, @number, @CampaignVersion, 'planning', @asOf, @document::jsonb, @asOf)
            """,
            new
            {
                runKey,
                campaignKey,
                number,
                plan.CampaignVersion,
                asOf,
                document = JsonSerializer.Serialize(plan, ProductJson.Options),
            }
        );
        await timetable.StoreAsync(connection, runKey, cancellationToken);
        var parts = await connection.ExecuteAsync(
            """
            INSERT INTO run_part (run_key, part, low_key, high_key)
            SELECT @runKey, 1 + (low - @low) / @PartSize, low, least(low + @PartSize, @high)
            FROM generate_series(@low, @high - 1, @PartSize) AS low
            """,
            new
            {
                runKey,
                low,
                high,
                PartSize = (long)PartSize,
            }
        );
        if (RunTable.IsLarge(runKey))
        {
            await RunTable.CreateAsync(connection, runKey);
        }

        return (runKey, parts);
    }

    private static async Task<Result<RunCalendar>> ComputeCalendarAsync(
        NpgsqlConnection connection,
        RunPlan plan,
        CampaignCalendar calendar,
        DateTimeOffset asOf
    )
    {
        if (!WindowCalculator.Create(calendar, asOf).TryGet(out var calculator, out var error))
        {
            return error;
        }

        var kinds = await connection.QueryAsync<(short, string, short)>(
            """
            SELECT k.zone, z.name, k.preferred_slots
            FROM (SELECT DISTINCT zone, preferred_slots FROM contact) k JOIN time_zone z USING (zone)
            """
        );
        if (!RunCalendar.Compute(calculator, plan.Channels, kinds).TryGet(out var timetable, out error))
        {
            return error;
        }

        return timetable.Rows.Count > 0 && timetable.Waves.Count == 0
            ? Error.Invalid("no-window-left", "schedule", "Every send window has passed: set later dates.")
            : timetable;
    }
}
