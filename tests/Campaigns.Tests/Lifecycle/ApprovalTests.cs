using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Database;
using Campaigns.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Lifecycle;

public sealed class ApprovalTests(LifecycleHost host) : IClassFixture<LifecycleHost>
{
    private readonly ApiHost _api = host.Api;
    private readonly string _id = GivenCampaign.NewId();

    [Fact]
    public async Task A_campaign_is_submitted_by_one_and_approved_by_another()
    {
        var submitted = await GivenCampaign.SubmittedAsync(_api, _id);
        Assert.Equal(CampaignState.Submitted, submitted.State);
        Assert.Null(submitted.Approval!.Approved);

        var approved = await GivenCampaign
            .ApproveAsync(_api.As(Role.Approver), _id, submitted.Version)
            .ReadAsync<Campaign>();
        Assert.Equal(CampaignState.Approved, approved.State);
        Assert.True(approved.Approval!.Approved);
        Assert.Equal(submitted.Approval.Hash, approved.Approval.Hash);
        Assert.NotEqual(approved.Approval.SubmittedBy, approved.Approval.DecidedBy);
    }

    [Fact]
    public async Task What_is_approved_is_bound_with_everything_it_names()
    {
        var (leaf, nested, template) = (
            GivenCampaign.NewId("leaf"),
            GivenCampaign.NewId("nested"),
            GivenCampaign.NewId("template")
        );
        await GivenCampaign.SegmentAsync(_api, leaf, """{"field":"employer","op":"isSet"}""");
        await GivenCampaign.SegmentAsync(
            _api,
            nested,
            $$"""{"all":[{"segment":"{{leaf}}"},{"segment":"low-balance"}]}"""
        );
        await GivenCampaign.TemplateAsync(_api, template);
        var definition = GivenCampaign.Definition with
        {
            Audience = new Audience { Include = [nested] },
            Variants = [GivenCampaign.Variant(template)],
            Assessment = "PIA-2026-07",
        };
        await GivenCampaign.DraftAsync(_api, _id, definition);
        var submitted = await GivenCampaign.SubmitAsync(_api, _id, expectedAudience: 1_001).ReadAsync<Campaign>();
        await GivenCampaign.ApproveAsync(_api.As(Role.Approver), _id, 1).ReadAsync<Campaign>();

        // Later versions are not what was approved.
        await GivenCampaign.TemplateAsync(_api, template, GivenCampaign.SmsTemplate with { Text = "新的一句话。" });
        await GivenCampaign.SegmentAsync(_api, leaf, """{"field":"employer","op":"isNotSet"}""");

        var bound = (await GivenCampaign.LaunchableAsync(_api.Database.DataSource, _id)).Value.Bound;
        Assert.Equal(
            new[] { (leaf, 1), ("low-balance", 1), (nested, 1) }.OrderBy(
                segment => segment.Item1,
                StringComparer.Ordinal
            ),
            bound.Segments.Select(segment => (segment.SegmentId, segment.Version!.Value))
        );
        Assert.Equal([new TemplateReference(template, 1)], bound.Templates);
        Assert.Equal(new AudienceBounds(1_001, 800, 1_202), bound.Audience);
        Assert.True(bound.UsesSensitive);
        Assert.False(bound.UsesProfiling);
        Assert.Equal(submitted.Approval!.Bound.Segments, bound.Segments);
    }

    [Fact]
    public async Task A_ranking_by_a_score_is_profiling()
    {
        var definition = GivenCampaign.Definition with
        {
            Audience = GivenCampaign.Definition.Audience with { Top = new TopN("score", 100) },
        };
        Assert.True(
            (await GivenCampaign.SubmittedAsync(_api, _id, definition: definition)).Approval!.Bound.UsesProfiling
        );
    }

    [Fact]
    public async Task B10_a_marketer_does_not_approve()
    {
        var submitted = await GivenCampaign.SubmittedAsync(_api, _id);
        await GivenCampaign
            .ApproveAsync(_api.As(Role.Marketer, "another"), _id, submitted.Version)
            .RefusedAsync(403, "forbidden");
    }

