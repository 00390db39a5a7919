using Campaigns.Lifecycle;
using Campaigns.Outcomes;
using Campaigns.Tests.Outcomes;

namespace Campaigns.Tests.Reports;

/// <summary>Runs with something of everything that a report tells.</summary>
internal static class GivenReports
{
    public static async Task<GivenArms> OfEventAsync()
    {
        var given = await GivenArms.CreateAsync(
            treated: 40,
            heldOut: 20,
            suppressed: 2,
            heldOutGlobal: 1,
            everyTime: true
        );
        await given.RecordAsync([
            .. Enumerable.Range(1, 15).Select(i => given.Buys($"t{i}", TimeSpan.FromDays(i % 6), amount: 10 * i)),
            .. Enumerable.Range(1, 4).Select(i => given.Buys($"h{i}", TimeSpan.FromDays(i), amount: 5)),
            given.Buys("t1", TimeSpan.FromDays(6), amount: 3, currency: "USD"),
        ]);
        await given.EngageAsync(
            new EngagementEntry("app", "1", "savings", "t1", EngagementKind.Opened, given.Start.AddHours(3))
        );
        return given;
    }

    public static async Task<GivenArms> OfNumberAsync()
    {
        var goal = new Goal
        {
            Field = "assets",
            Window = GivenArms.Week,
            LastYear = new LastYearFields("assets_last_june", "assets_last_july"),
        };
        var given = await GivenArms.CreateAsync(8, 8, goal: goal);
        await given.ExecuteAsync(
            """
            INSERT INTO goal_wave SELECT run_key, 1, now() FROM run;
            INSERT INTO goal_sum
            SELECT run_key, arm, variant, 1, 4, 1, 10 + arm, 40, 8 + variant, 30, 25, 3, 7 + arm
            FROM run, (VALUES (0, 1), (0, 2), (1, 0)) v (arm, variant)
            """
        );
        return given;
    }
}
