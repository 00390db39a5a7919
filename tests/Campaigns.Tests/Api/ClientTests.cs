using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Client.Generator;
using Campaigns.Json;
using Campaigns.Planning;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Api;

public sealed class ClientTests(LifecycleHost host) : IClassFixture<LifecycleHost>
{
    private const string Update = "CAMPAIGNS_UPDATE";
    private static readonly string Folder = Path.Combine(Repository.Root, "src", "Campaigns.Client", "Generated");

    [Fact]
    public async Task The_client_is_the_one_that_the_document_gives()
    {
        var served = await host.Api.Anonymous.GetStringAsync("/swagger/v1/swagger.json");
        var files = ClientSource.Of(JsonNode.Parse(served)!.AsObject());
        Assert.Equal(2, files.Count);
        foreach (var (name, text) in files)
        {
            var file = Path.Combine(Folder, name);
            if (Environment.GetEnvironmentVariable(Update) is "1")
            {
                await File.WriteAllTextAsync(file, text);
            }

            var committed = (await File.ReadAllTextAsync(file)).ReplaceLineEndings("\n");
            Assert.True(committed == text, $"{name} is out of date: run the tests once with {Update}=1.");
        }
    }

    [Fact]
    public async Task A_partners_contracts_say_what_the_service_understands()
    {
        var id = GivenCampaign.NewId("partner");
        var draft = new Client.TemplateDraft
        {
            Channel = Client.Channel.Sms,
            Language = "zh-CN",
            Text = "{{first_name}}，您好。",
            ProviderTemplate = "SMS_1",
            Defaults = new Dictionary<string, string> { ["first_name"] = "客户" },
        };
        var put = await host
            .Api.As(Role.Marketer)
            .PutAsJsonAsync($"/v1/templates/{id}", draft, JsonSerializerOptions.Web);
        var made = await ReadAsync<Client.Template>(put);
        Assert.Equal(Client.Channel.Sms, made.Content.Channel);
        Assert.Equal(Client.Purpose.Marketing, made.Content.Purpose);
        Assert.Equal("客户", made.Content.Defaults!["first_name"]);
    }

    [Fact]
    public async Task Durations_times_of_day_and_keys_of_dictionaries_survive_the_way_to_a_partner_and_back()
    {
        var policy = new Client.ContactPolicy
        {
            Hours = new Client.ContactHours
            {
                QuietHours = new Client.QuietHours { From = new(21, 0), To = new(7, 30) },
            },
            Caps = new Client.FrequencyCaps
            {
                PerChannelPerDay = new Dictionary<Client.Channel, int> { [Client.Channel.Wechat] = 1 },
                MinimumGap = TimeSpan.FromHours(4),
            },
        };
        var put = await host.Api.As(Role.Operator).PutAsJsonAsync("/v1/policy", policy, JsonSerializerOptions.Web);
        var told = await ReadAsync<Client.ContactPolicyVersion>(put);
        Assert.Equal(TimeSpan.FromHours(4), told.Policy.Caps!.MinimumGap);
        Assert.Equal(new TimeOnly(7, 30), told.Policy.Hours!.QuietHours!.To);
        Assert.Equal(1, told.Policy.Caps.PerChannelPerDay![Client.Channel.Wechat]);
        var held = await host.Api.As(Role.Operator).GetAsync("/v1/policy").ReadAsync<ContactPolicyVersion>();
        Assert.Equal(TimeSpan.FromHours(4), held.Policy.Caps.MinimumGap);
    }

    [Fact]
    public async Task A_refusal_reads_as_a_problem()
    {
        using var refused = await host.Api.As(Role.Marketer).GetAsync("/v1/templates/nothing");
        var problem = await refused.Content.ReadFromJsonAsync<Client.Problem>(JsonSerializerOptions.Web);
        Assert.Equal("not-found", problem!.Type);
    }

    [Fact]
    public void Every_enum_has_the_same_names_on_both_sides()
    {
        foreach (var channel in Enum.GetValues<Campaigns.Channels.Channel>())
        {
            var name = ProductJson.NameOf(channel);
            var read = JsonSerializer.Deserialize<Client.Channel>($"\"{name}\"", JsonSerializerOptions.Web);
            Assert.Equal($"\"{name}\"", JsonSerializer.Serialize(read, JsonSerializerOptions.Web));
        }
    }

#if FULL_FEED
    [Fact]
    public async Task A_partner_drafts_submits_and_reads_through_the_interface()
    {
        var key = await host.Api.NewKeyAsync(Role.Marketer);
        using var http = new HttpClient();
        var api = Client.CampaignsClient.Create(http, host.Api.Address, key.Secret);
        var id = GivenCampaign.NewId("partner");
        var definition = JsonSerializer.Deserialize<Client.CampaignDefinition>(
            Documents.Write(GivenCampaign.Definition),
            JsonSerializerOptions.Web
        )!;

        var drafted = await api.PutCampaignAsync(id, definition);
        Assert.Equal(1, drafted.Version);
        var submitted = await api.SubmitCampaignAsync(id, new Client.Submission(), $"\"{drafted.Version}\"");
        Assert.Equal(Client.CampaignState.Submitted, submitted.State);
        var listed = await api.ListCampaignsAsync(Client.CampaignState.Submitted);
        Assert.Contains(id, listed.Items.Select(campaign => campaign.CampaignId));
        var refused = await Assert.ThrowsAsync<Refit.ApiException>(() => api.GetCampaignAsync("nothing"));
        Assert.Equal(System.Net.HttpStatusCode.NotFound, refused.StatusCode);
    }

    [Fact]
    public async Task A_partner_is_told_of_a_service_that_is_not_there_as_by_any_HttpClient()
    {
        using var http = new HttpClient();
        var api = Client.CampaignsClient.Create(http, new Uri("http://127.0.0.1:1"), "key.secret");

        await Assert.ThrowsAsync<HttpRequestException>(() => api.GetCampaignAsync("any"));
    }
#endif

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonSerializer.Deserialize<T>(text, JsonSerializerOptions.Web)!;
    }
}
