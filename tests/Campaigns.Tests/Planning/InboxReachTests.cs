using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Lifecycle;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Planning;

public sealed class InboxReachTests : IAsyncLifetime
{
    private ApiHost _api = null!;

    public async Task InitializeAsync()
    {
        _api = await ApiHost.StartAsync(
            settings: new Dictionary<string, string?>
            {
                ["Channels:app:Gateway"] = "inbox",
                ["Channels:app:BaseUrl"] = "http://127.0.0.1:9",
                ["Channels:app:KeyId"] = "key",
                ["Channels:app:Secret"] = "secret",
            }
        );
        await GivenCampaign.SegmentAsync(_api, "payroll", """{"tag":"payroll"}""");
        await GivenCampaign.TemplateAsync(
            _api,
            "payday-app",
            new TemplateDraft
            {
                Channel = Channel.App,
                Language = "zh-CN",
                Title = "发薪日",
                Text = "发薪日理财专享。",
            }
        );
        await GivenCampaign.DraftAsync(
            _api,
            "payday",
            GivenCampaign.Definition with
            {
                Channels = [Channel.App],
                Variants =
                [
                    new Variant
                    {
                        Name = "a",
                        Templates = new Dictionary<Channel, string> { [Channel.App] = "payday-app" },
                    },
                ],
                Holdout = 0,
            }
        );
        await CustomerAsync("consented", pushId: null, consents: true);
        await CustomerAsync("silent", pushId: null, consents: false);
        await CustomerAsync("first", pushId: "push-1", consents: true);
        await CustomerAsync("second", pushId: "push-1", consents: true);
    }

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Fact]
    public async Task Which_gateway_serves_the_app_is_changed_while_running_and_with_it_who_is_reached()
    {
        Assert.Equal("inbox", await GatewayAsync());
        Assert.Equal("touch", await DecisionAsync("consented"));
        Assert.Equal("no_consent", await DecisionAsync("silent"));
        Assert.Equal("touch", await DecisionAsync("second"));

        var configuration = (IConfigurationRoot)_api.Services.GetRequiredService<IConfiguration>();
        configuration["Channels:app:Gateway"] = "jpush";
        configuration.Reload();

        Assert.Equal("jpush", await GatewayAsync());
        Assert.Equal("unreachable", await DecisionAsync("consented"));
        Assert.Equal("touch", await DecisionAsync("first"));
        Assert.Equal("duplicate_address", await DecisionAsync("second"));
    }

    private async Task CustomerAsync(string id, string? pushId, bool consents)
    {
        var backend = _api.As(Role.Backend);
        var addresses = pushId is null ? "{}" : $$"""{"pushId": "{{pushId}}"}""";
        using var put = await backend.SendJsonAsync(
            HttpMethod.Put,
            $"/v1/customers/{id}",
            $$"""{"tags": ["payroll"], "addresses": {{addresses}}}"""
        );
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
        if (consents)
        {
            using var consent = await backend.SendJsonAsync(
                HttpMethod.Post,
                $"/v1/customers/{id}/consents",
                """
                {"channel": "app", "purpose": "marketing", "granted": true, "source": "app-settings",
                 "occurredAt": "2025-12-01T10:00:00+08:00"}
                """
            );
            Assert.True(consent.IsSuccessStatusCode, await consent.Content.ReadAsStringAsync());
        }
    }

    private async Task<string> DecisionAsync(string customer)
    {
        var text = await _api.As(Role.Marketer).GetStringAsync($"/v1/campaigns/payday/explain/{customer}");
        return JsonNode.Parse(text)!["decision"]!.ToString();
    }

    private async Task<string?> GatewayAsync()
    {
        var channels = JsonNode.Parse(await _api.As(Role.Operator).GetStringAsync("/v1/channels"))!;
        return channels["items"]!.AsArray().Single(channel => channel!["channel"]!.ToString() == "app")!["gateways"]![
            0
        ]!
            ["name"]
            ?.ToString();
    }
}