    [Fact]
    public async Task B11_nobody_approves_what_he_edited_or_submitted()
    {
        var admin = _api.As(Role.Admin, "editor");
        await admin.PutAsync($"/v1/campaigns/{_id}", GivenCampaign.Definition).ReadAsync<Campaign>();
        await GivenCampaign.DraftAsync(_api, _id, definition: GivenCampaign.Definition with { Priority = 6 });
        await GivenCampaign.SubmitAsync(_api, _id);
        await GivenCampaign.ApproveAsync(admin, _id, 2).RefusedAsync(403, "self-approval");

        var submitter = _api.As(Role.Admin, "submitter");
        var other = GivenCampaign.NewId();
        await GivenCampaign.DraftAsync(_api, other);
        await submitter.PostAsync($"/v1/campaigns/{other}/submit", new Submission()).ReadAsync<Campaign>();
        await GivenCampaign.ApproveAsync(submitter, other, 1).RefusedAsync(403, "self-approval");
    }

    [Fact]
    public async Task Who_edited_what_another_has_approved_since_may_approve_again()
    {
        var admin = _api.As(Role.Admin, "editor");
        await admin.PutAsync($"/v1/campaigns/{_id}", GivenCampaign.Definition).ReadAsync<Campaign>();
        await GivenCampaign.SubmitAsync(_api, _id);
        await GivenCampaign.ApproveAsync(_api.As(Role.Approver), _id, 1).ReadAsync<Campaign>();
        await GivenCampaign.SubmittedAsync(_api, _id, definition: GivenCampaign.Definition with { Priority = 6 });
        await GivenCampaign.ApproveAsync(admin, _id, 2).ReadAsync<Campaign>();
    }

    [Fact]
    public async Task B12_a_version_that_has_changed_is_not_approved()
    {
        await GivenCampaign.SubmittedAsync(_api, _id);
        await GivenCampaign.SubmittedAsync(_api, _id, definition: GivenCampaign.Definition with { Priority = 6 });
        await GivenCampaign.ApproveAsync(_api.As(Role.Approver), _id, 1).RefusedAsync(412, "version-mismatch");
    }

    [Fact]
    public async Task An_approver_says_which_version_was_read()
    {
        await GivenCampaign.SubmittedAsync(_api, _id);
        var problem = await _api.As(Role.Approver)
            .PostAsync($"/v1/campaigns/{_id}/approve", new ApprovalDecision())
            .RefusedAsync(400, "validation-failed");
        Assert.Equal("If-Match", Assert.Single(problem.Errors).Path);
    }

    [Fact]
    public async Task An_edit_voids_the_approval()
    {
        await GivenCampaign.ApprovedAsync(_api, _id);
        var edited = await GivenCampaign.DraftAsync(
            _api,
            _id,
            definition: GivenCampaign.Definition with
            {
                Priority = 6,
            }
        );
        Assert.Equal(CampaignState.Draft, edited.State);
        Assert.Null(edited.Approval);
        var launch = await GivenCampaign.LaunchableAsync(_api.Database.DataSource, _id);
        Assert.Equal("invalid-state", launch.Error!.Type);
    }

    [Fact]
    public async Task A_rejected_version_is_a_draft_that_may_be_submitted_again()
    {
        await GivenCampaign.SubmittedAsync(_api, _id);
        var rejected = await _api.As(Role.Approver)
            .PostAsync($"/v1/campaigns/{_id}/reject", new ApprovalDecision { Comment = "Which product?" }, seen: 1)
            .ReadAsync<Campaign>();
        Assert.Equal(CampaignState.Draft, rejected.State);
        Assert.Equal("Which product?", rejected.Approval!.Comment);
        Assert.False(rejected.Approval.Approved);

        var again = await GivenCampaign.SubmitAsync(_api, _id).ReadAsync<Campaign>();
        Assert.Null(again.Approval!.Approved);
        await GivenCampaign.ApproveAsync(_api.As(Role.Approver), _id, 1).ReadAsync<Campaign>();
    }

    [Fact]
    public async Task A_move_from_the_wrong_state_is_refused()
    {
        await GivenCampaign.DraftAsync(_api, _id);
        await GivenCampaign.ApproveAsync(_api.As(Role.Approver), _id, 1).RefusedAsync(409, "invalid-state");
        await GivenCampaign.SubmitAsync(_api, _id);
        await GivenCampaign.SubmitAsync(_api, _id).RefusedAsync(409, "invalid-state");
        await GivenCampaign.SubmitAsync(_api, "nothing").RefusedAsync(404, "not-found");
    }

