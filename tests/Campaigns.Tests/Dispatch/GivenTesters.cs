using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Tests.Channels;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Dispatch;

/// <summary>Customers <c>c1</c>, <c>c2</c>, …, of whom some are testers; a node that answers requests, and the providers'
/// simulator, over HTTP in both directions. The bank has no quiet hours.</summary>
internal sealed class GivenTesters : IAsyncDisposable
{
    private GivenTesters(GivenRun given, RunningSimulator simulator, ApiHost api) =>
        (Given, Simulator, Api) = (given, simulator, api);

    internal GivenRun Given { get; }
    internal RunningSimulator Simulator { get; }
    internal ApiHost Api { get; }

    /// <param name="testers">How many of the customers are testers, from <c>c1</c> on.</param>
    internal static async Task<GivenTesters> CreateAsync(
        int customers = 3,
        int testers = 2,
        params (string Name, string Value)[] settings
    )
    {
        var port = FreePort.Next();
        var given = await GivenRun.CreateAsync(customers);
        await given.ExecuteAsync(
            "INSERT INTO field (name, type, sensitive, profiling, updated_at) VALUES ('name', 'text', false, false, now())"
        );
        var simulator = await RunningSimulator.StartAsync(callbacks: new Uri($"http://127.0.0.1:{port}"));
        var all = Settings(simulator.Url, port);
        foreach (var (name, value) in settings)
        {
            all[name] = value;
        }

        var made = new GivenTesters(given, simulator, await ApiHost.StartAsync(given.Database, "api", all));
        await made.PolicyAsync(quiet: null);
        foreach (var number in Enumerable.Range(1, testers))
        {
            await made.TesterAsync($"c{number}");
        }

        return made;
    }

    internal Task<ContactPolicyVersion> PolicyAsync(QuietHours? quiet) =>
        Api.As(Role.Operator)
            .PutAsync("/v1/policy", new ContactPolicy { Hours = new ContactHours { QuietHours = quiet } })
            .ReadAsync<ContactPolicyVersion>();

    internal async Task TesterAsync(string customer)
    {
        using var put = await Api.As(Role.Operator)
            .PutAsync($"/v1/testers/{customer}", new TesterBody { Name = "王芳" });
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
    }

    internal Task<Template> TemplateAsync(TemplateDraft draft) =>
        Api.As(Role.Marketer).PutAsync("/v1/templates/shown", draft).ReadAsync<Template>();

    internal static TemplateDraft Sms =>
        new()
        {
            Channel = Channel.Sms,
            Language = "zh-CN",
            Text = "{{name}}，发薪日理财专享。",
        };

    internal static TemplateDraft WeChat => Sms with { Channel = Channel.WeChat, Text = "发薪日理财专享。" };

    internal Task<HttpResponseMessage> PostAsync(params string[] testers) =>
        Api.As(Role.Marketer).PostAsync("/v1/templates/shown/test-sends", new TestSendRequest { Testers = testers });

    internal Task<TestSend> SendAsync(params string[] testers) => PostAsync(testers).ReadAsync<TestSend>();

    internal Task<TestSend> AgainAsync(TestSend send) =>
        Api.As(Role.Marketer).GetAsync($"/v1/test-sends/{send.Number}").ReadAsync<TestSend>();

    internal async Task<JsonNode> ChannelAsync(Channel channel) =>
        JsonNode.Parse(await Api.As(Role.Operator).GetStringAsync("/v1/channels"))!["items"]!
            .AsArray()
            .Single(one => one!["channel"]!.ToString() == Gateways.Section(channel))!;

    internal static string Shown(TestSend send) =>
        string.Join(
            ", ",
            send.Messages.Select(message =>
                $"{message.CustomerId} {message.State}{(message.Code is null ? "" : $"({message.Code})")}"
            )
        );

    private static Dictionary<string, string?> Settings(Uri simulator, int port) =>
        new()
        {
            ["urls"] = $"http://127.0.0.1:{port}",
            ["Channels:sms:Gateway"] = "bank-sms",
            ["Channels:sms:BaseUrl"] = new Uri(simulator, "/bank-sms").ToString(),
            ["Channels:sms:KeyId"] = "simulator",
            ["Channels:sms:Secret"] = "simulator",
            ["Channels:sms:CallbackSecret"] = "simulator",
            ["Channels:sms:SignName"] = "示例银行",
            ["Channels:wechat:Gateway"] = "wechat-mass",
            ["Channels:wechat:BaseUrl"] = simulator.ToString(),
            ["Channels:wechat:KeyId"] = "simulator",
            ["Channels:wechat:Secret"] = "simulator",
            ["Channels:wechat:CallbackSecret"] = "simulator",
            ["Channels:wechat:Account"] = "gh_simulator",
            ["Channels:app:Gateway"] = "inbox",
        };

    public async ValueTask DisposeAsync()
    {
        await Api.DisposeAsync();
        await Simulator.DisposeAsync();
        await Given.DisposeAsync();
    }
}
