using Campaigns.Lifecycle;
using Campaigns.Reports;
using Campaigns.Tests.Outcomes;

namespace Campaigns.Tests.Reports;

/// <summary>Figures of a report of 30 of 60 against 8 of 40, reckoned by hand from the published formulas.</summary>
public sealed class LiftFigureTests
{
    [Fact]
    public async Task The_lift_is_that_of_the_published_formulas()
    {
        await using var given = await GivenAsync();
        var report = await given.ReportAsync();
        var lift = report.Lift;

        AssertNear((0.3, 0.1081126057, 0.4551385915), lift.Difference);
        AssertNear((0.3, -0.3632739523, 0.9632739523), lift.Sequence);
        Assert.Equal(0.5744930081, lift.SequencePValue.Value!.Value, 1e-8);
        Assert.Equal(0.0024627260, lift.PValue.Value!.Value, 1e-8);
        // 50 less 10 per customer; variances 2,542.37 and 410.26, 83.6 degrees of freedom.
        Assert.Equal(40, lift.ValuePerCustomer.Value!.Value, 1e-9);
        AssertNear((2_400, 1_534.3460954, 3_265.6539046), lift.IncrementalValue);
        Assert.All(
            [Assert.Single(report.ByChannel).Difference, Assert.Single(report.ByWindow).Difference],
            difference => Assert.Equal(lift.Difference, difference)
        );
    }

    [Fact]
    public async Task The_sequence_is_tuned_to_the_customers_that_the_goal_says()
    {
        await using var given = await GivenAsync(sequenceCustomers: 100);
        var report = await given.ReportAsync();

        AssertNear((0.3, -0.0007257538, 0.6007257538), report.Lift.Sequence);
        Assert.Equal(0.0509958419, report.Lift.SequencePValue.Value!.Value, 1e-8);
        Assert.Equal(100, report.Goal.SequenceCustomers);
        Assert.Contains("\r\nreport,sequenceCustomers,100,", ReportCsv.Of(report), StringComparison.Ordinal);
        await using var unsaid = await GivenAsync();
        Assert.Equal(5_000, (await unsaid.ReportAsync()).Goal.SequenceCustomers);
    }

    [Fact]
    public async Task Each_variant_tells_what_was_sent_and_a_p_value_by_Holm()
    {
        await using var given = await GivenAsync();
        var report = await given.ReportAsync();

        var (warm, plain) = (report.ByVariant[0], report.ByVariant[1]);
        AssertNear((0.4, 0.1697071968, 0.5810245666), warm.Difference);
        Assert.Equal(0.0006090042, warm.PValue.Value!.Value, 1e-8);
        Assert.Equal(2 * 0.0006090042, warm.AdjustedPValue.Value!.Value, 1e-8);
        Assert.Equal(0.0667980685, plain.AdjustedPValue.Value!.Value, 1e-8);
        Assert.Equal((30, 30), (warm.Sent.Touches, plain.Sent.Touches));
    }

    [Theory]
    [InlineData(9_000, "100000.01", "0", null)]
    [InlineData(900, "500000000", "0.5", 0.0462536168)] // 1.961290 · √(2 · 0.25 · 900/899 / 900)
    public async Task The_value_per_customer_keeps_its_variance_however_large_the_values(
        int customers,
        string value,
        string spread,
        double? half
    )
    {
        await using var given = await GivenArms.CreateAsync(treated: 2, heldOut: 1);
        await given.ExecuteAsync(
            $"""
            UPDATE run_ledger SET customers = CASE reason WHEN 0 THEN {customers} / 2 ELSE {customers} END;
            INSERT INTO report_cell
            SELECT run_key, metric, arm, 2, arm, 1, current_date, {customers}, amount
            FROM run, (VALUES (0), (1)) a (arm), (VALUES ('conversions', {customers} * {value}::numeric),
                ('converted', {customers} * ({value}::numeric * {value} + {spread}::numeric * {spread}))) m (metric, amount)
            """
        );

        var difference = (await given.ReportAsync()).Lift.ValuePerCustomer;

        if (half is { } expected)
            AssertNear((0, -expected, expected), difference);
        else
            Assert.Equal("noVariation", difference.Missing);
    }

