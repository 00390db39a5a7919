using System.Net;
using Campaigns.Access;
using Campaigns.Api.Edge;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Lifecycle;

public sealed class TemplateTests(LifecycleHost host) : IClassFixture<LifecycleHost>
{
    private readonly ApiHost _api = host.Api;
    private readonly HttpClient _marketer = host.Api.As(Role.Marketer);
    private readonly string _id = GivenCampaign.NewId("hello");

    [Fact]
    public async Task A_template_is_made_read_and_listed()
    {
        var put = await PutAsync(_id, GivenCampaign.SmsTemplate);
        Assert.Equal(HttpStatusCode.Created, put.StatusCode);
        Assert.Equal("\"1\"", put.Headers.ETag?.Tag);

        var read = await _api.As(Role.Approver).GetAsync($"/v1/templates/{_id}").ReadAsync<Template>();
        Assert.Equal(GivenCampaign.SmsTemplate.Text, read.Content.Text);
        Assert.Equal("您好", read.Content.Defaults["first_name"]);
        var list = await _marketer.GetAsync("/v1/templates").ReadAsync<Page<Template>>();
        Assert.Superset(
            new HashSet<string> { _id, "payday-sms" },
            list.Items.Select(template => template.TemplateId).ToHashSet()
        );
    }

    [Fact]
    public async Task A_change_is_a_new_version_and_the_old_one_stays()
    {
        await PutAsync(_id, GivenCampaign.SmsTemplate);
        var changed = await PutAsync(_id, GivenCampaign.SmsTemplate with { Text = "另一句话。" });
        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        Assert.Equal(2, (await changed.ReadAsync<Template>()).Version);

        var old = await _marketer.GetAsync($"/v1/templates/{_id}?version=1").ReadAsync<Template>();
        Assert.Equal(GivenCampaign.SmsTemplate.Text, old.Content.Text);
    }

    [Fact]
    public async Task The_same_content_again_is_no_new_version()
    {
        await PutAsync(_id, GivenCampaign.SmsTemplate);
        var again = await PutAsync(_id, GivenCampaign.SmsTemplate).ReadAsync<Template>();
        Assert.Equal(1, again.Version);
    }

    [Fact]
    public async Task A_change_of_what_somebody_else_changed_is_refused()
    {
        await PutAsync(_id, GivenCampaign.SmsTemplate);
        await PutAsync(_id, GivenCampaign.SmsTemplate with { Text = "另一句话。" }, seen: 1);
        await PutAsync(_id, GivenCampaign.SmsTemplate with { Text = "第三句话。" }, seen: 1)
            .RefusedAsync(412, "version-mismatch");
    }

    [Fact]
    public async Task A_template_that_is_not_there_is_not_found()
    {
        await _marketer.GetAsync("/v1/templates/nothing").RefusedAsync(404, "not-found");
        await _marketer.GetAsync("/v1/templates/payday-sms?version=9").RefusedAsync(404, "not-found");
    }

    [Fact]
    public async Task Every_member_of_a_wrong_form_is_named()
    {
        var problem = await PutAsync(
                "Not An Id",
                GivenCampaign.SmsTemplate with
                {
                    Language = "Chinese (simplified)",
                    Text = "",
                    Title = "a\u202Eb",
                    Sender = "【银行】",
                    Link = "not a link",
                    Defaults = new Dictionary<string, string> { ["First Name"] = new('x', 300) },
                }
            )
            .RefusedAsync(400, "validation-failed");
        Assert.Equal(
            ["defaults.First Name", "language", "link", "sender", "templateId", "text", "title"],
            problem.Errors.Select(error => error.Path).Distinct().Order(StringComparer.Ordinal)
        );
    }

