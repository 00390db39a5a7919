using System.Net.Http.Headers;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Segments;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Planning;

/// <summary>The rules of compliance that planning decides, by their numbers. R4 to R6, R11 to R13 and R18 are the template's
/// and the campaign's, R7 and R17 the customer's, R16 the report's: they are tested there. What
/// holds until the last moment (R1, R2, R14, R15, R19) is tested on the wire too.</summary>
public sealed class RulesTests(LifecycleHost host) : IClassFixture<LifecycleHost>
{
    private readonly ApiHost _api = host.Api;
    private readonly HttpClient _marketer = host.Api.As(Role.Marketer);
    private readonly string _id = GivenCampaign.NewId("rules");

    private static CampaignDefinition Campaign => GivenCampaign.Definition with { Holdout = 0 };

    [Fact]
    public async Task R1_without_consent_for_the_channel_nobody_is_reached()
    {
        var someone = await CustomerAsync("consented = 6"); // all but SMS

        Assert.Equal("no_consent", (await ExplainAsync(someone, Campaign)).Decision);
    }

    [Fact]
    public async Task R2_who_has_refused_is_not_reached()
    {
        var someone = await CustomerAsync("opted_out = 1");

        Assert.Equal("opted_out", (await ExplainAsync(someone, Campaign)).Decision);
    }

    [Fact]
    public async Task R3_a_refusal_holds_whatever_name_is_signed()
    {
        var other = GivenCampaign.NewId("other-name");
        await GivenCampaign.TemplateAsync(_api, other, GivenCampaign.SmsTemplate with { Sender = "示例银行信用卡" });
        var someone = await CustomerAsync("opted_out = 1");

        var explained = await ExplainAsync(someone, Campaign with { Variants = [GivenCampaign.Variant(other)] });

        Assert.Equal("opted_out", explained.Decision);
    }

    [Theory]
    [InlineData("R8 a score", "personalisation_off")]
    [InlineData("R8 nothing of it", "touch")]
    public async Task R8_who_has_switched_personalisation_off_gets_only_what_profiles_nobody(
        string uses,
        string decision
    )
    {
        var someone = await CustomerAsync("personalisation_off = true");
        var audience = Campaign.Audience with { Top = uses == "R8 a score" ? new TopN("score", 1_000) : null };

        Assert.Equal(decision, (await ExplainAsync(someone, Campaign with { Audience = audience })).Decision);
    }

    [Theory]
    [InlineData("risk_rating = NULL", "unsuitable")]
    [InlineData("risk_rating = 2", "unsuitable")]
    [InlineData("risk_rating = 3", "touch")]
    [InlineData("risk_rating = 5, risk_rated_until = now()::date - 2", "unsuitable")]
    [InlineData("risk_rating = 3, risk_rated_until = now()::date + 2", "touch")]
    public async Task R9_a_product_goes_to_whom_it_suits(string customer, string decision) =>
        Assert.Equal(
            decision,
            (await ExplainAsync(await CustomerAsync(customer), Campaign with { ProductRisk = 3 })).Decision
        );

    [Theory]
    [InlineData("student = true", "unsuitable")]
    [InlineData("student = false", "touch")]
    public async Task R9_consumer_credit_goes_to_no_student(string customer, string decision) =>
        Assert.Equal(
            decision,
            (await ExplainAsync(await CustomerAsync(customer), Campaign with { ConsumerCredit = true })).Decision
        );

    [Theory]
    [InlineData(65, false, 3, "unsuitable")]
    [InlineData(64, false, 3, "touch")]
    [InlineData(65, true, 3, "touch")]
    [InlineData(65, false, null, "touch")]
    public async Task R9_from_65_on_a_product_with_a_risk_needs_the_approvers_tick(
        int age,
        bool ticked,
        int? risk,
        string decision
    )
    {
        var someone = await CustomerAsync($"risk_rating = 5, birth_date = (now() - interval '{age} years')::date - 2");
        await GivenCampaign.DraftAsync(_api, _id, Campaign with { ProductRisk = risk });
        await _marketer.PostAsync($"/v1/campaigns/{_id}/submit", new Submission()).ReadAsync<Campaign>();
        await _api.As(Role.Approver)
            .PostAsync($"/v1/campaigns/{_id}/approve", new ApprovalDecision { AllowOver65 = ticked }, seen: 1)
            .ReadAsync<Campaign>();

        Assert.Equal(decision, (await ExplainAsync(someone)).Decision);
    }

