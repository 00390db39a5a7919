using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Planning;

/// <summary>A provider bounds a customer's month, whatever the bank allows.</summary>
public sealed class MonthlyReachTests : IAsyncLifetime
{
    // The next one: so all of the schedule is in it, whatever day it is.
    private readonly DateOnly _month = new DateOnly(DateTime.UtcNow.Year, DateTime.UtcNow.Month, 1).AddMonths(1);
    private ApiHost _api = null!;

    public async Task InitializeAsync() => _api = await GivenCampaign.HostAsync();

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Theory]
    [InlineData(null)]
    [InlineData(10)]
    public async Task Nobody_is_planned_a_fifth_mass_send_in_a_month(int? allowed)
    {
        await GivenCampaign.TemplateAsync(
            _api,
            "payday-wechat",
            new TemplateDraft
            {
                Channel = Channel.WeChat,
                Language = "zh-CN",
                Text = "发薪日理财专享。",
            }
        );
        await GivenCampaign.SegmentAsync(_api, "tagged", """{"tag":"payroll"}""");
        await GivenCampaign.DraftAsync(
            _api,
            "payday",
            GivenCampaign.Definition with
            {
                Audience = new Audience { Include = ["tagged"] },
                Channels = [Channel.WeChat],
                Schedule = GivenCampaign.Definition.Schedule with { From = _month, To = _month.AddDays(9) },
                Variants =
                [
                    new Variant
                    {
                        Name = "a",
                        Templates = new Dictionary<Channel, string> { [Channel.WeChat] = "payday-wechat" },
                    },
                ],
                Holdout = 0,
            }
        );
        await _api.As(Role.Operator)
            .PutAsync("/v1/policy", new ContactPolicy { Caps = new FrequencyCaps { WeChatPerMonth = allowed } })
            .ReadAsync<ContactPolicyVersion>();
        await CustomerAsync("three", sends: 3);
        await CustomerAsync("four", sends: 4);

        Assert.Equal("touch", await DecisionAsync("three"));
        Assert.Equal("frequency_cap", await DecisionAsync("four"));
    }

    private async Task CustomerAsync(string id, int sends)
    {
        var backend = _api.As(Role.Backend);
        using var put = await backend.SendJsonAsync(
            HttpMethod.Put,
            $"/v1/customers/{id}",
            $$"""{"tags": ["payroll"], "addresses": {"openId": "oWx_{{id}}"} }"""
        );
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
        using var consent = await backend.SendJsonAsync(
            HttpMethod.Post,
            $"/v1/customers/{id}/consents",
            """
            {"channel": "wechat", "purpose": "marketing", "granted": true, "source": "app-settings",
             "occurredAt": "2025-12-01T10:00:00+08:00"}
            """
        );
        Assert.True(consent.IsSuccessStatusCode, await consent.Content.ReadAsStringAsync());
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            UPDATE contact
            SET month_contacts = @sends + 16 * (12 * @Year + @Month)
            FROM customer c
            WHERE c.customer_id = @id AND contact.customer_key = c.customer_key
            """,
            new
            {
                id,
                sends,
                _month.Year,
                _month.Month,
            }
        );
    }

    private async Task<string> DecisionAsync(string customer)
    {
        var text = await _api.As(Role.Marketer).GetStringAsync($"/v1/campaigns/payday/explain/{customer}");
        return JsonNode.Parse(text)!["decision"]!.ToString();
    }
}
