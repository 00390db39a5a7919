using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Simulator;
using Campaigns.Tests.Channels;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Receipts;

/// <summary>Subscribe messages the whole way: authorised over the API and by WeChat's event, planned, sent, answered by the
/// provider's event, and reported.</summary>
public sealed class SubscribeWireTests : IAsyncLifetime
{
    private const string Template = "TPL_1";
    private readonly int _port = FreePort.Next();
    private TestDatabase _database = null!;
    private RunningSimulator _simulator = null!;

    public async Task InitializeAsync()
    {
        _database = await Databases.CreateAsync();
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        // Ten in the morning in China, of the day on which the campaign begins.
        await connection.ExecuteAsync(
            """
            UPDATE business_clock
            SET clock_offset = (now() AT TIME ZONE 'UTC')::date::timestamp AT TIME ZONE 'UTC' + interval '2 h' - clock_timestamp()
            """
        );
        _simulator = await RunningSimulator.StartAsync(callbacks: new Uri($"http://127.0.0.1:{_port}"));
        await _simulator.ScriptAsync(
            new Script
            {
                Receipts = new Dictionary<string, ReceiptScript>
                {
                    ["wechat-subscribe"] = new()
                    {
                        DelaySeconds = 0,
                        FailedAddresses = ["oWx_blocked"],
                        RetrySeconds = [1, 1, 1, 1, 1, 1],
                    },
                },
            }
        );
    }

    public async Task DisposeAsync()
    {
        await _simulator.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task Whoever_has_authorised_a_message_gets_it_once_and_the_report_says_what_became_of_it()
    {
        await using var host = await HostAsync();
        await GivenCampaign.SegmentAsync(host, "cards", """{"tag":"card"}""");
        await GivenCampaign.TemplateAsync(
            host,
            "card-sent",
            new TemplateDraft
            {
                Channel = Channel.WeChat,
                Purpose = Purpose.Servicing,
                Language = "zh-CN",
                Text = "thing1: 您的信用卡已寄出\nnumber2: 8",
                ProviderTemplate = Template,
                Link = "pages/card?from=message",
            }
        );
        foreach (var id in new[] { "asked", "told", "blocked", "spent", "silent" })
        {
            using var put = await host.As(Role.Backend)
                .SendJsonAsync(
                    HttpMethod.Put,
                    $"/v1/customers/{id}",
                    $$"""{"tags": ["card"], "addresses": {"openId": "oWx_{{id}}"} }"""
                );
            Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
        }

        await AuthoriseAsync(host, "asked");
        await AuthoriseAsync(host, "blocked");
        await AuthoriseAsync(host, "spent");
        await WeChatAsync("asked");
        await WeChatAsync("blocked");
        await WeChatAsync("told", tell: true);
        var campaign = GivenCampaign.Definition with
        {
            Purpose = Purpose.Servicing,
            Goal = GivenCampaign.Definition.Goal with { Sale = false },
            Audience = new Audience { Include = ["cards"] },
            Channels = [Channel.WeChat],
            Variants =
            [
                new Variant
                {
                    Name = "a",
                    Templates = new Dictionary<Channel, string> { [Channel.WeChat] = "card-sent" },
                },
            ],
            Holdout = 0,
        };
        await GivenCampaign.ApprovedAsync(host, "cards-sent", campaign);
        using var launched = await host.As(Role.Operator, "launcher")
            .SendJsonAsync(HttpMethod.Post, "/v1/campaigns/cards-sent/launch", "{}");
        Assert.True(launched.IsSuccessStatusCode, await launched.Content.ReadAsStringAsync());

        var states = await Eventually.BeAsync(
            () => StatesAsync(host),
            states => states == "delivered 2, failed 2",
            "all are sent and answered",
            TimeSpan.FromMinutes(2)
        );

        Assert.Equal("delivered 2, failed 2", states);
        var report = await ReportAsync(host);
        Assert.Equal(1, report["ledger"]!["suppressed"]!["unreachable"]!.GetValue<int>());
        var ledger = await _simulator.LedgerAsync();
        Assert.Equal(
            ["accepted oWx_asked", "accepted oWx_blocked", "accepted oWx_told", "rejected oWx_spent"],
            ledger.Select(entry => $"{entry.Outcome.ToString().ToLowerInvariant()} {entry.Address}").Order()
        );
        Assert.All(ledger, entry => Assert.Equal($"{Template}\nthing1=您的信用卡已寄出\nnumber2=8", entry.Content));
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        Assert.Equal(0, await connection.ExecuteScalarAsync<int>("SELECT sum(unspent)::int FROM authorisation"));
    }

    private static async Task AuthoriseAsync(ApiHost host, string customer)
    {
        using var said = await host.As(Role.Backend)
            .SendJsonAsync(
                HttpMethod.Post,
                "/v1/authorisations",
                $$"""
                {"authorisations": [{"source": "mini-program", "id": "popup-1", "customerId": "{{customer}}",
                 "template": "{{Template}}", "messages": 1, "occurredAt": "2025-12-01T10:00:00+08:00"}]}
                """
            );
        Assert.True(said.IsSuccessStatusCode, await said.Content.ReadAsStringAsync());
    }

    /// <summary>What the provider itself knows of it.</summary>
    private async Task WeChatAsync(string customer, bool tell = false)
    {
        using var answer = await _simulator.PostAsync(
            "/simulator/wechat/authorisations",
            new AuthorisationSetting($"oWx_{customer}", Template, Tell: tell)
        );
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<JsonNode> ReportAsync(ApiHost host) =>
        JsonNode.Parse(await host.As(Role.Analyst).GetStringAsync("/v1/campaigns/cards-sent/report"))!;

    private static async Task<string> StatesAsync(ApiHost host)
    {
        using var answer = await host.As(Role.Analyst).GetAsync("/v1/campaigns/cards-sent/report");
        var report = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        return answer.IsSuccessStatusCode
            ? string.Join(
                ", ",
                report["ledger"]!["touchesByState"]!.AsObject().Select(state => $"{state.Key} {state.Value}")
            )
            : "";
    }

    private Task<ApiHost> HostAsync() =>
        ApiHost.StartAsync(
            _database,
            "all",
            new Dictionary<string, string?>
            {
                ["urls"] = $"http://127.0.0.1:{_port}",
                ["Dispatch:SweepEvery"] = "00:00:00.500",
                ["Channels:wechat:ServicingGateway"] = "wechat-subscribe",
                ["Channels:wechat:BaseUrl"] = _simulator.Url.ToString(),
                ["Channels:wechat:KeyId"] = "simulator",
                ["Channels:wechat:Secret"] = "simulator",
                ["Channels:wechat:CallbackSecret"] = "simulator",
                ["Channels:wechat:Account"] = "gh_simulator",
            }
        );
}