    [Fact]
    public async Task R10_a_segment_that_reads_a_sensitive_field_has_nobody_without_consent_to_that()
    {
        var (agreed, silent) = await TwoAsync(balance: 10);
        var campaign = Campaign with { Audience = new Audience { Include = [GivenCampaign.Sensitive] } };

        Assert.Equal("touch", (await ExplainAsync(agreed, campaign)).Decision);
        Assert.False((await ExplainAsync(silent, campaign)).InAudience);
    }

    [Theory]
    [InlineData(10, "excluded")]
    [InlineData(5_000, "touch")]
    public async Task R10_an_excluded_segment_that_reads_one_has_everybody_without_it(int balance, string agreedIs)
    {
        var (agreed, silent) = await TwoAsync(balance);
        var campaign = Campaign with { Audience = Campaign.Audience with { Exclude = [GivenCampaign.Sensitive] } };

        Assert.Equal(agreedIs, (await ExplainAsync(agreed, campaign)).Decision);
        Assert.Equal("excluded", (await ExplainAsync(silent, campaign)).Decision);
    }

    [Fact]
    public async Task R10_a_ranking_by_one_has_nobody_without_it_however_much_room_there_is()
    {
        await using var api = await GivenCampaign.HostAsync();
        var rules = new RulesTests(LifecycleHost.Of(api));
        var campaign = Campaign with { Audience = Campaign.Audience with { Top = new TopN("balance", 100) } };
        var alone = await rules.CustomerAsync("sensitive_consent = false", """{"employer": "x", "balance": 10}""");
        Assert.Equal("not_in_top", (await rules.ExplainAsync(alone, campaign)).Decision);

        var (agreed, silent) = await rules.TwoAsync(balance: 10);
        var without = await rules.CustomerAsync("sensitive_consent = true");

        Assert.Equal("touch", (await rules.ExplainAsync(agreed, campaign)).Decision);
        Assert.Equal("not_in_top", (await rules.ExplainAsync(silent, campaign)).Decision);
        Assert.Equal("not_in_top", (await rules.ExplainAsync(without, campaign)).Decision);
    }

    [Fact]
    public async Task R8_a_template_that_says_a_score_reaches_nobody_who_refused_to_be_profiled()
    {
        var template = GivenCampaign.NewId("score");
        await GivenCampaign.TemplateAsync(
            _api,
            template,
            GivenCampaign.SmsTemplate with
            {
                Text = "您的积分{{score}}。",
            }
        );
        var campaign = Campaign with { Variants = [GivenCampaign.Variant(template)] };

        var refused = await ExplainAsync(await CustomerAsync("personalisation_off = true"), campaign);
        var silent = await ExplainAsync(await CustomerAsync("personalisation_off = false"));

        Assert.Equal(("personalisation_off", "touch"), (refused.Decision, silent.Decision));
    }

    [Theory]
    [InlineData("birth_date = (now() - interval '13 years')::date", "minor")]
    [InlineData("birth_date = (now() - interval '15 years')::date", "touch")]
    public async Task R10_nobody_under_fourteen_is_reached(string customer, string decision) =>
        Assert.Equal(decision, (await ExplainAsync(await CustomerAsync(customer), Campaign)).Decision);

