using Campaigns.Access;
using Campaigns.Outcomes;
using Campaigns.Reports;
using Campaigns.Results;
using Campaigns.Tests.Outcomes;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Reports;

public sealed class ReportTests
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Fact]
    public async Task Nobody_held_out_is_said_instead_of_a_lift()
    {
        await using var given = await GivenArms.CreateAsync(treated: 5, heldOut: 0);
        await given.RecordAsync(given.Buys("t1", Day));

        var lift = (await given.ReportAsync()).Lift;

        Assert.Equal(0.2, lift.Treated.Rate);
        Assert.Null(lift.Control.Rate);
        Assert.All(
            [lift.Difference, lift.Relative, lift.IncrementalConversions, lift.Sequence, lift.ValuePerCustomer],
            figure => Assert.Equal(new Measured(null, null, null, "noHoldout"), figure)
        );
    }

    [Fact]
    public async Task No_conversion_and_all_converted_have_a_value_or_a_reason()
    {
        await using var given = await GivenArms.CreateAsync(treated: 6, heldOut: 4);

        var none = (await given.ReportAsync()).Lift;
        await given.RecordAsync([.. Enumerable.Range(1, 6).Select(i => given.Buys($"t{i}", Day))]);
        await given.RecordAsync([.. Enumerable.Range(1, 4).Select(i => given.Buys($"h{i}", Day))]);
        var all = (await given.ReportAsync()).Lift;

        Assert.Equal(
            (0, "noConversions", "tooEarly"),
            (none.Difference.Value, none.Relative.Missing, none.Sequence.Missing)
        );
        Assert.Equal((0, "noVariation"), (all.Difference.Value, all.Relative.Missing));
        Assert.True(none.Difference.Low < 0 && none.Difference.High > 0);
    }

    [Fact]
    public async Task The_ledger_adds_up_and_the_funnel_counts_customers_and_times()
    {
        await using var given = await GivenArms.CreateAsync(treated: 6, heldOut: 4, suppressed: 3, heldOutGlobal: 2);
        await given.EngageAsync(
            Opens("t1", "o-1"),
            Opens("t1", "o-2"),
            Opens("t2", "o-1"),
            Opens("h1", "o-1"),
            Opens("t1", "c-1") with
            {
                Kind = EngagementKind.Clicked,
            }
        );
        await given.EngageAsync(Opens("t1", "o-1"));
        await given.RecordAsync(given.Buys("t1", Day), given.Buys("h1", Day));

        var report = await given.ReportAsync();

        var ledger = report.Ledger;
        Assert.Equal((15, 6, 4, 2), (ledger.Audience, ledger.Touches, ledger.HeldOut, ledger.HeldOutGlobal));
        Assert.Equal(3, ledger.Suppressed["no_consent"]);
        Assert.Equal(6, ledger.TouchesByState["planned"]);
        Assert.Equal(
            [
                new("audience", 15, null),
                new("planned", 6, null),
                new("attempted", 0, 0),
                new("accepted", 0, 0),
                new("delivered", 0, 0),
                new("opened", 2, 3),
                new("clicked", 1, 1),
                new("converted", 1, 1),
            ],
            report.Funnel
        );
        Assert.False(report.Lift.SampleRatio.Alarm);

        EngagementEntry Opens(string customer, string id) =>
            new("app", id, "savings", customer, EngagementKind.Opened, given.Start.AddHours(3));
    }

    [Fact]
    public async Task A_campaign_that_is_not_there_or_not_planned_is_refused()
    {
        await using var given = await GivenArms.CreateAsync();
        var reports = new CampaignReports(given.DataSource);

        Assert.Equal("not-found", (await reports.OfAsync("nothing", default)).Error?.Type);
        Assert.Equal(
            "invalid-state",
            (await reports.OfAsync("savings", new ReportQuestion { Run = 2 }, default)).Error?.Type
        );
    }

    [Theory]
    [InlineData("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\"")]
    [InlineData(" +1+2", "' +1+2")]
    [InlineData("@sum", "'@sum")]
    [InlineData("＝1+2", "'＝1+2")]
    [InlineData("\u3000＋1", "'\u3000＋1")]
    [InlineData("＠sum", "'＠sum")]
    [InlineData("－1", "'－1")]
    [InlineData("\t=1", "'\t=1")]
    [InlineData("\n=1", "\"'\n=1\"")]
    [InlineData("-0.25", "-0.25")]
    [InlineData("a,b", "\"a,b\"")]
    [InlineData("plain", "plain")]
    [InlineData("   ", "")]
    public void A_text_that_a_spreadsheet_would_compute_is_defused(string text, string field) =>
        Assert.Equal(field, ReportCsv.Field(text));

    [Fact]
    public async Task Rows_of_the_CSV_have_names_of_their_own_and_values_all_their_digits()
    {
        await using var given = await GivenArms.CreateAsync();
        await given.ExecuteAsync(
            """
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at)
            SELECT run_key, 2, channel, opens_at, closes_at FROM wave;
            UPDATE decision d SET wave = 2 FROM customer c
            WHERE c.customer_key = d.customer_key AND customer_id IN ('t1', 'h1');
            DELETE FROM run_ledger;
            INSERT INTO run_ledger (run_key, step, reason, channel, variant, wave, customers)
            SELECT run_key, 1, reason, coalesce(channel, 0), coalesce(variant, 0), wave, count(*)
            FROM decision
            GROUP BY 1, 3, 4, 5, 6
            """
        );
        await given.RecordAsync(
            given.Buys("t1", TimeSpan.FromDays(1), amount: 9_999_999_999_999_999.99m),
            given.Buys("t2", TimeSpan.FromDays(1), amount: -1),
            given.Buys("h1", TimeSpan.FromDays(1), amount: 0.5m)
        );

        var report = await given.ReportAsync();

        var window = Assert.Single(report.ByWindow);
        Assert.Equal((3, 2, 3, 1), Figures(window));
        Assert.Equal(9_999_999_999_999_998.99m, window.Treated.Value);
        var names = ReportCsv.Lines(report).Select(line => (line.Section, line.Group, line.Metric)).ToList();
        Assert.Equal(names.Distinct(), names);
        Assert.Contains("lift,treated,value,9999999999999998.99,", ReportCsv.Of(report), StringComparison.Ordinal);

        static (long, long, long, long) Figures(WindowResult one) =>
            (one.Treated.Customers, one.Treated.Converted, one.Control.Customers, one.Control.Converted);
    }

    [Fact]
    public async Task A_variant_that_is_named_as_an_arm_is_told_apart_from_it()
    {
        await using var given = await GivenReports.OfNumberAsync();
        await given.ExecuteAsync(
            "UPDATE run SET plan = replace(replace(plan::text, '\"warm\"', '\"treated\"'), '\"plain\"', '\"control\"')::jsonb"
        );

        var report = await given.ReportAsync();

        Assert.Equal(["treated", "control"], report.Number!.ByVariant.Select(variant => variant.Variant));
        var names = ReportCsv.Lines(report).Select(line => (line.Section, line.Group, line.Metric)).ToList();
        Assert.Equal(names.Distinct(), names);
    }

    [Fact]
    public async Task A_campaign_named_like_a_formula_is_a_text_in_the_CSV()
    {
        await using var given = await GivenArms.CreateAsync();
        await given.ExecuteAsync(
            """
            INSERT INTO campaign_version (campaign_key, version, definition, edited_by, edited_at)
            SELECT campaign_key, 1, '{"name": "=HYPERLINK(\"http://example.com\")"}', 'm', now() FROM campaign
            """
        );

        var csv = ReportCsv.Of(await given.ReportAsync());

        Assert.Contains("report,name,\"'=HYPERLINK(\"\"http://example.com\"\")\",", csv, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_report_is_read_as_JSON_CSV_and_a_page_and_opens_by_a_link()
    {
        await using var given = await GivenArms.CreateAsync(treated: 6, heldOut: 4);
        await using var host = await ApiHost.StartAsync(given.Database);
        var sent = await host.As(Role.Backend)
            .SendJsonAsync(
                HttpMethod.Post,
                "/v1/events",
                $$"""
                {"events":[{"source":"core","id":"1","customerId":"t1","name":"deposit.opened",
                "occurredAt":"{{given.Start.AddHours(1):O}}","amount":100,"currency":"CNY"}]}
                """
            );
        Assert.True(sent.IsSuccessStatusCode, await sent.Content.ReadAsStringAsync());
        const string path = "/v1/campaigns/savings/report";

        var report = await host.As(Role.Analyst).GetAsync(new Uri(path, UriKind.Relative)).ReadAsync<CampaignReport>();
        var csv = await host.As(Role.Analyst).GetStringAsync(new Uri(path + "?format=csv", UriKind.Relative));
        var link = await host.As(Role.Analyst)
            .PostAsync<object>(path + "/link", new { })
            .ReadAsync<Campaigns.Api.Auth.SignedLink>();
        var page = await host.Anonymous.GetStringAsync(new Uri(link.Url + "&format=html&lang=zh", UriKind.Relative));
        var decision = await host.As(Role.Analyst)
            .GetAsync(new Uri("/v1/campaigns/savings/decisions/h1", UriKind.Relative))
            .ReadAsync<CustomerDecision>();

        Assert.Equal((1, 100m), (report.Lift.Treated.Converted, report.Lift.Treated.Value));
        Assert.Contains("lift,treated,converted,1,", csv, StringComparison.Ordinal);
        Assert.Contains("营销活动报告", page, StringComparison.Ordinal);
        Assert.DoesNotContain("http://", page.Replace("http://www.w3.org", "", StringComparison.Ordinal));
        Assert.Equal(("held_out", "held_out"), (decision.Kind, decision.Reason));
        await host.As(Role.Backend).GetAsync(new Uri(path, UriKind.Relative)).RefusedAsync(403, "forbidden");
    }

    [Theory]
    [InlineData("text/csv", "en", "text/csv", "section,group,metric")]
    [InlineData("text/html", "zh", "text/html", "营销活动报告")]
    [InlineData("text/html", "en, zh;q=0.5", "text/html", "Campaign report")]
    [InlineData("text/csv;q=0.1, application/json", "zh", "application/json", "\"campaignId\"")]
    public async Task The_form_and_language_of_a_report_follow_the_Accept_headers(
        string accept,
        string language,
        string type,
        string content
    )
    {
        await using var given = await GivenArms.CreateAsync();
        await using var host = await ApiHost.StartAsync(given.Database);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/campaigns/savings/report");
        request.Headers.Add("Accept", accept);
        request.Headers.Add("Accept-Language", language);

        var answer = await host.As(Role.Analyst).SendAsync(request);

        Assert.Equal(type, answer.Content.Headers.ContentType?.MediaType);
        Assert.Contains(content, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