    [Fact]
    public async Task Arms_that_are_not_what_was_planned_raise_the_alarm_in_every_form()
    {
        await using var given = await GivenAsync();
        await given.ExecuteAsync("UPDATE run SET plan = jsonb_set(plan, '{holdoutBuckets}', '1000'), state = 'closed'");

        var report = await given.ReportAsync();

        Assert.True(report.Lift.SampleRatio.Alarm);
        Assert.Contains("\r\nreport,sampleRatioAlarm,true,", ReportCsv.Of(report), StringComparison.Ordinal);
        var page = ReportPage.Of(report, ReportWords.English);
        Assert.Contains("Do not trust this report", page, StringComparison.Ordinal);
        Assert.Contains("<strong></strong>", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("closed", 0, "The interval leaves out 0: the campaign made a difference.")]
    [InlineData("planned", 0, "by the interval that is valid at every look, no difference")]
    [InlineData("closed", -1, "by the interval that is valid at every look, no difference")]
    public async Task Before_the_last_goal_window_has_ended_the_verdict_is_that_of_the_sequence(
        string state,
        int seconds,
        string verdict
    )
    {
        await using var given = await GivenAsync();
        var report = await given.ReportAsync();

        Assert.Equal(given.Start + GivenArms.Week, report.CountsUntil);
        report = report with { State = state, ComputedThrough = report.CountsUntil!.Value.AddSeconds(seconds) };
        Assert.Contains(verdict, ReportPage.Of(report, ReportWords.English), StringComparison.Ordinal);
        Assert.Equal(
            verdict.StartsWith("The", StringComparison.Ordinal),
            ReportPage.Of(report, ReportWords.Chinese).Contains("<strong>区间不含 0", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task States_have_words_of_their_own_and_windows_that_are_not_drawn_are_counted()
    {
        await using var given = await GivenAsync();
        var report = await given.ReportAsync();
        report = report with { ByWindow = [.. Enumerable.Repeat(report.ByWindow[0], 43)] };

        foreach (var words in new[] { ReportWords.English, ReportWords.Chinese })
        {
            var page = ReportPage.Of(report, words);
            Assert.Contains($"<p>{words["notDrawn"]}: 3</p>", page, StringComparison.Ordinal);
            Assert.Contains($"<th scope=\"row\">{words["now:planned"]}</th>", page, StringComparison.Ordinal);
            Assert.All(report.Funnel, step => Assert.NotEqual(words[step.Metric], words["now:" + step.Metric]));
        }
    }

    /// <summary>Of 30 each, 18 converted of warm and 12 of plain, at 100 each; 8 of the 40 held out, at 50.</summary>
    private static async Task<GivenArms> GivenAsync(int? sequenceCustomers = null)
    {
        var goal = new Goal
        {
            Event = GivenArms.Goal,
            Window = GivenArms.Week,
            SequenceCustomers = sequenceCustomers,
        };
        var given = await GivenArms.CreateAsync(treated: 60, heldOut: 40, goal: goal);
        await given.RecordAsync([
            .. Enumerable.Range(1, 18).Select(i => given.Buys($"t{2 * i}", TimeSpan.FromDays(1), amount: 100)),
            .. Enumerable.Range(1, 12).Select(i => given.Buys($"t{2 * i - 1}", TimeSpan.FromDays(2), amount: 100)),
            .. Enumerable.Range(1, 8).Select(i => given.Buys($"h{i}", TimeSpan.FromDays(3), amount: 50)),
        ]);
        return given;
    }

    private static void AssertNear((double Value, double Low, double High) expected, Measured figure)
    {
        Assert.Equal(expected.Value, figure.Value!.Value, 1e-7);
        Assert.Equal(expected.Low, figure.Low!.Value, 1e-6);
        Assert.Equal(expected.High, figure.High!.Value, 1e-6);
    }
}