    [Theory]
    [InlineData("\\u0000")]
    [InlineData("\\u001b")]
    [InlineData("\\u007f")]
    [InlineData("\\u202e")] // what follows is read from right to left
    [InlineData("\\u2066")]
    [InlineData("\\u2028")] // a line of its own to some readers
    [InlineData("\\u2029")]
    public async Task What_reads_as_something_else_is_refused_wherever_it_stands(string letter)
    {
        var problem = await _marketer
            .SendJsonAsync(
                HttpMethod.Put,
                $"/v1/templates/{_id}",
                $$$"""
                {"channel": "sms", "language": "zh-CN", "title": "a{{{letter}}}", "text": "a{{{letter}}}b",
                 "providerTemplate": "a{{{letter}}}", "sender": "a{{{letter}}}", "link": "https://a.example/{{{letter}}}",
                 "defaults": {"first_name": "a{{{letter}}}"}}
                """
            )
            .RefusedAsync(400, "validation-failed");

        Assert.Equal(
            ["defaults.first_name", "link", "providerTemplate", "sender", "text", "title"],
            problem.Errors.Select(error => error.Path).Distinct().Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public async Task Half_a_pair_of_surrogates_is_no_text() =>
        await _marketer
            .SendJsonAsync(
                HttpMethod.Put,
                $"/v1/templates/{_id}",
                """{"channel": "sms", "language": "zh-CN", "text": "a\ud83d", "providerTemplate": "SMS_1"}"""
            )
            .RefusedAsync(400, "validation-failed");

    [Fact]
    public async Task R10_a_sensitive_field_without_a_default_is_refused() =>
        await PutAsync(_id, GivenCampaign.Balance with { Defaults = new Dictionary<string, string>() })
            .RefusedAsync(422, "sensitive-without-default");

    [Fact]
    public async Task A_default_that_is_nothing_is_refused() =>
        await _marketer
            .SendJsonAsync(
                HttpMethod.Put,
                $"/v1/templates/{_id}",
                """
                {"channel": "sms", "language": "zh-CN", "text": "{{first_name}}", "providerTemplate": "SMS_1",
                 "defaults": {"first_name": null}}
                """
            )
            .RefusedAsync(400, "validation-failed");

    [Theory]
    [InlineData("亲爱的{{nickname}}，您好。", "unknown-variable")]
    [InlineData("{{ first_name }}，您好。【示例银行】", "sender-repeated")]
    [InlineData("您好，拒收请回复R。", "refusal-repeated")]
    [InlineData("您好，回T退订。", "refusal-repeated")]
    [InlineData("本产品保本保息。", "forbidden-wording")]
    [InlineData("本产品保 本保息。", "forbidden-wording")]
    [InlineData("零风险，稳\u200B赚。", "forbidden-wording")]
    [InlineData("低门槛申请。", "forbidden-wording")]
    [InlineData("低\u200B门\u2060槛申请。", "forbidden-wording")]
    [InlineData("秒到账。", "forbidden-wording")]
    [InlineData("秒\u200D到\uFEFF账。", "forbidden-wording")]
    [InlineData("零风险。", "forbidden-wording")]
    [InlineData("零\u200C风\uFE0F险。", "forbidden-wording")]
    public async Task R4_R5_R12_R13_a_message_that_may_not_go_is_refused(string text, string type)
    {
        var problem = await PutAsync(_id, GivenCampaign.SmsTemplate with { Text = text }).RefusedAsync(422, type);
        Assert.All(problem.Errors, error => Assert.Equal("text", error.Path));
    }

    [Theory]
    [InlineData("本产品{{kind}}。", "保本保息", "forbidden-wording", "defaults.kind")]
    [InlineData("本产品保{{kind}}。", "本保息", "forbidden-wording", "text")]
    [InlineData("{{kind}}，您好。", "【别家银行】", "sender-repeated", "defaults.kind")]
    [InlineData("【{{kind}}，您好。", "别家银行】", "sender-repeated", "text")]
    [InlineData("您好，{{kind}}", "拒收请回复R", "refusal-repeated", "defaults.kind")]
    [InlineData("您好，拒收{{kind}}", "请回复R", "refusal-repeated", "text")]
    public async Task R4_R5_R12_R13_a_message_that_may_not_go_with_its_defaults_is_refused(
        string text,
        string kind,
        string type,
        string path
    )
    {
        var draft = GivenCampaign.SmsTemplate with
        {
            Text = text,
            Defaults = new Dictionary<string, string> { ["kind"] = kind },
        };
        var problem = await PutAsync(_id, draft).RefusedAsync(422, type);
        Assert.Equal(path, Assert.Single(problem.Errors).Path);
    }

    [Fact]
    public async Task A_default_that_has_places_of_its_own_is_refused()
    {
        var problem = await PutAsync(
                _id,
                GivenCampaign.SmsTemplate with
                {
                    Defaults = new Dictionary<string, string> { ["first_name"] = "{{employer}}的朋友" },
                }
            )
            .RefusedAsync(400, "validation-failed");
        Assert.Equal("defaults.first_name", Assert.Single(problem.Errors).Path);
    }

    [Theory]
    [InlineData("https://bank.example/offer?card={{card}}")]
    [InlineData("bankapp://{{card}}")]
    [InlineData("/offer")] // a file's, to .NET on Linux
    [InlineData("file:///offer")]
    [InlineData("http:/offer")]
    [InlineData("https://")]
    [InlineData("https://bank.example/an offer")]
    [InlineData("javascript:alert(1)")]
    [InlineData("JavaScript://bank.example/%0Aalert(1)")]
    [InlineData("data:text/html,offer")]
    [InlineData("mailto:offer@bank.example")]
    public async Task A_link_that_leads_nowhere_is_refused(string link)
    {
        var problem = await PutAsync(_id, GivenCampaign.SmsTemplate with { Link = link })
            .RefusedAsync(400, "validation-failed");
        Assert.Equal("link", Assert.Single(problem.Errors).Path);
    }

    [Theory]
    [InlineData("https://bank.example/offer?from=sms#rates")]
    [InlineData("bankapp://offer")]
    public async Task A_link_leads_to_the_web_or_into_an_app(string link) =>
        await PutAsync(_id, GivenCampaign.SmsTemplate with { Link = link }).ReadAsync<Template>();

    [Theory]
    [InlineData("{{first_name，您好。")]
    [InlineData("{{First Name}}，您好。")]
    public async Task A_place_that_cannot_be_read_is_refused(string text) =>
        await PutAsync(_id, GivenCampaign.SmsTemplate with { Text = text }).RefusedAsync(400, "validation-failed");

    [Fact]
    public async Task R4_a_message_that_would_arrive_without_a_sender_is_refused()
    {
        var bare = new ScriptedGateway(Channel.Sms, "bare");
        bare.Declaration = bare.Declaration with { Sender = AddedBy.Template };
        await using var api = await ApiHost.StartAsync(
            settings: new Dictionary<string, string?> { ["Channels:sms:Gateway"] = "bare" },
            configure: services => services.AddSingleton(new GatewayKind("bare", Channel.Sms, _ => bare, false))
        );
        var marketer = api.As(Role.Marketer);
        var greeting = GivenCampaign.SmsTemplate with { Text = "您好。" };
        await marketer.PutAsync($"/v1/templates/{_id}", greeting).RefusedAsync(422, "sender-missing");
        var named = greeting with { Text = "【示例银行】您好。" };
        await marketer.PutAsync($"/v1/templates/{_id}", named).ReadAsync<Template>();
    }

    [Fact]
    public async Task A_gateway_that_sends_one_content_to_all_takes_no_variables()
    {
        var wechat = GivenCampaign.SmsTemplate with { Channel = Channel.WeChat };
        await PutAsync(_id, wechat).RefusedAsync(422, "variables-not-allowed");
        await PutAsync(_id, wechat with { Text = "发薪日理财专享。" }).ReadAsync<Template>();
    }

    [Fact]
    public async Task R18_a_gateway_takes_its_own_purposes_only()
    {
        var servicing = GivenCampaign.SmsTemplate with
        {
            Channel = Channel.WeChat,
            Text = "您的卡已寄出。",
            Purpose = Purpose.Servicing,
        };
        await PutAsync(_id, servicing).RefusedAsync(422, "purpose-not-carried");
    }

    [Fact]
    public async Task R18_a_template_message_of_WeChat_is_no_marketing()
    {
        var settings = new Dictionary<string, string?>(GivenCampaign.Sms)
        {
            ["Channels:wechat:Gateway"] = "wechat-template",
        };
        await using var api = await ApiHost.StartAsync(settings: settings);
        var sale = GivenCampaign.SmsTemplate with { Channel = Channel.WeChat, Text = "thing1: 发薪日理财专享" };

        var problem = await api.As(Role.Marketer)
            .PutAsync($"/v1/templates/{_id}", sale)
            .RefusedAsync(422, "purpose-not-carried");
        Assert.Equal("purpose", Assert.Single(problem.Errors).Path);
    }

    [Fact]
    public async Task What_the_gateway_of_the_purpose_would_refuse_is_refused_when_it_is_saved()
    {
        var settings = new Dictionary<string, string?>(GivenCampaign.Sms)
        {
            ["Channels:wechat:ServicingGateway"] = "wechat-template",
        };
        await using var api = await ApiHost.StartAsync(settings: settings);
        var marketer = api.As(Role.Marketer);
        var reminder = GivenCampaign.SmsTemplate with
        {
            Channel = Channel.WeChat,
            Purpose = Purpose.Servicing,
            Text = "thing1: {{first_name}}您好\ntime2: 明天",
        };

        await marketer.PutAsync($"/v1/templates/{_id}", reminder).RefusedAsync(422, "not-the-providers-form");
        var tooLong = reminder with
        {
            Text = "thing1: {{first_name}}",
            Defaults = new Dictionary<string, string> { ["first_name"] = new('您', 30) },
        };
        await marketer.PutAsync($"/v1/templates/{_id}", tooLong).RefusedAsync(422, "not-the-providers-form");
        await marketer
            .PutAsync($"/v1/templates/{_id}", reminder with { Text = "thing1: {{first_name}}您好\ntime2: 15:01" })
            .ReadAsync<Template>();
    }

    [Fact]
    public async Task A_mass_message_is_no_longer_than_WeChat_takes()
    {
        var text = GivenCampaign.SmsTemplate with
        {
            Channel = Channel.WeChat,
            Text = new string('惠', 299) + "\U0001F381",
            ProviderTemplate = null,
            Link = null,
        };
        await PutAsync(_id, text).ReadAsync<Template>();

        await PutAsync(_id, text with { Text = text.Text + "。" }).RefusedAsync(422, "not-the-providers-form");
        await PutAsync(_id, text with { Link = "https://bank.example" }).RefusedAsync(422, "not-the-providers-form");
        await PutAsync(_id, text with { Text = text.Text + "。", ProviderTemplate = "an-article" })
            .ReadAsync<Template>();
    }

    [Fact]
    public async Task A_push_is_no_larger_than_JPush_takes_for_either_system()
    {
        var settings = new Dictionary<string, string?>
        {
            ["Channels:app:Gateway"] = "jpush",
            ["Channels:app:BaseUrl"] = "http://127.0.0.1:9",
            ["Channels:app:KeyId"] = "key",
            ["Channels:app:Secret"] = "secret",
        };
        await using var api = await ApiHost.StartAsync(settings: settings);
        var around = """{"alert":{"title":"","body":""},"extras":{"key":""}}""".Length + 64 + "Hi".Length;
        var push = GivenCampaign.SmsTemplate with
        {
            Channel = Channel.App,
            Title = "Hi",
            Text = new string('惠', (2_000 - around) / 3),
            ProviderTemplate = null,
            Link = null,
            Defaults = new Dictionary<string, string>(),
        };
        await SaveAsync(push).ReadAsync<Template>();

        var problem = await SaveAsync(push with { Text = push.Text + "惠" })
            .RefusedAsync(422, "not-the-providers-form");
        Assert.Contains("iOS", Assert.Single(problem.Errors).Detail, StringComparison.Ordinal);
        await SaveAsync(push with { Link = "https://bank.example" }).RefusedAsync(422, "not-the-providers-form");
        var both = await SaveAsync(push with { Text = new string('惠', 1_500) })
            .RefusedAsync(422, "not-the-providers-form");
        Assert.Equal(2, both.Errors.Count);

        Task<HttpResponseMessage> SaveAsync(TemplateDraft draft) =>
            api.As(Role.Marketer).PutAsync($"/v1/templates/{_id}", draft);
    }

    [Fact]
    public async Task A_gateway_that_sends_its_providers_templates_needs_one_named() =>
        await PutAsync(_id, GivenCampaign.SmsTemplate with { ProviderTemplate = null })
            .RefusedAsync(422, "provider-template-missing");

    [Fact]
    public async Task R12_R13_what_no_advertisement_may_say_is_configured()
    {
        await using var api = await ApiHost.StartAsync(
            settings: new Dictionary<string, string?> { ["Templates:ForbiddenWords:0"] = "free money" }
        );
        var english = GivenCampaign.SmsTemplate with { Language = "en", Text = "Free Money for everyone" };
        await api.As(Role.Marketer).PutAsync($"/v1/templates/{_id}", english).RefusedAsync(422, "forbidden-wording");
    }

    [Fact]
    public async Task A_template_is_a_marketers_to_write() =>
        await _api.As(Role.Approver)
            .PutAsync($"/v1/templates/{_id}", GivenCampaign.SmsTemplate)
            .RefusedAsync(403, "forbidden");

    private Task<HttpResponseMessage> PutAsync(string templateId, TemplateDraft draft, int? seen = null) =>
        _marketer.PutAsync($"/v1/templates/{Uri.EscapeDataString(templateId)}", draft, seen);
}