    [Fact]
    public async Task What_was_launched_is_not_edited()
    {
        var approved = await GivenCampaign.ApprovedAsync(_api, _id);
        await LaunchAsync(approved);
        await _api.As(Role.Marketer)
            .PutAsync($"/v1/campaigns/{_id}", GivenCampaign.Definition with { Priority = 6 })
            .RefusedAsync(409, "invalid-state");
    }

    [Fact]
    public async Task R11_sensitive_data_without_an_assessment_is_not_launched()
    {
        var definition = GivenCampaign.Definition with
        {
            Audience = new Audience { Include = [GivenCampaign.Sensitive] },
        };
        await GivenCampaign.ApprovedAsync(_api, _id, definition: definition);
        var launch = await GivenCampaign.LaunchableAsync(_api.Database.DataSource, _id);
        Assert.Equal(("assessment-missing", Results.ErrorKind.Conflict), (launch.Error!.Type, launch.Error.Kind));

        await GivenCampaign.ApprovedAsync(_api, _id, definition: definition with { Assessment = "PIA-2026-07" });
        Assert.Null((await GivenCampaign.LaunchableAsync(_api.Database.DataSource, _id)).Error);
    }

    [Theory]
    [InlineData("include")]
    [InlineData("exclude")]
    [InlineData("rank")]
    public async Task R11_whatever_way_a_campaign_uses_sensitive_data_its_launch_is_a_conflict(string way)
    {
        var audience = GivenCampaign.Definition.Audience;
        audience = way switch
        {
            "include" => audience with { Include = [GivenCampaign.Sensitive] },
            "exclude" => audience with { Exclude = [GivenCampaign.Sensitive] },
            _ => audience with { Top = new TopN("balance", 10) },
        };
        var definition = GivenCampaign.Definition with { Audience = audience };
        await GivenCampaign.ApprovedAsync(_api, _id, definition);

        await _api.As(Role.Marketer)
            .PostAsync($"/v1/campaigns/{_id}/launch", new { })
            .RefusedAsync(409, "assessment-missing");
        Assert.Equal(
            CampaignState.Approved,
            (await _api.As(Role.Marketer).GetAsync($"/v1/campaigns/{_id}").ReadAsync<Campaign>()).State
        );
    }

    [Fact]
    public async Task R11_a_template_that_names_sensitive_data_asks_for_an_assessment_as_well()
    {
        var template = GivenCampaign.NewId("balance");
        await GivenCampaign.TemplateAsync(_api, template, GivenCampaign.Balance);
        await GivenCampaign.ApprovedAsync(
            _api,
            _id,
            GivenCampaign.Definition with
            {
                Variants = [GivenCampaign.Variant(template)],
            }
        );

        var launch = await GivenCampaign.LaunchableAsync(_api.Database.DataSource, _id);

        Assert.Equal("assessment-missing", launch.Error?.Type);
    }

    [Theory]
    [InlineData("balance", "balance_after")]
    [InlineData("balance_after", "balance")]
    public async Task R11_a_goal_whose_number_of_last_year_is_sensitive_asks_for_an_assessment_as_well(
        string before,
        string after
    )
    {
        var goal = new Goal
        {
            Field = "score",
            Window = TimeSpan.FromDays(14),
            LastYear = new LastYearFields(before, after),
        };
        await GivenCampaign.ApprovedAsync(_api, _id, GivenCampaign.Definition with { Goal = goal });

        var launch = await GivenCampaign.LaunchableAsync(_api.Database.DataSource, _id);

        Assert.Equal("assessment-missing", launch.Error?.Type);
    }

    [Fact]
    public async Task A_campaign_whose_last_day_has_passed_is_not_submitted()
    {
        var past = GivenCampaign.Definition.Schedule with { From = new(2026, 1, 1), To = new(2026, 1, 2) };
        await GivenCampaign.DraftAsync(_api, _id, definition: GivenCampaign.Definition with { Schedule = past });
        await GivenCampaign.SubmitAsync(_api, _id).RefusedAsync(422, "invalid-window");
    }

