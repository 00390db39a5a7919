using System.Text.Json;
using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Customers;
using Campaigns.Customers.Inbox;
using Campaigns.Lifecycle;
using Campaigns.Outcomes;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Outcomes;

/// <summary>What is wrong with events, engagements and conversions is said where it was sent.</summary>
public sealed class IntakeFaultTests(LifecycleHost host) : IClassFixture<LifecycleHost>
{
    private static readonly DateTimeOffset At = DateTimeOffset.UtcNow.AddHours(-1);
    private readonly ApiHost _api = host.Api;
    private readonly HttpClient _backend = host.Api.As(Role.Backend);

    [Fact]
    public async Task A_partner_uses_the_names_that_approved_goals_and_the_bank_have_made_known()
    {
        var partner = _api.As(Role.Partner);
        var (ofGoal, ofBank) = ($"goal-{Guid.NewGuid():n}", $"bank-{Guid.NewGuid():n}");
        var conversion = Conversion(ofGoal) with { Source = "partner-1" };

        var unknown = await PostAsync(partner, conversion).RefusedAsync(422, "unknown-name");
        Assert.Equal(["conversions[0].name"], unknown.Errors.Select(error => error.Path));
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        Assert.False(await KnowsAsync());

        var goal = new Goal { Event = ofGoal, Window = TimeSpan.FromDays(7) };
        await GivenCampaign.ApprovedAsync(_api, GivenCampaign.NewId(), GivenCampaign.Definition with { Goal = goal });
        await PostAsync(_backend, Conversion(ofBank)).ReadAsync<BatchAnswer>();

        Assert.True(await KnowsAsync());
        var answer = await PostAsync(partner, conversion, conversion with { Id = "2", Name = ofBank })
            .ReadAsync<BatchAnswer>();
        Assert.Equal(2, answer.Created);

        Task<bool> KnowsAsync() =>
            connection.QuerySingleAsync<bool>(
                "SELECT EXISTS (SELECT FROM event_type WHERE name = @ofGoal)",
                new { ofGoal }
            );
    }

    [Theory]
    [InlineData(null)]
    [InlineData("another")]
    public async Task A_conversion_keeps_what_a_goal_may_ask_of_it(string? reverses)
    {
        var name = $"bought-{Guid.NewGuid():n}";
        var conversion = Conversion(name) with
        {
            Id = name,
            Reverses = reverses,
            Attributes = new Dictionary<string, JsonElement>
            {
                ["product"] = JsonSerializer.SerializeToElement("gold"),
            },
        };

        Assert.Equal(1, (await PostAsync(_backend, conversion).ReadAsync<BatchAnswer>()).Created);

        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        Assert.Equal(
            ("gold", reverses),
            await connection.QuerySingleAsync<(string, string?)>(
                "SELECT attributes ->> 'product', attributes ->> 'reverses' FROM event WHERE event_id = @name",
                new { name }
            )
        );
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\nb")]
    public async Task What_a_conversion_takes_back_is_an_id(string reverses)
    {
        var problem = await PostAsync(_backend, Conversion("bought") with { Reverses = reverses })
            .RefusedAsync(400, "validation-failed");
        Assert.Equal(["conversions[0].reverses"], problem.Errors.Select(error => error.Path));
    }

    [Theory]
    [InlineData("")]
    [InlineData("No campaign's id")]
    public async Task An_engagement_is_with_a_campaign_that_there_could_be(string campaignId)
    {
        var problem = await PostAsync(Engagement("mobile-bank") with { CampaignId = campaignId })
            .RefusedAsync(400, "validation-failed");
        Assert.Equal(["engagements[0].campaignId"], problem.Errors.Select(error => error.Path));
    }

    [Fact]
    public async Task An_item_of_several_names_its_own_fields()
    {
        var answer = await PostAsync(_backend, Conversion("bought"), Conversion("bought") with { Reverses = "" })
            .ReadAsync<BatchAnswer>();
        Assert.Equal([null, "reverses"], answer.Items.Select(item => item.Errors?.Single().Path));
    }

    [Fact]
    public async Task A_batch_of_one_event_is_refused_where_its_fault_is()
    {
        var problem = await _backend
            .PostAsync(
                "/v1/events",
                new EventsBody
                {
                    Events =
                    [
                        new()
                        {
                            Source = "Core Bank",
                            Id = "1",
                            CustomerId = "c1",
                            Name = "payment",
                            OccurredAt = At,
                        },
                    ],
                }
            )
            .RefusedAsync(400, "validation-failed");
        Assert.Equal(["events[0].source"], problem.Errors.Select(error => error.Path));
    }

    [Theory]
    [InlineData("inbox")]
    [InlineData("wechat")]
    public async Task The_services_own_sources_are_nobody_elses(string source)
    {
        var engagement = await PostAsync(Engagement(source)).RefusedAsync(400, "validation-failed");
        var conversion = await PostAsync(_backend, Conversion("bought") with { Source = source })
            .RefusedAsync(400, "validation-failed");

        Assert.Equal(["engagements[0].source"], engagement.Errors.Select(error => error.Path));
        Assert.Equal(["conversions[0].source"], conversion.Errors.Select(error => error.Path));
    }

    [Fact]
    public async Task A_message_cannot_be_kept_unread_by_somebody_who_guesses_its_mark()
    {
        await using var bank = await GivenInbox.CreateAsync();
        await bank.SendAsync();
        var id = (await bank.OnlyAsync("c1")).Id;

        await bank
            .Api.As(Role.Backend)
            .PostAsync(
                "/v1/engagements",
                new EngagementsBody
                {
                    Engagements = [Engagement("inbox") with { Id = $"{id}:shown", CampaignId = "campaign-1" }],
                }
            )
            .RefusedAsync(400, "validation-failed");

        Assert.Equal(1, (await bank.MarkAsync("c1", GivenInbox.Mark(id, InboxMarkKind.Shown))).Created);
        Assert.Equal(InboxState.Shown, (await bank.OnlyAsync("c1")).State);
    }

    private static ConversionItem Conversion(string name) =>
        new()
        {
            Source = "core-bank",
            Id = "1",
            CustomerId = "c1",
            Name = name,
            OccurredAt = At,
        };

    private static EngagementItem Engagement(string source) =>
        new()
        {
            Source = source,
            Id = "1",
            CampaignId = "savings",
            CustomerId = "c1",
            Kind = EngagementKind.Opened,
            OccurredAt = At,
        };

    private static Task<HttpResponseMessage> PostAsync(HttpClient client, params ConversionItem[] conversions) =>
        client.PostAsync("/v1/conversions", new ConversionsBody { Conversions = conversions });

    private Task<HttpResponseMessage> PostAsync(EngagementItem engagement) =>
        _backend.PostAsync("/v1/engagements", new EngagementsBody { Engagements = [engagement] });
}
