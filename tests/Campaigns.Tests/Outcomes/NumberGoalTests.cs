using Campaigns.Access;
using Campaigns.Reports;
using Campaigns.Statistics;
using Campaigns.Tests.Statistics;
using Campaigns.Tests.Support;
using static Campaigns.Tests.Outcomes.GivenNumbers;

namespace Campaigns.Tests.Outcomes;

/// <summary>Goals that are a number of the customer: assets, products held, log-ins of the month.</summary>
public sealed class NumberGoalTests
{
    // The published example of CUPED: y is the change, x what was there before.
    private static readonly (string Customer, int Before, int Change)[] Published =
    [
        ("t1", 10, 12),
        ("t2", 13, 15),
        ("t3", 9, 11),
        ("t4", 15, 18),
        ("t5", 17, 20),
        ("h1", 8, 9),
        ("h2", 14, 14),
        ("h3", 10, 10),
        ("h4", 12, 13),
        ("h5", 11, 12),
    ];

    [Fact]
    public async Task The_change_per_customer_is_compared_by_Welch_and_by_CUPED()
    {
        await using var given = await CreateAsync(5, 5);
        await HoldAsync(given, Published.Select(one => (one.Customer, (decimal?)one.Before)));
        await TakeBaselineAsync(given);
        await HoldAsync(given, Published.Select(one => (one.Customer, (decimal?)(one.Before + one.Change))));

        Assert.Equal(1, await FollowUpAsync(given));

        var report = await given.ReportAsync();
        var change = report.Number!;
        Assert.Equal((5, 0, 12.8, 15.2), Arm(change.Treated));
        Assert.Equal((5, 0, 11.0, 11.6), Arm(change.Control));
        Assert.Equal(3.6, change.Change.Value!.Value, 1e-9);
        Assert.Equal(1.6777778, change.Cuped.Value!.Value, 5e-8);
        Assert.True(change.Cuped.High - change.Cuped.Low < change.Change.High - change.Change.Low);
        Assert.True(change.CupedPValue.Value < change.ChangePValue.Value);
        Assert.Equal(["warm", "plain"], change.ByVariant.Select(variant => variant.Variant));
        Assert.Equal(5, change.ByVariant.Sum(variant => variant.Treated.LookedUp));
        Assert.Null(change.NotCausal);
        Assert.Equal("notAnEvent", report.Lift.Difference.Missing);
        Assert.DoesNotContain(report.Funnel, step => step.Metric == "converted");

        static (long, long, double, double) Arm(ChangeArm arm) =>
            (
                arm.LookedUp,
                arm.WithoutValue,
                Math.Round(arm.MeanBefore!.Value, 9),
                Math.Round(arm.MeanChange!.Value, 9)
            );
    }