    [Fact]
    public async Task A_segment_is_not_archived_while_a_campaign_that_was_submitted_uses_it()
    {
        var (inner, outer) = (GivenCampaign.NewId("inner"), GivenCampaign.NewId("outer"));
        await GivenCampaign.SegmentAsync(_api, inner, """{"tag": "vip"}""");
        await GivenCampaign.SegmentAsync(_api, outer, $$"""{"not": {"segment": "{{inner}}"} }""");
        var using_ = GivenCampaign.Definition with { Audience = new Audience { Include = [outer] } };
        await GivenCampaign.SubmittedAsync(_api, _id, using_);
        Task<HttpResponseMessage> ArchiveAsync() =>
            _api.As(Role.Marketer).PostAsync($"/v1/segments/{outer}/archive", new { });

        var problem = await ArchiveAsync().RefusedAsync(409, "segment-in-use");
        Assert.Contains(_id, problem.Detail, StringComparison.Ordinal);

        await GivenCampaign.DraftAsync(_api, _id, using_ with { Priority = 7 });
        Assert.Equal(System.Net.HttpStatusCode.NoContent, (await ArchiveAsync()).StatusCode);
        await GivenCampaign.SubmitAsync(_api, _id).RefusedAsync(422, "unknown-segment");
    }

    [Fact]
    public async Task A_campaign_whose_last_window_has_passed_is_not_launched_and_stays_approved()
    {
        await using var api = await GivenCampaign.HostAsync();
        await Planning.GivenCustomers.AddAsync(api, 1);
        await GivenCampaign.ApprovedAsync(api, _id);
        await using var connection = await api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("UPDATE business_clock SET clock_offset = interval '20 days'");

        await api.As(Role.Marketer)
            .PostAsync($"/v1/campaigns/{_id}/launch", new { })
            .RefusedAsync(422, "no-window-left");

        var campaign = await api.As(Role.Marketer).GetAsync($"/v1/campaigns/{_id}").ReadAsync<Campaign>();
        Assert.Equal(CampaignState.Approved, campaign.State);
    }

    [Fact]
    public async Task A_template_that_no_longer_satisfies_its_gateway_is_not_submitted()
    {
        var template = GivenCampaign.NewId("template");
        await GivenCampaign.TemplateAsync(_api, template);
        await GivenCampaign.DraftAsync(
            _api,
            _id,
            GivenCampaign.Definition with
            {
                Variants = [GivenCampaign.Variant(template)],
            }
        );
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            "UPDATE template_version SET text = '{{gone}}' WHERE template_id = @template",
            new { template }
        );
        var problem = await GivenCampaign.SubmitAsync(_api, _id).RefusedAsync(422, "unknown-variable");
        Assert.Equal("variants[0].templates.sms", Assert.Single(problem.Errors).Path);
    }

    [Fact]
    public async Task I7_every_change_leaves_its_line_in_the_audit_log()
    {
        await GivenCampaign.ApprovedAsync(_api, _id);
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        var lines = await connection.QueryAsync<(string Action, string Actor)>(
            "SELECT action, actor FROM audit WHERE subject_kind = 'campaign' AND subject_id = @_id ORDER BY seq",
            new { _id }
        );
        Assert.Equal(["edited", "submitted", "approved"], lines.Select(line => line.Action));
        Assert.Equal(2, lines.Select(line => line.Actor).Distinct().Count());
    }

    [Fact]
    public async Task Only_one_of_two_deciding_at_once_has_his_way()
    {
        var submitted = await GivenCampaign.SubmittedAsync(_api, _id);
        var approver = _api.As(Role.Approver);
        var answers = await Task.WhenAll(
            Enumerable.Range(0, 6).Select(_ => GivenCampaign.ApproveAsync(approver, _id, submitted.Version))
        );
        Assert.Single(answers, answer => answer.IsSuccessStatusCode);
    }

    private async Task LaunchAsync(Campaign campaign)
    {
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var approved = (await CampaignApprovals.ApprovedAsync(connection, campaign.CampaignId)).Value;
        var now = await BusinessClock.NowAsync(connection);
        Assert.True(await CampaignStates.LaunchAsync(connection, approved.CampaignKey, Actor.Service, now));
        await transaction.CommitAsync();
    }
}
