using System.Text.Json;
using Campaigns.Json;
using Campaigns.Reports;
using Dapper;

namespace Campaigns.Tests.Reports;

/// <summary>Counters that are kept while data comes in, against a recount of all that came.</summary>
public sealed class AgreementTests
{
    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    public async Task The_counters_agree_with_a_recount_to_the_unit_whatever_happened(int seed, bool everyTime)
    {
        await using var history = await RandomHistory.CreateAsync(seed, customers: 60, everyTime);
        await history.SendAsync(wave: 1);
        await history.ReceiveAsync();
        for (var turn = 0; turn < 12; turn++)
        {
            await history.StepAsync();
            await history.StepAsync();
            await AssertAgreedAsync(history);
            await history.PassAsync();
        }

        await AssertAgreedAsync(history);
        var report = await ReportAsync(history, exact: false);
        Assert.All(report.Funnel, step => Assert.NotEqual(0, step.Unique));
        Assert.Contains(report.Ledger.TouchesByState, state => state is { Key: "delivered", Value: > 0 });
        Assert.Equal(everyTime, report.Lift.ConversionsPerCustomer is { Low: not null });
    }

    private static async Task AssertAgreedAsync(RandomHistory history)
    {
        await using var connection = await history.Given.DataSource.OpenConnectionAsync();
        var differences = await connection.QueryAsync<string>(
            $"""
            SELECT format('%s of arm %s, channel %s, variant %s, wave %s on %s: %s more, worth %s', metric, arm, channel,
                variant, wave, day, sum(n), sum(amount))
            FROM (
                SELECT * FROM ({Counts.Folded}) folded
                UNION ALL
                SELECT metric, arm, channel, variant, wave, day, -n, -amount FROM ({Recount.Cells}) exact
            ) d
            GROUP BY metric, arm, channel, variant, wave, day
            HAVING sum(n) <> 0 OR sum(amount) <> 0
            """,
            new { runKey = history.Run }
        );
        Assert.Empty(differences);
        var (folded, exact) = (await ReportAsync(history, exact: false), await ReportAsync(history, exact: true));
        Assert.Equal(Text(exact), Text(folded with { ComputedThrough = exact.ComputedThrough }));
    }

    private static async Task<CampaignReport> ReportAsync(RandomHistory history, bool exact) =>
        (
            await new CampaignReports(history.Given.DataSource).OfAsync(
                "campaign-1",
                new ReportQuestion { Exact = exact },
                default
            )
        ).Value;

    private static string Text(CampaignReport report) => JsonSerializer.Serialize(report, ProductJson.Options);
}
