using System.Globalization;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Jobs;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Reports;
using Campaigns.Segments;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Reports;

public sealed class TraceTests
{
    private readonly string _id = GivenCampaign.NewId("trace");

    [Fact]
    public async Task R16_every_decision_says_by_whom_when_by_which_rule_and_by_which_versions_it_was_made()
    {
        await using var api = await GivenCampaign.HostAsync();
        await api.As(Role.Operator).PutAsync("/v1/policy", new ContactPolicy()).ReadAsync<object>();
        await api.As(Role.Operator).PutAsync("/v1/holdouts/global", new { share = 0.0001 }).ReadAsync<object>();
        await api.As(Role.Operator)
            .PutAsync("/v1/calendars/china", new { daysOff = Array.Empty<string>() })
            .ReadAsync<object>();
        await CustomersAsync(api);
        await GivenCampaign.TemplateAsync(api, "payday-sms", GivenCampaign.SmsTemplate with { Text = "第二版。" });
        var definition = GivenCampaign.Definition;
        var approved = await GivenCampaign.ApprovedAsync(
            api,
            _id,
            definition with
            {
                Audience = new Audience { Include = [GivenCampaign.Segment], Exclude = ["vip"] },
                Schedule = definition.Schedule with { Calendar = "china" },
                Holdout = 0,
            }
        );
        await LaunchAsync(api);
        await ChangeEverythingAsync(api);

        foreach (var (customer, rule) in new[] { ("touched", "touch"), ("refused", "opted_out"), ("vip", "excluded") })
        {
            var trace = (await DecisionAsync(api, customer)).Trace;

            Assert.Equal((rule, 1), (trace.Rule, trace.CampaignVersion));
            Assert.Equal(approved.Approval!.Hash, trace.Origin!.Hash);
            Assert.Equal(
                (approved.Approval.SubmittedBy, approved.Approval.SubmittedAt),
                (trace.Origin.SubmittedBy, trace.Origin.SubmittedAt)
            );
            Assert.Equal(
                (approved.Approval.DecidedBy, approved.Approval.DecidedAt),
                (trace.Origin.ApprovedBy, trace.Origin.ApprovedAt)
            );
            Assert.NotEqual(trace.Origin.ApprovedBy, trace.Origin.LaunchedBy);
            Assert.InRange(trace.AsOf, trace.Origin.ApprovedAt, trace.DecidedAt);
            Assert.Equal([new SegmentReference(GivenCampaign.Segment, 1)], trace.Include);
            Assert.Equal([new SegmentReference("vip", 1)], trace.Exclude);
            Assert.Equal(rule == "touch" ? new TemplateReference("payday-sms", 2) : null, trace.Template);
            Assert.Equal((1, 1, 1), (trace.PolicyVersion, trace.CalendarVersion, trace.GlobalHoldoutVersion));
        }
    }

    [Fact]
    public async Task R16_what_a_preview_decides_nobody_answers_for()
    {
        await using var api = await GivenCampaign.HostAsync();
        await CustomersAsync(api);
        await GivenCampaign.DraftAsync(api, _id);
        await api.As(Role.Marketer).PostAsync($"/v1/campaigns/{_id}/preview", new { }).ReadAsync<object>();

        await api.As(Role.Analyst).GetAsync($"/v1/campaigns/{_id}/decisions/touched").RefusedAsync(404, "not-found");
    }

    private static async Task CustomersAsync(ApiHost api)
    {
        await GivenCampaign.SegmentAsync(api, "vip", """{"tag":"vip"}""");
        await using var connection = await api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            INSERT INTO customer (customer_id, attributes, tags, updated_at) VALUES
                ('touched', '{"employer": "works"}', '{}', now()), ('refused', '{"employer": "works"}', '{}', now()),
                ('vip', '{"employer": "works"}', '{vip}', now());
            INSERT INTO contact (customer_key, reachable, consented, opted_out)
            SELECT customer_key, 7, 7, CASE customer_id WHEN 'refused' THEN 1 ELSE 0 END FROM customer;
            UPDATE global_holdout SET salt = 'one that holds out none of these'
            """
        );
    }

    /// <summary>What the decisions were made by gets another version each.</summary>
    private async Task ChangeEverythingAsync(ApiHost api)
    {
        await GivenCampaign.TemplateAsync(api, "payday-sms", GivenCampaign.SmsTemplate with { Text = "第三版。" });
        await GivenCampaign.SegmentAsync(api, GivenCampaign.Segment, """{"field":"employer","op":"eq","value":"x"}""");
        await GivenCampaign.SegmentAsync(api, "vip", """{"tag":"other"}""");
        var @operator = api.As(Role.Operator);
        var policy = new ContactPolicy { Caps = new FrequencyCaps { PerWeek = 3 } };
        await @operator.PutAsync("/v1/policy", policy).ReadAsync<object>();
        await @operator.PutAsync("/v1/holdouts/global", new { share = 0.5 }).ReadAsync<object>();
        await @operator.PutAsync("/v1/calendars/china", new { daysOff = new[] { "2030-02-04" } }).ReadAsync<object>();
    }

    private async Task LaunchAsync(ApiHost api)
    {
        await api.As(Role.Operator, "launcher").PostAsync($"/v1/campaigns/{_id}/launch", new { }).ReadAsync<Launched>();
        await using var connection = await api.Database.DataSource.OpenConnectionAsync();
        var run = await connection.QuerySingleAsync<int>(
            "SELECT run_key FROM run JOIN campaign USING (campaign_key) WHERE campaign_id = @_id",
            new { _id }
        );
        var lane = new Job("plan:test:1", JobKind.PlanPart, run.ToString(CultureInfo.InvariantCulture), "planning");
        await api.Services.GetRequiredService<Planner>().RunAsync(lane, CancellationToken.None);
    }

    private Task<CustomerDecision> DecisionAsync(ApiHost api, string customer) =>
        api.As(Role.Analyst).GetAsync($"/v1/campaigns/{_id}/decisions/{customer}").ReadAsync<CustomerDecision>();
}
