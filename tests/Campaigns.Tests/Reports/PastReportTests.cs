using Campaigns.Planning;
using Campaigns.Reports;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Reports;

/// <summary>Reports as of every instant of a run to which anything happens.</summary>
public sealed class PastReportTests
{
    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task At_every_instant_every_customer_is_in_one_place_and_every_touch_in_one_state(int seed)
    {
        await using var history = await RandomHistory.CreateAsync(seed, customers: 60);
        await history.Given.ExecuteAsync(
            """
            INSERT INTO run_ledger (run_key, step, reason, channel, variant, wave, customers)
            SELECT run_key, 1, reason, 0, 0, 0, 3 FROM run, (VALUES (5), (6), (20)) v (reason)
            """
        );
        var seen = new List<(DateTimeOffset At, string States)>
        {
            (await NowAsync(history), await StatesAsync(history)),
        };
        await history.SendAsync(wave: 1);
        for (var turn = 0; turn < 10; turn++)
        {
            seen.Add((await NowAsync(history), await StatesAsync(history)));
            await history.StepAsync();
            seen.Add((await NowAsync(history), await StatesAsync(history)));
            await history.PassAsync();
        }

        seen.Add((await NowAsync(history), await StatesAsync(history)));
        foreach (var at in await InstantsAsync(history))
        {
            await AssertConservedAsync(history, at);
        }

        foreach (var (at, states) in seen)
        {
            await AssertConservedAsync(history, at);
            Assert.Equal((at, states), (at, await StatesAsync(history, at)));
        }
    }

    /// <summary>Just before, at and just after whatever was recorded.</summary>
    private static async Task<IEnumerable<DateTimeOffset>> InstantsAsync(RandomHistory history)
    {
        await using var connection = await history.Given.DataSource.OpenConnectionAsync();
        var recorded = await connection.QueryAsync<DateTime>(
            """
            SELECT attempted_at FROM attempt UNION SELECT recorded_at FROM outcome UNION SELECT received_at FROM receipt
            """
        );
        var all = recorded.Order().ToArray();
        var step = Math.Max(1, all.Length / 40);
        return all.Where((_, i) => i % step == 0)
            .SelectMany(at => new[] { at.AddMicroseconds(-1), at, at.AddMicroseconds(1) })
            .Select(at => new DateTimeOffset(at));
    }

    private static async Task AssertConservedAsync(RandomHistory history, DateTimeOffset at)
    {
        var ledger = (await ReportAsync(history, at)).Ledger;
        Assert.Equal(
            ledger.Audience,
            ledger.HeldOut + ledger.HeldOutGlobal + ledger.Suppressed.Values.Sum() + ledger.Touches
        );
        Assert.All(ledger.TouchesByState, state => Assert.InRange(state.Value, 1, ledger.Touches));
        Assert.Equal(ledger.Touches, ledger.TouchesByState.Values.Sum());
        await using var connection = await history.Given.DataSource.OpenConnectionAsync();
        var elsewhere = await connection.QueryAsync<string>(
            """
            SELECT format('%s is in %s states, planned as %s', s.customer_key, count(*), min(d.reason))
            FROM touch_state(@run, NULL, @at) s
            LEFT JOIN decision d ON d.run_key = @run AND d.customer_key = s.customer_key AND d.step = 1
            GROUP BY s.customer_key
            HAVING count(*) > 1 OR min(d.reason) IS DISTINCT FROM 0
            """,
            new { run = history.Run, at = at.UtcDateTime }
        );
        Assert.Empty(elsewhere);
    }

    private static async Task<string> StatesAsync(RandomHistory history, DateTimeOffset? at = null) =>
        string.Join(
            ", ",
            (await ReportAsync(history, at)).Ledger.TouchesByState.Select(state => $"{state.Key} {state.Value}")
        );

    private static async Task<DateTimeOffset> NowAsync(RandomHistory history) =>
        await new Campaigns.Database.BusinessClock(history.Given.DataSource).NowAsync(default);

    private static async Task<CampaignReport> ReportAsync(RandomHistory history, DateTimeOffset? at) =>
        (
            await new CampaignReports(history.Given.DataSource).OfAsync(
                "campaign-1",
                new ReportQuestion { AsOf = at },
                default
            )
        ).Value;
}
