using System.Text.Json;
using Campaigns.Json;
using Campaigns.Reports;
using static Campaigns.Tests.Outcomes.GivenNumbers;

namespace Campaigns.Tests.Outcomes;

/// <summary>How the number changed in the same period last year, beside how it changed now.</summary>
public sealed class LastYearTests
{
    // t: 100 to 130 and 200.5 to 191, so +30 and −9.5; h: 50 to 55.25, so +5.25. The others lack one number, or both.
    private static readonly (string Customer, decimal? Before, decimal? After)[] Then =
    [
        ("t1", 100, 130),
        ("t2", 200.5m, 191),
        ("t3", 70, null),
        ("t4", null, 80),
        ("h1", 50, 55.25m),
        ("h2", null, 60),
        ("h3", null, null),
    ];

    [Fact]
    public async Task It_is_the_mean_change_of_those_who_have_both_numbers()
    {
        await using var given = await PlannedAsync();

        await FollowUpAsync(given);

        var number = (await given.ReportAsync()).Number!;
        Assert.Equal(new LastYearChange(Before, After, new(2, 10.25), new(1, 5.25)), number.NotCausal?.LastYear);
        Assert.Equal((4, 3), (number.Treated.LookedUp, number.Control.LookedUp));
    }

    [Fact]
    public async Task What_is_imported_after_planning_changes_nothing()
    {
        await using var given = await PlannedAsync();
        await HoldAsync(given, Then.Select(one => (one.Customer, (decimal?)1_000)), Before);
        await FollowUpAsync(given);
        await HoldAsync(given, Then.Select(one => (one.Customer, (decimal?)9_000)), After);

        Assert.Equal(new(2, 10.25), (await given.ReportAsync()).Number!.NotCausal!.LastYear.Treated);
        Assert.Equal(new(2, 10.25), (await given.ExactAsync()).Number!.NotCausal!.LastYear.Treated);
    }

    [Fact]
    public async Task Added_up_again_it_is_the_same_and_a_banks_sums_keep_their_digits()
    {
        await using var given = await CreateAsync(3, 3, lastYear: true);
        var all = Enumerable.Range(1, 3).SelectMany(i => new[] { (Id: $"t{i}", i), (Id: $"h{i}", i: -i) }).ToList();
        await HoldAsync(given, all.Select(one => (one.Id, (decimal?)9_000_000_000_000.25m)), Before);
        await HoldAsync(given, all.Select(one => (one.Id, (decimal?)9_000_000_000_000.25m + (one.i / 8m))), After);
        await TakeBaselineAsync(given);
        await FollowUpAsync(given);

        var folded = (await given.ReportAsync()).Number!.NotCausal!.LastYear;

        Assert.Equal((new(3, 0.25), new LastYearArm(3, -0.25)), (folded.Treated, folded.Control));
        Assert.Equal(folded, (await given.ExactAsync()).Number!.NotCausal!.LastYear);
    }

    [Fact]
    public async Task Whose_window_has_not_ended_is_not_in_it_yet_nor_as_of_an_earlier_instant()
    {
        await using var given = await PlannedAsync();
        await given.ExecuteAsync(
            """
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at)
            SELECT run_key, 2, 2, now(), now() + interval '2 hours' FROM run;
            UPDATE decision d SET wave = 2
            FROM customer c WHERE c.customer_key = d.customer_key AND c.customer_id IN ('t2', 'h1')
            """
        );

        Assert.Equal(1, await FollowUpAsync(given));
        Assert.Equal((new(1, 30), new LastYearArm(0)), await ArmsAsync());

        await given.ExecuteAsync("UPDATE business_clock SET clock_offset = interval '8 days'");
        Assert.Equal(1, await FollowUpAsync(given));
        Assert.Equal((new(2, 10.25), new LastYearArm(1, 5.25)), await ArmsAsync());
        Assert.Equal((new(1, 30), new LastYearArm(0)), await ArmsAsync(DateTimeOffset.UtcNow.AddDays(7)));
        Assert.Equal((new(0), new LastYearArm(0)), await ArmsAsync(DateTimeOffset.UtcNow.AddDays(-7)));

        async Task<(LastYearArm, LastYearArm)> ArmsAsync(DateTimeOffset? asOf = null)
        {
            var folded = await ReadAsync(new ReportQuestion { AsOf = asOf });
            Assert.Equal(folded, await ReadAsync(new ReportQuestion { AsOf = asOf, Exact = true }));
            return (folded.Treated, folded.Control);
        }

        async Task<LastYearChange> ReadAsync(ReportQuestion question) =>
            (await given.ReportAsync(question)).Number!.NotCausal!.LastYear;
    }