    [Fact]
    public async Task R15_whoever_has_refused_marketing_is_still_served()
    {
        var servicing = GivenCampaign.NewId("servicing");
        await GivenCampaign.TemplateAsync(
            _api,
            servicing,
            GivenCampaign.SmsTemplate with
            {
                Purpose = Purpose.Servicing,
            }
        );
        var someone = await CustomerAsync("opted_out = 7, consented = 0, personalisation_off = true");

        var explained = await ExplainAsync(
            someone,
            Campaign with
            {
                Purpose = Purpose.Servicing,
                Goal = Campaign.Goal with { Sale = false },
                Variants = [GivenCampaign.Variant(servicing)],
            }
        );

        Assert.Equal("touch", explained.Decision);
    }

    [Fact]
    public async Task R14_a_run_keeps_the_hours_by_which_whoever_moves_is_put_off()
    {
        await CustomerAsync("consented = 7");
        await GivenCampaign.ApprovedAsync(_api, _id, Campaign);
        await _marketer.PostAsync($"/v1/campaigns/{_id}/launch", new { }).ReadAsync<Launched>();

        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        var hours = await connection.QuerySingleAsync<string>(
            """
            SELECT plan #>> '{hours,quietHours,from}' FROM run JOIN campaign USING (campaign_key)
            WHERE campaign_id = @_id
            """,
            new { _id }
        );
        Assert.StartsWith("20:00", hours, StringComparison.Ordinal);
    }

    [Fact]
    public async Task R14_a_touch_is_put_off_to_eight_at_night_and_goes_at_once_by_day()
    {
        await using var api = await GivenCampaign.HostAsync();
        var rules = new RulesTests(LifecycleHost.Of(api));
        var someone = await rules.CustomerAsync("consented = 7");
        await GivenCampaign.DraftAsync(
            api,
            rules._id,
            Campaign with
            {
                Schedule = Campaign.Schedule with { Windows = [] },
            }
        );
        foreach (var time in new[] { "07:59:58", "08:00:00", "19:59:55", "20:00:00" })
        {
            await using (var connection = await api.Database.DataSource.OpenConnectionAsync())
            {
                await connection.ExecuteAsync(
                    """
                    UPDATE business_clock
                    SET clock_offset = ((now() AT TIME ZONE 'Asia/Shanghai')::date + 1 + @time::time)
                                       AT TIME ZONE 'Asia/Shanghai' - clock_timestamp()
                    """,
                    new { time }
                );
            }

            var explained = await rules.ExplainAsync(someone);

            // The clock goes on while it is asked.
            var local = explained.AsOf.ToOffset(TimeSpan.FromHours(8));
            var opens = new DateTimeOffset(local.Date.AddHours(8), local.Offset);
            var earliest =
                local.Hour < 8 ? opens
                : local.Hour < 20 ? local
                : opens.AddDays(1);
            Assert.Equal(earliest, explained.Earliest);
        }
    }

    [Fact]
    public async Task R19_who_is_held_out_is_decided_by_the_customers_key_and_stays()
    {
        await GivenCampaign.DraftAsync(_api, _id, Campaign with { Holdout = 0.5m });
        var salt = Assignment.Salt32(Assignment.HoldoutSalt(_id));
        for (var i = 0; i < 6; i++)
        {
            var someone = await CustomerAsync("consented = 7");
            await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
            var key = await connection.QuerySingleAsync<long>(
                "SELECT customer_key FROM customer WHERE customer_id = @someone",
                new { someone }
            );

            var expected = Assignment.Bucket(key, salt) < 5_000 ? "held_out" : "touch";

            Assert.Equal(expected, (await ExplainAsync(someone)).Decision);
            Assert.Equal(expected, (await ExplainAsync(someone)).Decision);
        }
    }

    [Fact]
    public async Task R19_whom_the_bank_holds_out_gets_nothing_of_any_campaign()
    {
        await using var api = await GivenCampaign.HostAsync();
        await api.As(Role.Operator).PutAsync("/v1/holdouts/global", new { share = 0.5 }).ReadAsync<object>();
        var rules = new RulesTests(LifecycleHost.Of(api));
        for (var i = 0; i < 8; i++)
        {
            var someone = await rules.CustomerAsync("consented = 7");

            var one = (await rules.ExplainAsync(someone, Campaign)).Decision;
            var other = (await rules.ExplainAsync(someone, Campaign with { Priority = 9 })).Decision;

            Assert.Equal(one, other);
        }
    }

