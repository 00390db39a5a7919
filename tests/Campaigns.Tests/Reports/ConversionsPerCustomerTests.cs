using System.Text.Json;
using Campaigns.Json;
using Campaigns.Reports;
using Campaigns.Tests.Outcomes;

namespace Campaigns.Tests.Reports;

/// <summary>Conversions per customer where every one counts. The figures are from a calculation of their own.</summary>
public sealed class ConversionsPerCustomerTests
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Fact]
    public async Task The_difference_has_the_interval_and_p_value_of_Welch()
    {
        await using var given = await GivenAsync(everyTime: true);
        await AssertFiguresAsync(given);

        // More than one at a time, late, and taken back: the counters follow.
        await given.RecordAsync(given.Buys("t1", 2 * Day, "late"), given.Buys("t60", Day, "only"));
        Assert.NotEqual(50, (await given.ReportAsync()).Lift.Treated.Conversions);
        await given.RecordAsync(given.Cancels("t1", "late"), given.Cancels("t60", "only"));
        await AssertFiguresAsync(given);
        await given.FoldAsync();
        await AssertFiguresAsync(given);
    }

    [Fact]
    public async Task Each_arm_has_its_mean_in_every_group()
    {
        await using var given = await GivenAsync(everyTime: true);
        var report = await given.ReportAsync(new ReportQuestion { BySegment = true });

        Assert.Equal((50 / 60.0, 0.2), (report.Lift.Treated.MeanConversions, report.Lift.Control.MeanConversions));
        Assert.All(report.ByVariant, variant => Assert.Equal(25 / 30.0, variant.Treated.MeanConversions));
        Assert.Equal(0.2, Assert.Single(report.ByChannel).Control.MeanConversions);
        Assert.All(
            report.BySegment!,
            one => Assert.Equal((double)one.Treated.Conversions / one.Treated.Customers, one.Treated.MeanConversions)
        );
    }

    [Fact]
    public async Task Every_form_of_the_report_shows_it()
    {
        await using var given = await GivenAsync(everyTime: true);
        var report = await given.ReportAsync();

        var csv = ReportCsv.Of(report);
        Assert.Contains("\r\nlift,control,meanConversions,0.2,,,\r\n", csv, StringComparison.Ordinal);
        Assert.Contains("\r\nlift,,conversionsPerCustomer,0.6333", csv, StringComparison.Ordinal);
        Assert.Contains("\r\nlift,,conversionsPerCustomerPValue,0.000303", csv, StringComparison.Ordinal);
        foreach (var words in new[] { ReportWords.English, ReportWords.Chinese })
        {
            var page = ReportPage.Of(report, words);
            Assert.Contains(
                "<span data-metric=\"lift.conversionsPerCustomer.value\">+0.6333</span>",
                page,
                StringComparison.Ordinal
            );
            Assert.Contains(
                "<span data-metric=\"lift.treated.meanConversions\">0.8333</span>",
                page,
                StringComparison.Ordinal
            );
            Assert.Contains(words["conversionsPerP"], page, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Where_only_the_first_counts_the_rate_says_it()
    {
        await using var given = await GivenAsync(everyTime: false);
        var report = await given.ReportAsync();

        Assert.Null(report.Lift.ConversionsPerCustomer);
        Assert.Null(report.Lift.ConversionsPerCustomerPValue);
        Assert.Null(report.Lift.Treated.MeanConversions);
        var json = JsonSerializer.Serialize(report, ProductJson.Options);
        Assert.DoesNotContain("onversionsPer", json, StringComparison.Ordinal);
        Assert.DoesNotContain("onversionsPer", ReportCsv.Of(report), StringComparison.Ordinal);
        Assert.DoesNotContain("onversionsPer", ReportPage.Of(report, ReportWords.English), StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_nobody_held_out_or_nothing_bought_it_says_why_there_is_none()
    {
        await using var alone = await GivenArms.CreateAsync(treated: 3, heldOut: 0, everyTime: true);
        await using var idle = await GivenArms.CreateAsync(treated: 3, heldOut: 3, everyTime: true);

        Assert.Equal("noHoldout", (await alone.ReportAsync()).Lift.ConversionsPerCustomer!.Missing);
        var lift = (await idle.ReportAsync()).Lift;
        Assert.Equal("noVariation", lift.ConversionsPerCustomer!.Missing);
        Assert.Equal("noVariation", lift.ConversionsPerCustomerPValue!.Missing);
    }

    /// <summary>By the counters, counted again, and as of now.</summary>
    private static async Task AssertFiguresAsync(GivenArms given)
    {
        var instant = new DateTimeOffset(await given.AskAsync<DateTime>("SELECT clock_timestamp()"));
        ReportQuestion[] questions = [new(), new() { Exact = true }, new() { AsOf = instant }];
        foreach (var question in questions)
        {
            var lift = (await given.ReportAsync(question)).Lift;
            var difference = lift.ConversionsPerCustomer!;
            // 50/60 less 8/40; variances 1.158192 and 0.369231, 95.78 degrees of freedom.
            Assert.Equal(0.6333333333, difference.Value!.Value, 1e-9);
            Assert.Equal(0.2980200893, difference.Low!.Value, 1e-8);
            Assert.Equal(0.9686465774, difference.High!.Value, 1e-8);
            Assert.Equal(0.0003034053, lift.ConversionsPerCustomerPValue!.Value!.Value, 1e-9);
        }
    }

    /// <summary>Of 60 treated, 20 bought once and 10 three times; of 40 held out, 4 twice.</summary>
    private static async Task<GivenArms> GivenAsync(bool everyTime)
    {
        var given = await GivenArms.CreateAsync(treated: 60, heldOut: 40, everyTime: everyTime);
        await given.RecordAsync([
            .. Enumerable.Range(1, 20).Select(i => given.Buys($"t{i}", Day)),
            .. Enumerable
                .Range(21, 10)
                .SelectMany(i => Enumerable.Range(0, 3).Select(day => given.Buys($"t{i}", day * Day))),
            .. Enumerable
                .Range(1, 4)
                .SelectMany(i => Enumerable.Range(3, 2).Select(day => given.Buys($"h{i}", day * Day))),
        ]);
        return given;
    }
}
