using Campaigns.Access;
using Campaigns.Outcomes;
using Campaigns.Reports;
using Campaigns.Tests.Outcomes;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Reports;

public sealed class ReportQuestionTests
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Fact]
    public async Task As_of_an_instant_a_report_says_what_was_known_then()
    {
        await using var given = await GivenArms.CreateAsync();
        await given.RecordAsync(given.Buys("t1", Day, "a", 10), given.Buys("h1", Day, "b", 5));
        var first = new DateTimeOffset(await given.AskAsync<DateTime>("SELECT clock_timestamp()"));
        await given.RecordAsync(given.Cancels("t1", "a"), given.Buys("t2", Day, "c", 20));
        var second = new DateTimeOffset(await given.AskAsync<DateTime>("SELECT clock_timestamp()"));
        await given.RecordAsync(given.Buys("t3", Day, "d", 40));

        Assert.Equal(
            [(0, 0, 0m), (1, 1, 10m), (1, 1, 20m), (2, 1, 60m)],
            [await AsOfAsync(given.Start), await AsOfAsync(first), await AsOfAsync(second), await AsOfAsync(null)]
        );

        async Task<(long, long, decimal)> AsOfAsync(DateTimeOffset? instant)
        {
            var report = await given.ReportAsync(new ReportQuestion { AsOf = instant });
            Assert.Equal(instant ?? report.ComputedThrough, report.ComputedThrough);
            return (report.Lift.Treated.Converted, report.Lift.Control.Converted, report.Lift.Treated.Value);
        }
    }

    [Fact]
    public async Task As_of_an_instant_what_is_attributed_and_compared_is_what_was_known_then()
    {
        await using var given = await GivenArms.CreateAsync();
        await TryAsync(given, "savings", hours: 1, "t1", "t2", "t3");
        await given.EngageAsync(Opens(given, "t1"));
        await given.RecordAsync(given.Buys("t1", Day, "a"), given.Buys("h1", Day), given.Buys("h2", -Day, "b"));
        var before = new DateTimeOffset(await given.AskAsync<DateTime>("SELECT clock_timestamp()"));
        await given.EngageAsync(Opens(given, "t2"));
        await given.RecordAsync(
            given.Cancels("t1", "a"),
            given.Cancels("h2", "b"),
            given.Buys("t2", Day),
            given.Buys("t3", Day)
        );

        Assert.Equal((1, 1, 1, 2, 1), await AsOfAsync(before));
        Assert.Equal((2, 2, 1, 3, 0), await AsOfAsync(null));

        async Task<(long, long, long, long, long)> AsOfAsync(DateTimeOffset? instant)
        {
            var report = await given.ReportAsync(
                new ReportQuestion
                {
                    AsOf = instant,
                    Attribution = AttributionModel.Last,
                    NotCausal = true,
                }
            );
            var groups = report.NotCausal!;
            return (
                report.Attribution!.AttributedConversions,
                groups.Participating.Customers,
                groups.Participating.Converted,
                groups.ThisPeriod.Converted,
                groups.PeriodBefore.Converted
            );
        }
    }

    [Fact]
    public async Task As_of_an_instant_before_an_erasure_the_erased_still_count()
    {
        await using var given = await GivenArms.CreateAsync();
        await given.EngageAsync(Opens(given, "t1"));
        var before = new DateTimeOffset(await given.AskAsync<DateTime>("SELECT clock_timestamp()"));

        await using var host = await ApiHost.StartAsync(given.Database);
        var erased = await host.As(Role.Backend).DeleteAsync(new Uri("/v1/customers/t1", UriKind.Relative));

        Assert.True(erased.IsSuccessStatusCode);
        Assert.Equal((1, 1), (await OpenedAsync(before), await OpenedAsync(null)));

        async Task<long> OpenedAsync(DateTimeOffset? asOf)
        {
            var report = await given.ReportAsync(new ReportQuestion { AsOf = asOf });
            return report.Funnel.Single(step => step.Metric == "opened").Unique;
        }
    }

    [Fact]
    public async Task Whoever_is_in_several_segments_counts_in_each()
    {
        // Of every three customers one is in payroll alone, one in both segments, one in savers alone.
        await using var given = await GivenArms.CreateAsync(treated: 6, heldOut: 3, suppressed: 3, everyTime: true);
        await given.EngageAsync(Opens(given, "t1"), Opens(given, "t3"));
        await given.RecordAsync(
            given.Buys("t1", Day, amount: 10),
            given.Buys("t2", Day, amount: 20),
            given.Buys("t2", 2 * Day, amount: 5),
            given.Buys("h3", Day, amount: 7)
        );
        var before = new DateTimeOffset(await given.AskAsync<DateTime>("SELECT clock_timestamp()"));
        await given.RecordAsync(given.Buys("t3", Day, amount: 40));

        var (savers, payroll) = await SegmentsAsync(null);

        Assert.Equal(
            ("savers", 8, 4, 2),
            (savers.Segment, savers.Audience, savers.Sent.Touches, savers.Control.Customers)
        );
        Assert.Equal(
            ("payroll", 8, 4, 2),
            (payroll.Segment, payroll.Audience, payroll.Sent.Touches, payroll.Control.Customers)
        );
        Assert.Equal((1, 1), (savers.Sent.Opened, payroll.Sent.Opened));
        Assert.Equal(new ArmResult(4, 2, 3, 65, 0.5) { MeanConversions = 0.75 }, savers.Treated);
        Assert.Equal(new ArmResult(4, 2, 3, 35, 0.5) { MeanConversions = 0.75 }, payroll.Treated);
        Assert.Equal((1, 0), (savers.Control.Converted, payroll.Control.Converted));
        Assert.NotNull(payroll.Difference.Value);
        var (earlier, _) = await SegmentsAsync(before);
        Assert.Equal(new ArmResult(4, 1, 2, 25, 0.25) { MeanConversions = 0.5 }, earlier.Treated);
        Assert.Null((await given.ReportAsync()).BySegment);

        async Task<(SegmentResult, SegmentResult)> SegmentsAsync(DateTimeOffset? asOf)
        {
            var report = await given.ReportAsync(new ReportQuestion { BySegment = true, AsOf = asOf });
            return (report.BySegment![0], report.BySegment[1]);
        }
    }

    [Fact]
    public async Task A_report_as_of_an_instant_to_come_is_refused()
    {
        await using var given = await GivenArms.CreateAsync();
        var question = new ReportQuestion { AsOf = DateTimeOffset.UtcNow.AddHours(1) };

        var refused = await new CampaignReports(given.DataSource).OfAsync("savings", question, default);

        Assert.Equal("invalid-time", refused.Error?.Type);
    }

    [Fact]
    public async Task The_time_to_convert_is_told_by_quantiles_of_both_arms()
    {
        await using var given = await GivenArms.CreateAsync(treated: 10, heldOut: 4);
        int[] days = [0, 0, 1, 1, 1, 2, 3, 4, 5, 6];
        await given.RecordAsync([.. days.Select((day, i) => given.Buys($"t{i + 1}", day * Day))]);
        await given.RecordAsync(given.Buys("h1", 6 * Day));

        foreach (var report in new[] { await given.ReportAsync(), await given.ExactAsync() })
        {
            Assert.Equal(new DayQuantiles(1, 1, 4, 5), report.TimeToConvert!.Treated);
            Assert.Equal(new DayQuantiles(6, 6, 6, 6), report.TimeToConvert.Control);
        }
    }

    [Fact]
    public async Task Comparisons_that_prove_nothing_are_told_apart_from_the_lift()
    {
        await using var given = await GivenArms.CreateAsync(treated: 4, heldOut: 2);
        await given.EngageAsync(Opens(given, "t1"), Opens(given, "t2"));
        await given.RecordAsync(
            given.Buys("t1", Day),
            given.Buys("t3", Day),
            given.Buys("h1", -Day),
            given.Buys("t4", -8 * Day),
            // Taken back by an event of the goal's own name, which is none itself.
            given.Buys("t2", -2 * Day, "back"),
            given.Cancels("t2", "back") with
            {
                Name = GivenArms.Goal,
                OccurredAt = given.Start - Day,
            }
        );

        var groups = (await given.ReportAsync(new ReportQuestion { NotCausal = true })).NotCausal!;

        Assert.Equal(new GroupResult(2, 1, 0.5), groups.Participating);
        Assert.Equal(new GroupResult(2, 1, 0.5), groups.NotParticipating);
        Assert.Equal((6, 1), (groups.PeriodBefore.Customers, groups.PeriodBefore.Converted));
        Assert.Equal((6, 2), (groups.ThisPeriod.Customers, groups.ThisPeriod.Converted));
        Assert.Null((await given.ReportAsync()).NotCausal);
    }

    [Fact]
    public async Task Whoever_is_erased_is_in_neither_of_the_two_periods()
    {
        await using var given = await GivenArms.CreateAsync(treated: 4, heldOut: 2);
        await given.RecordAsync(
            given.Buys("t1", -Day),
            given.Buys("t1", Day),
            given.Buys("t2", -Day),
            given.Buys("h1", Day)
        );
        Assert.Equal((6, 2, 6, 2), await PeriodsAsync());

        await using var host = await ApiHost.StartAsync(given.Database);
        var erased = await host.As(Role.Backend).DeleteAsync(new Uri("/v1/customers/t1", UriKind.Relative));

        Assert.True(erased.IsSuccessStatusCode);
        Assert.Equal((5, 1, 5, 1), await PeriodsAsync());
        Assert.Equal("1/1", await given.ConvertedAsync());

        async Task<(long, long, long, long)> PeriodsAsync()
        {
            var groups = (await given.ReportAsync(new ReportQuestion { NotCausal = true })).NotCausal!;
            return (
                groups.PeriodBefore.Customers,
                groups.PeriodBefore.Converted,
                groups.ThisPeriod.Customers,
                groups.ThisPeriod.Converted
            );
        }
    }

    [Theory]
    [InlineData(AttributionModel.Last, 2, 1)]
    [InlineData(AttributionModel.First, 1, 2)]
    [InlineData(AttributionModel.All, 2, 2)]
    public async Task A_conversion_is_given_to_the_campaign_that_tried_last_first_or_to_each(
        AttributionModel model,
        long own,
        long others
    )
    {
        await using var given = await GivenArms.CreateAsync();
        await TryAsync(given, "savings", hours: 5, "t1", "t2");
        await CopyAsync(given);
        await TryAsync(given, "other", hours: 1, "t1");
        await TryAsync(given, "other", hours: 30, "t2", "t3");
        await given.RecordAsync(
            given.Buys("t1", Day), // other, then savings
            given.Buys("t2", Day), // savings; other tried afterwards
            given.Buys("t3", 2 * Day), // other alone
            given.Buys("h1", Day)
        );

        Assert.Equal((own, others), (await OfAsync("savings"), await OfAsync("other")));

        async Task<long> OfAsync(string campaign) =>
            (
                await new CampaignReports(given.DataSource).OfAsync(
                    campaign,
                    new ReportQuestion { Attribution = model },
                    default
                )
            )
                .Value
                .Attribution!
                .AttributedConversions;
    }

    /// <summary>A second campaign of the same goal, with the same arms.</summary>
    private static Task CopyAsync(GivenArms given) =>
        given.ExecuteAsync(
            """
            INSERT INTO campaign (campaign_id, version, state, updated_at) VALUES ('other', 1, 'running', now());
            INSERT INTO run (run_key, campaign_key, number, campaign_version, state, as_of, plan, created_at, planned_at)
            SELECT -77, (SELECT campaign_key FROM campaign WHERE campaign_id = 'other'), 1, 1, state, as_of, plan,
                created_at, planned_at
            FROM run;
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at)
            SELECT -77, wave, channel, opens_at, closes_at FROM wave;
            INSERT INTO decision (customer_key, run_key, wave, step, reason, channel, variant)
            SELECT customer_key, -77, wave, step, reason, channel, variant FROM decision;
            INSERT INTO run_ledger (run_key, step, reason, channel, variant, wave, customers)
            SELECT -77, step, reason, channel, variant, wave, customers FROM run_ledger
            """
        );

    private static EngagementEntry Opens(GivenArms given, string customer) =>
        new("app", customer, "savings", customer, EngagementKind.Opened, given.Start.AddHours(3));

    private static Task TryAsync(GivenArms given, string campaign, int hours, params string[] customers) =>
        given.ExecuteAsync(
            $"""
            INSERT INTO attempt (run_key, chunk, request, channel, variant, try, attempted_at, customer_keys)
            SELECT r.run_key, 1, {hours}, 2, 1, 1, w.opens_at + interval '{hours} hours',
                (SELECT array_agg(customer_key ORDER BY customer_key) FROM customer
                 WHERE customer_id IN ('{string.Join("', '", customers)}'))
            FROM run r
            JOIN campaign c USING (campaign_key)
            JOIN wave w USING (run_key)
            WHERE c.campaign_id = '{campaign}'
            """
        );
}