    [Fact]
    public async Task Nothing_is_looked_up_before_the_window_ends_and_nothing_twice()
    {
        await using var given = await CreateAsync(2, 2, TimeSpan.FromDays(30));
        await HoldAsync(given, [("t1", 5), ("h1", 5)]);
        await TakeBaselineAsync(given);

        Assert.Equal(0, await FollowUpAsync(given));
        Assert.Equal(4, (await given.ReportAsync()).Number!.Waiting);

        await given.ExecuteAsync("UPDATE business_clock SET clock_offset = interval '21 days'");
        var taken = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => FollowUpAsync(given))));
        await HoldAsync(given, [("t1", 500)]);

        Assert.Equal(1, taken.Sum() + await FollowUpAsync(given));
        var change = (await given.ReportAsync()).Number!;
        Assert.Equal((0, 2, 0.0), (change.Waiting, change.Treated.LookedUp, change.Treated.MeanChange));
        Assert.NotNull(change.MeasuredAt);
    }

    [Fact]
    public async Task Of_a_wave_that_a_pause_kept_from_opening_the_window_ends_where_the_resumption_says()
    {
        await using var given = await CreateAsync(2, 2);
        await HoldAsync(given, [("t1", 5), ("h1", 5)]);
        await TakeBaselineAsync(given);
        await given.ExecuteAsync(
            "UPDATE campaign SET state = 'paused', paused_at = (SELECT opens_at FROM wave) - interval '1 hour'"
        );
        Assert.Equal(0, await FollowUpAsync(given));

        await given.ExecuteAsync("UPDATE campaign SET paused_at = (SELECT opens_at FROM wave)");
        Assert.Equal(1, await FollowUpAsync(given));
    }

    [Fact]
    public async Task A_crash_in_the_middle_leaves_the_wave_to_be_looked_up_again()
    {
        await using var given = await CreateAsync(2, 2);
        await HoldAsync(given, [("t1", 1), ("t2", 2), ("h1", 3), ("h2", 4)]);
        await TakeBaselineAsync(given);
        await given.ExecuteAsync("ALTER TABLE goal_sum ADD CONSTRAINT cut CHECK (customers < 0)");
        Assert.Equal(0, await FollowUpAsync(given));
        Assert.Equal(0, await given.AskAsync<long>("SELECT count(*) FROM goal_followup"));

        await given.ExecuteAsync("ALTER TABLE goal_sum DROP CONSTRAINT cut");

        Assert.Equal(1, await FollowUpAsync(given));
        Assert.Equal(2, (await given.ReportAsync()).Number!.Control.LookedUp);
    }

    [Fact]
    public async Task A_wave_that_cannot_be_looked_up_keeps_no_other_back()
    {
        await using var given = await CreateAsync(2, 2);
        await given.ExecuteAsync(
            """
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at)
            SELECT run_key, 2, channel, opens_at, closes_at FROM wave;
            UPDATE decision SET wave = 2 FROM customer c WHERE c.customer_key = decision.customer_key AND c.customer_id = 't2'
            """
        );
        await HoldAsync(given, [("t1", 1), ("t2", 2), ("h1", 3), ("h2", 4)]);
        await TakeBaselineAsync(given);
        await given.ExecuteAsync("ALTER TABLE goal_sum ADD CONSTRAINT cut CHECK (wave <> 1)");

        Assert.Equal(1, await FollowUpAsync(given));
        Assert.Equal(2, await given.AskAsync<int>("SELECT wave FROM goal_wave"));
        await given.ExecuteAsync("ALTER TABLE goal_sum DROP CONSTRAINT cut");

        Assert.Equal(1, await FollowUpAsync(given));
        Assert.Equal(4, await given.AskAsync<long>("SELECT count(*) FROM goal_followup"));
    }

    [Fact]
    public async Task Who_has_no_number_counts_with_nothing_and_is_said()
    {
        await using var given = await CreateAsync(2, 2);
        await HoldAsync(given, [("t1", 100), ("h1", 100)]);
        await TakeBaselineAsync(given);
        await HoldAsync(given, [("t2", 60)]);

        await FollowUpAsync(given);

        var change = (await given.ReportAsync()).Number!;
        Assert.Equal((2, 1, 30.0), (change.Treated.LookedUp, change.Treated.WithoutValue, change.Treated.MeanChange));
        Assert.Equal((2, 1, 0.0), (change.Control.LookedUp, change.Control.WithoutValue, change.Control.MeanChange));
    }

    [Fact]
    public async Task Sensitive_data_of_whoever_has_not_consented_is_not_looked_at()
    {
        await using var given = await CreateAsync(3, 3, sensitive: "assets");
        await given.ExecuteAsync("UPDATE contact SET sensitive_consent = customer_key % 3 <> 0");
        await HoldAsync(given, Enumerable.Range(1, 3).SelectMany(i => new[] { ($"t{i}", (decimal?)i), ($"h{i}", i) }));
        await TakeBaselineAsync(given);
        await given.ExecuteAsync(
            """
            UPDATE contact SET sensitive_consent = false
            WHERE customer_key = (SELECT min(customer_key) FROM goal_baseline)
            """
        );

        await FollowUpAsync(given);

        var change = (await given.ReportAsync()).Number!;
        Assert.Equal(3, change.Treated.LookedUp + change.Control.LookedUp);
    }

    [Fact]
    public async Task The_numbers_of_whoever_is_erased_go_and_what_they_added_up_to_stays()
    {
        await using var given = await CreateAsync(4, 4);
        await HoldAsync(given, Enumerable.Range(1, 4).SelectMany(i => new[] { ($"t{i}", (decimal?)i), ($"h{i}", i) }));
        await TakeBaselineAsync(given);
        await HoldAsync(given, Enumerable.Range(1, 4).Select(i => ($"t{i}", (decimal?)(10 * i))));
        await FollowUpAsync(given);
        var before = (await given.ReportAsync()).Number!;

        await using var host = await ApiHost.StartAsync(given.Database);
        var erased = await host.As(Role.Backend).DeleteAsync(new Uri("/v1/customers/t1", UriKind.Relative));

        Assert.True(erased.IsSuccessStatusCode);
        Assert.Equal(7, await given.AskAsync<long>("SELECT count(*) FROM goal_baseline"));
        Assert.Equal(7, await given.AskAsync<long>("SELECT count(*) FROM goal_followup"));
        foreach (var after in new[] { await given.ReportAsync(), await given.ExactAsync() })
        {
            Assert.Equal(before with { ByVariant = [] }, after.Number! with { ByVariant = [] });
            Assert.Equal(before.ByVariant, after.Number!.ByVariant);
        }

        // The other groups are still added up again.
        await given.ExecuteAsync("DELETE FROM goal_sum");
        var others = (await given.ExactAsync()).Number!;
        Assert.Equal((2, 4), (others.Treated.LookedUp, others.Control.LookedUp));
    }

    [Fact]
    public async Task Added_up_again_it_is_the_same_and_a_banks_sums_keep_their_digits()
    {
        await using var given = await CreateAsync(4, 4);
        await HoldAsync(given, All((arm, i) => 9_000_000_000_000.25m + i));
        await TakeBaselineAsync(given);
        await HoldAsync(given, All((arm, i) => 9_000_000_000_000.25m + (arm == "t" ? 2 * i : i) + (i % 2)));
        await FollowUpAsync(given);

        var folded = (await given.ReportAsync()).Number!;
        var exact = (await given.ExactAsync()).Number!;

        Assert.Equal(folded with { ByVariant = [] }, exact with { ByVariant = [] });
        Assert.Equal(folded.ByVariant, exact.ByVariant);
        // Changes of 2, 2, 4, 4 against 1, 0, 1, 0.
        Assert.Equal(2.5, folded.Change.Value!.Value, 1e-9);
        var small = Means.Welch(Samples.Of([2, 2, 4, 4]), Samples.Of([1, 0, 1, 0])).Value!.Value;
        Assert.Equal(small.Difference.High, folded.Change.High!.Value, 1e-9);

        static IEnumerable<(string, decimal?)> All(Func<string, int, decimal> value) =>
            Enumerable
                .Range(1, 4)
                .SelectMany(i => new[] { ($"t{i}", (decimal?)value("t", i)), ($"h{i}", value("h", i)) });
    }
}
