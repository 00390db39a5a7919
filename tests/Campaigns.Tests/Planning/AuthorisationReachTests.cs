using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Planning;

/// <summary>Where each message takes one that the customer has authorised, that is who is reached.</summary>
public sealed class AuthorisationReachTests : IAsyncLifetime
{
    private ApiHost _api = null!;

    public async Task InitializeAsync()
    {
        _api = await ApiHost.StartAsync(
            settings: new Dictionary<string, string?>
            {
                ["Channels:wechat:ServicingGateway"] = "wechat-subscribe",
                ["Channels:wechat:BaseUrl"] = "http://127.0.0.1:9",
                ["Channels:wechat:KeyId"] = "app",
                ["Channels:wechat:Secret"] = "secret",
            }
        );
        await GivenCampaign.SegmentAsync(_api, "payroll", """{"tag":"payroll"}""");
        await TemplateAsync("card-1", "TPL_1");
        await TemplateAsync("card-2", "TPL_2");
        await GivenCampaign.DraftAsync(
            _api,
            "cards",
            GivenCampaign.Definition with
            {
                Purpose = Purpose.Servicing,
                Goal = GivenCampaign.Definition.Goal with { Sale = false },
                Channels = [Channel.WeChat],
                Variants = [Variant("a", "card-1"), Variant("b", "card-2")],
                Holdout = 0,
            }
        );
    }

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Fact]
    public async Task Whoever_has_authorised_a_message_by_each_of_the_variants_templates_is_reached()
    {
        await CustomerAsync("both", "TPL_1", "TPL_2");
        await CustomerAsync("one", "TPL_1");
        await CustomerAsync("none");
        await CustomerAsync("withdrawn", "TPL_1", "TPL_2");
        await AuthoriseAsync("withdrawn", "TPL_2", messages: 0, day: 2);

        Assert.Equal("touch", await DecisionAsync("both"));
        Assert.Equal("unreachable", await DecisionAsync("one"));
        Assert.Equal("unreachable", await DecisionAsync("none"));
        Assert.Equal("unreachable", await DecisionAsync("withdrawn"));

        var configuration = (IConfigurationRoot)_api.Services.GetRequiredService<IConfiguration>();
        configuration["Channels:wechat:ServicingGateway"] = "wechat-template";
        configuration.Reload();

        Assert.Equal("touch", await DecisionAsync("none"));
    }

    [Fact]
    public async Task R18_a_subscribe_message_carries_no_marketing()
    {
        var configuration = (IConfigurationRoot)_api.Services.GetRequiredService<IConfiguration>();
        configuration["Channels:wechat:Gateway"] = "wechat-subscribe";
        configuration.Reload();

        await _api.As(Role.Marketer)
            .PutAsync("/v1/templates/sale", Template("TPL_1") with { Purpose = Purpose.Marketing })
            .RefusedAsync(422, "purpose-not-carried");
    }

    [Theory]
    [InlineData("pages/card?id=1", null)]
    [InlineData("https://bank.example/card", "not-the-providers-form")]
    [InlineData("card 1", "validation-failed")]
    public async Task A_subscribe_message_leads_to_a_page_of_the_mini_program(string link, string? refused)
    {
        var put = _api.As(Role.Marketer).PutAsync("/v1/templates/linked", Template("TPL_1") with { Link = link });
        if (refused is null)
        {
            await put.ReadAsync<Template>();
        }
        else
        {
            await put.RefusedAsync(refused == "validation-failed" ? 400 : 422, refused);
        }
    }

    private Task TemplateAsync(string id, string template) => GivenCampaign.TemplateAsync(_api, id, Template(template));

    private static TemplateDraft Template(string template) =>
        new()
        {
            Channel = Channel.WeChat,
            Purpose = Purpose.Servicing,
            Language = "zh-CN",
            Text = "thing1: 您的信用卡已寄出",
            ProviderTemplate = template,
        };

    private static Variant Variant(string name, string template) =>
        new()
        {
            Name = name,
            Templates = new Dictionary<Channel, string> { [Channel.WeChat] = template },
        };

    private async Task CustomerAsync(string id, params string[] authorised)
    {
        using var put = await _api.As(Role.Backend)
            .SendJsonAsync(
                HttpMethod.Put,
                $"/v1/customers/{id}",
                $$"""{"tags": ["payroll"], "addresses": {"openId": "oWx_{{id}}"} }"""
            );
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
        foreach (var template in authorised)
        {
            await AuthoriseAsync(id, template, messages: 1, day: 1);
        }
    }

    private async Task AuthoriseAsync(string id, string template, int messages, int day)
    {
        using var said = await _api.As(Role.Backend)
            .SendJsonAsync(
                HttpMethod.Post,
                "/v1/authorisations",
                $$"""
                {"authorisations": [{"source": "mini-program", "id": "{{template}}-{{day}}", "customerId": "{{id}}",
                 "template": "{{template}}", "messages": {{messages}}, "occurredAt": "2025-12-0{{day}}T10:00:00+08:00"}]}
                """
            );
        Assert.True(said.IsSuccessStatusCode, await said.Content.ReadAsStringAsync());
    }

    private async Task<string> DecisionAsync(string customer)
    {
        var text = await _api.As(Role.Marketer).GetStringAsync($"/v1/campaigns/cards/explain/{customer}");
        return JsonNode.Parse(text)!["decision"]!.ToString();
    }
}