    [Fact]
    public async Task Every_rule_that_fails_is_told_in_the_readers_language_and_the_earliest_instant_with_them()
    {
        var someone = await CustomerAsync("birth_date = now()::date, opted_out = 1, student = true");
        await GivenCampaign.DraftAsync(_api, _id, Campaign with { ConsumerCredit = true, ProductRisk = 1 });

        var english = await ExplainAsync(someone);
        var chinese = await ExplainAsync(someone, language: "zh-CN");

        Assert.Equal(["minor", "unsuitable", "opted_out", "no_consent"], english.Failing);
        Assert.Equal(("minor", "is under 14"), (english.Decision, english.Words[0]));
        Assert.Equal(english.Failing.Count, english.Words.Count);
        Assert.Equal("未满 14 周岁", chinese.Words[0]);
        Assert.True(english.Earliest >= english.AsOf);
        Assert.InRange(english.Earliest!.Value.ToOffset(TimeSpan.FromHours(8)).TimeOfDay.TotalHours, 9, 11.5);
    }

    [Fact]
    public async Task A_cap_that_is_reached_is_told_beside_what_fails_before_it()
    {
        await using var api = await GivenCampaign.HostAsync();
        await api.As(Role.Operator)
            .PutAsync("/v1/policy", new ContactPolicy { Caps = new FrequencyCaps { PerWeek = 3 } })
            .ReadAsync<object>();
        var rules = new RulesTests(LifecycleHost.Of(api));
        var someone = await rules.CustomerAsync(
            "student = true, last_day = now()::date - date '2000-01-01', contacts = 3"
        );

        var explained = await rules.ExplainAsync(someone, Campaign with { ConsumerCredit = true });

        Assert.Equal(["unsuitable", "frequency_cap"], explained.Failing);
    }

    [Fact]
    public void Every_reason_has_words_in_both_languages()
    {
        foreach (var language in Enum.GetValues<RuleLanguage>())
        {
            var words = Enum.GetValues<Reason>().Select(reason => reason.In(language)).ToList();
            Assert.Equal(words.Count, words.Distinct().Count());
        }
    }

    private async Task<Explanation> ExplainAsync(string customer, CampaignDefinition campaign)
    {
        await GivenCampaign.DraftAsync(_api, _id, campaign);
        return await ExplainAsync(customer);
    }

    private async Task<Explanation> ExplainAsync(string customer, string language = "en")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/campaigns/{_id}/explain/{customer}");
        request.Headers.AcceptLanguage.Add(new StringWithQualityHeaderValue(language));
        return await _marketer.SendAsync(request).ReadAsync<Explanation>();
    }

    /// <summary>Two of the same balance; the second has not consented to the use of sensitive data.</summary>
    private async Task<(string Agreed, string Silent)> TwoAsync(int balance)
    {
        var attributes = $$"""{"employer": "works", "balance": {{balance}}}""";
        return (
            await CustomerAsync("sensitive_consent = true", attributes),
            await CustomerAsync("sensitive_consent = false", attributes)
        );
    }

    /// <summary>A member of the segment who can be reached by all and has consented, but for what is said.</summary>
    private async Task<string> CustomerAsync(string said, string attributes = """{"employer": "works"}""")
    {
        var id = $"C{Guid.NewGuid():n}";
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            $"""
            WITH made AS (
                INSERT INTO customer (customer_id, attributes, updated_at) VALUES (@id, @attributes::jsonb, now())
                RETURNING customer_key
            )
            INSERT INTO contact (customer_key, reachable, consented) SELECT customer_key, 7, 7 FROM made;
            UPDATE contact SET {said} WHERE customer_key = (SELECT customer_key FROM customer WHERE customer_id = @id)
            """,
            new { id, attributes }
        );
        return id;
    }
}
