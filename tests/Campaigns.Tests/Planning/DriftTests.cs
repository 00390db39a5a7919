using System.Globalization;
using Campaigns.Access;
using Campaigns.Jobs;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Planning;

public sealed class DriftTests(LifecycleHost host) : IClassFixture<LifecycleHost>
{
    private readonly ApiHost _api = host.Api;
    private readonly HttpClient _marketer = host.Api.As(Role.Marketer);
    private readonly string _id = GivenCampaign.NewId("drift");

    [Fact]
    public async Task A_run_outside_what_was_approved_stops_and_goes_on_once_its_size_of_today_is_approved()
    {
        await GivenCustomers.AddAsync(_api, 10);
        var size = await CountAsync("SELECT count(*) FROM customer");
        await GivenCampaign.DraftAsync(_api, _id);
        await LaunchAsync(expected: size * 2);
        await PlanAsync();

        var stopped = await RunAsync();
        Assert.Equal("stopped", stopped.State);
        Assert.StartsWith("audience-drift: ", stopped.Failure, StringComparison.Ordinal);
        Assert.Equal((size, size * 2), (stopped.Decided, stopped.Approved?.Expected));
        Assert.Equal(CampaignState.Draft, await StateAsync());
        Assert.Equal(
            0,
            await CountAsync(
                "SELECT count(*) FROM chunk JOIN run USING (run_key) JOIN campaign USING (campaign_key) WHERE campaign_id = @_id"
            )
        );

        await LaunchAsync(expected: size);
        await PlanAsync();

        var run = await RunAsync();
        Assert.Equal((2, "planned", size), (run.Run, run.State, run.Ledger?.Audience));
        Assert.DoesNotContain("already_enrolled", run.Ledger!.Suppressed.Keys);
        Assert.Equal(CampaignState.Running, await StateAsync());
    }

    [Theory]
    [InlineData(null, 5_000)]
    [InlineData(20_000, 20_000)]
    public async Task What_the_sequence_is_tuned_to_is_bound_when_the_run_is_launched(int? said, int bound)
    {
        await GivenCustomers.AddAsync(_api, 10);
        var definition = GivenCampaign.Definition;
        var goal = definition.Goal with { SequenceCustomers = said };
        await GivenCampaign.DraftAsync(_api, _id, definition with { Goal = goal });

        await LaunchAsync(expected: await CountAsync("SELECT count(*) FROM customer"));

        Assert.Equal(
            bound,
            await CountAsync(
                """
                SELECT (plan #>> '{goal,sequenceCustomers}')::bigint
                FROM run JOIN campaign USING (campaign_key) WHERE campaign_id = @_id
                """
            )
        );
    }

    [Theory]
    [InlineData(0.84, true)]
    [InlineData(1.25, true)]
    [InlineData(0.8, false)]
    [InlineData(1.3, false)]
    public async Task An_audience_may_be_a_fifth_more_or_less_than_expected(double expected, bool goes)
    {
        await GivenCustomers.AddAsync(_api, 100);
        var size = await CountAsync("SELECT count(*) FROM customer");
        await GivenCampaign.DraftAsync(_api, _id);
        await LaunchAsync((long)Math.Round(size * expected));
        await PlanAsync();

        Assert.Equal(goes ? "planned" : "stopped", (await RunAsync()).State);
    }

    [Fact]
    public async Task Whom_a_cancelled_campaign_would_have_had_does_not_bring_it_back()
    {
        await GivenCustomers.AddAsync(_api, 10);
        await GivenCampaign.DraftAsync(_api, _id);
        await LaunchAsync(expected: 1_000_000);
        await _api.As(Role.Operator).PostAsync($"/v1/campaigns/{_id}/cancel", new { });
        await PlanAsync();

        Assert.Equal("cancelled", (await RunAsync()).State);
        Assert.Equal(CampaignState.Cancelled, await StateAsync());
    }

    private async Task LaunchAsync(long expected)
    {
        var submitted = await GivenCampaign.SubmitAsync(_api, _id, expected).ReadAsync<Campaign>();
        await GivenCampaign.ApproveAsync(_api.As(Role.Approver), _id, submitted.Version).ReadAsync<Campaign>();
        await _marketer.PostAsync($"/v1/campaigns/{_id}/launch", new { }).ReadAsync<Launched>();
    }

    private async Task PlanAsync()
    {
        var run = await CountAsync(
            """
            SELECT run_key FROM run JOIN campaign USING (campaign_key)
            WHERE campaign_id = @_id ORDER BY number DESC LIMIT 1
            """
        );
        var lane = new Job("plan:test:1", JobKind.PlanPart, run.ToString(CultureInfo.InvariantCulture), "planning");
        await _api.Services.GetRequiredService<Planner>().RunAsync(lane, CancellationToken.None);
    }

    private Task<RunStatus> RunAsync() => _marketer.GetAsync($"/v1/campaigns/{_id}/run").ReadAsync<RunStatus>();

    private async Task<CampaignState> StateAsync() =>
        (await _marketer.GetAsync($"/v1/campaigns/{_id}").ReadAsync<Campaign>()).State;

    private async Task<long> CountAsync(string sql)
    {
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        return await connection.QuerySingleAsync<long>(sql, new { _id });
    }
}