    [Fact]
    public async Task Whoever_has_not_consented_to_a_sensitive_field_of_it_is_in_neither_arm()
    {
        await using var given = await CreateAsync(4, 3, sensitive: After, lastYear: true);
        await HoldThenAsync(given);
        await ConsentAsync("customer_id <> 't1'");
        await TakeBaselineAsync(given);
        await ConsentAsync("customer_id NOT IN ('t1', 'h1')");

        await FollowUpAsync(given);

        var number = (await given.ReportAsync()).Number!;
        Assert.Equal(
            (new(1, -9.5), new LastYearArm(0)),
            (number.NotCausal!.LastYear.Treated, number.NotCausal.LastYear.Control)
        );
        Assert.Equal((3, 2), (number.Treated.LookedUp, number.Control.LookedUp));

        Task ConsentAsync(string who) =>
            given.ExecuteAsync(
                $"UPDATE contact k SET sensitive_consent = {who} FROM customer c WHERE c.customer_key = k.customer_key"
            );
    }

    [Fact]
    public async Task A_field_that_is_no_number_any_more_is_held_by_nobody()
    {
        await using var given = await CreateAsync(2, 2, lastYear: true);
        await HoldThenAsync(given);
        await given.ExecuteAsync($"UPDATE field SET type = 'text' WHERE name = '{After}'");
        await TakeBaselineAsync(given);

        await FollowUpAsync(given);

        var number = (await given.ReportAsync()).Number!;
        Assert.Equal(
            (new(0), new LastYearArm(0)),
            (number.NotCausal!.LastYear.Treated, number.NotCausal.LastYear.Control)
        );
        Assert.Equal((2, 2), (number.Treated.LookedUp, number.Control.LookedUp));
    }

    [Fact]
    public async Task Every_form_of_the_report_shows_it_and_says_that_it_proves_nothing()
    {
        await using var given = await PlannedAsync();
        await FollowUpAsync(given);
        var report = await given.ReportAsync();

        using var json = JsonDocument.Parse(JsonSerializer.Serialize(report, ProductJson.Options));
        var treated = json
            .RootElement.GetProperty("number")
            .GetProperty("notCausal")
            .GetProperty("lastYear")
            .GetProperty("treated");
        Assert.Equal("""{"withLastYear":2,"meanChangeLastYear":10.25}""", treated.GetRawText());

        var csv = ReportCsv.Of(report);
        Assert.Contains("\r\nnotCausal,lastYear treated,withLastYear,2,,,\r\n", csv, StringComparison.Ordinal);
        Assert.Contains("\r\nnotCausal,lastYear control,meanChangeLastYear,5.25,,,\r\n", csv, StringComparison.Ordinal);

        var (english, chinese) = (
            ReportPage.Of(report, ReportWords.English),
            ReportPage.Of(report, ReportWords.Chinese)
        );
        foreach (var page in new[] { english, chinese })
        {
            Assert.Contains(
                "<span data-metric=\"number.notCausal.lastYear.treated.meanChangeLastYear\">10.25</span>",
                page,
                StringComparison.Ordinal
            );
            Assert.Contains(Before, page, StringComparison.Ordinal);
        }

        Assert.Contains("<h3>Not causal: The same period last year</h3>", english, StringComparison.Ordinal);
        Assert.Contains("<h3>非因果对比", chinese, StringComparison.Ordinal);
        Assert.Contains("proves nothing", english, StringComparison.Ordinal);
        Assert.Contains("不能证明效果", chinese, StringComparison.Ordinal);
    }

    private static async Task<GivenArms> PlannedAsync()
    {
        var given = await CreateAsync(4, 3, lastYear: true);
        await HoldThenAsync(given);
        await TakeBaselineAsync(given);
        return given;
    }

    private static async Task HoldThenAsync(GivenArms given)
    {
        await HoldAsync(given, Then.Select(one => (one.Customer, one.Before)), Before);
        await HoldAsync(given, Then.Select(one => (one.Customer, one.After)), After);
    }
}
