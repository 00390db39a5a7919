using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Api;

/// <summary>What <c>GET /v1/channels</c> tells operators.</summary>
public sealed class ChannelStatusTests
{
    [Fact]
    public async Task A_gateway_goes_at_the_rate_its_provider_takes_unless_the_operator_says_another()
    {
        var settings = new Dictionary<string, string?>();
        Serve("sms", "aliyun-sms");
        Serve("wechat", "wechat-mass");
        Serve("app", "jpush");
        await using var host = await ApiHost.StartAsync(settings: settings);
        Assert.Equal((10, 1, 10), await RatesAsync(host)); // 60 a minute, 600 a minute
        settings["Channels:sms:RatePerSecond"] = "200";
        settings["Channels:wechat:RatePerSecond"] = "0.5";
        settings["Channels:app:RatePerSecond"] = "50";
        await using var other = await ApiHost.StartAsync(settings: settings);

        Assert.Equal((200, 0.5, 50), await RatesAsync(other));

        void Serve(string channel, string gateway)
        {
            settings[$"Channels:{channel}:Gateway"] = gateway;
            settings[$"Channels:{channel}:BaseUrl"] = "http://127.0.0.1:9";
            settings[$"Channels:{channel}:KeyId"] = "id";
            settings[$"Channels:{channel}:Secret"] = "secret";
            settings[$"Channels:{channel}:SignName"] = "示例银行";
        }
    }

    [Fact]
    public async Task What_waits_is_told_with_how_late_it_is_and_what_has_no_answer()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { OpensIn = TimeSpan.FromMinutes(2) });
        await using var host = await HostAsync(given);
        var early = await SmsAsync(host);
        Assert.Equal((20, TimeSpan.Zero, 0), (early.Waiting, early.Lag, early.Unknown));

        await given.PassAsync(TimeSpan.FromMinutes(32));
        var late = await SmsAsync(host);
        Assert.Equal(20, late.Waiting);
        Assert.InRange(late.Lag, TimeSpan.FromMinutes(30), TimeSpan.FromMinutes(40));

        var gateway = new ScriptedGateway(Channel.Sms)
        {
            Answer = _ => Task.FromResult<SendResult>(new SendResult.Unanswered("503")),
        };
        gateway.Declaration = gateway.Declaration with { Dedupe = Dedupe.None };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        var over = await SmsAsync(host);
        Assert.Equal((0, TimeSpan.Zero, 20), (over.Waiting, over.Lag, over.Unknown));
    }

    [Fact]
    public async Task A_break_that_another_node_found_is_told_and_why()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { ChunkSize = 1 });
        await using var host = await HostAsync(given);
        var whole = await GatewayAsync(host);
        Assert.Equal(("closed", null, null), (whole.Breaker, whole.BrokenUntil, whole.HeldBecause));
        Assert.Empty(whole.LastErrors);

        await using var node = new Node(given.DataSource, [Answering(_ => new SendResult.Unanswered("status 503"))]);
        await node.LaneAsync(run);
        // Five seconds, which this machine may need for the question alone.
        await given.ExecuteAsync("UPDATE gateway_break SET until = until + interval '10 minutes'");

        var broken = await GatewayAsync(host);
        Assert.Equal("open", broken.Breaker);
        Assert.NotNull(broken.BrokenUntil);
        Assert.StartsWith(
            "scripted-Sms fails: its breaker is open until 2",
            broken.HeldBecause,
            StringComparison.Ordinal
        );
        Assert.Equal([("unanswered", "status 503")], broken.LastErrors.Select(error => (error.Code, error.Detail)));
    }

    [Fact]
    public async Task A_breaker_is_half_open_while_one_request_tries_the_provider()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { ChunkSize = 1 });
        var gateway = Answering(_ => new SendResult.Unanswered("503"));
        var clock = new MovedClock();
        await using var node = new Node(
            given.DataSource,
            [gateway],
            options => options.MaxClockError = TimeSpan.FromHours(1),
            time: clock
        );
        await node.LaneAsync(run);
        var states = node.Get<ChannelStates>();
        var seen = new List<string>();
        gateway.Answer = async request =>
        {
            var list = await states.ListAsync(CancellationToken.None);
            seen.Add(list.Single(one => one.Channel == Channel.Sms).Gateways[0].Breaker);
            return gateway.Accept(request);
        };
        clock.By = TimeSpan.FromSeconds(6);
        await given.PassAsync(TimeSpan.FromMinutes(2));
        await given.ExecuteAsync("UPDATE gateway_break SET until = clock_timestamp()");
        await node.LaneAsync(run);

        Assert.Equal("half-open", seen[0]);
        Assert.Equal("closed", seen[^1]);
    }

    [Fact]
    public async Task A_rest_that_the_provider_asked_for_is_told()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec());
        await using var host = await HostAsync(given);
        var rest = TimeSpan.FromMinutes(30);
        await using var node = new Node(given.DataSource, [Answering(_ => new SendResult.Throttled(rest))]);
        await node.LaneAsync(run);

        var gateway = await GatewayAsync(host);
        Assert.InRange(
            gateway.RestsUntil!.Value,
            DateTimeOffset.UtcNow.AddMinutes(20),
            DateTimeOffset.UtcNow.AddMinutes(30)
        );
        Assert.StartsWith(
            "The provider behind scripted-Sms asked for a rest until 2",
            gateway.HeldBecause,
            StringComparison.Ordinal
        );
        Assert.Equal("throttled", Assert.Single(gateway.LastErrors).Code);
    }

    [Fact]
    public async Task What_the_provider_stopped_says_why_and_what_to_do()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec());
        await using var host = await HostAsync(given);
        var refusing = Answering(_ => new SendResult.ChannelStopped(
            "isv.AMOUNT_NOT_ENOUGH",
            "The balance is used up."
        ));
        await using var node = new Node(given.DataSource, [refusing]);
        await node.LaneAsync(run);

        var gateway = await GatewayAsync(host);
        Assert.Equal(
            (true, "The balance is used up. (isv.AMOUNT_NOT_ENOUGH)", 20),
            (gateway.Stopped, gateway.Reason, (await SmsAsync(host)).Waiting)
        );
        Assert.NotNull(gateway.ChangedAt);
        Assert.Contains("The provider behind scripted-Sms has refused", gateway.HeldBecause, StringComparison.Ordinal);
        Assert.Contains("then start the channel", gateway.HeldBecause, StringComparison.Ordinal);
        await host.As(Role.Operator).PostAsync("/v1/channels/sms/start", new { });
        Assert.Null((await GatewayAsync(host)).HeldBecause);
    }

    [Fact]
    public async Task What_an_operator_stopped_says_who_when_and_why()
    {
        await using var given = await GivenRun.CreateAsync();
        await using var host = await HostAsync(given);
        await host.As(Role.Operator).PostAsync("/v1/channels/sms/stop", new StopChannelRequest { Reason = "a fire" });

        var sms = await SmsAsync(host);
        Assert.Equal((true, "a fire"), (sms.Stopped, sms.Reason));
        Assert.Equal(
            $"{sms.ChangedBy} stopped the channel at {sms.ChangedAt:yyyy-MM-dd'T'HH:mm:ss'Z'}: a fire. Start the channel to go on.",
            Assert.Single(sms.Gateways).HeldBecause
        );
        await host.As(Role.Operator).PostAsync("/v1/channels/sms/start", new { });
        Assert.Null((await GatewayAsync(host)).HeldBecause);
    }

    [Fact]
    public async Task The_last_errors_are_five_kinds_at_most_newest_first()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { ChunkSize = 1 });
        await using var host = await HostAsync(given);
        var count = 0;
        var gateway = Answering(request =>
        {
            var item = new ItemResult(SendState.Rejected, $"code_{Math.Min(++count, 7)}", null);
            return new SendResult.Answered([.. request.Items.Select(_ => item)]);
        });
        await using var node = new Node(given.DataSource, [gateway], channels: settings => settings.Concurrency = 1);
        await node.LaneAsync(run);

        var errors = (await GatewayAsync(host)).LastErrors;
        Assert.Equal(["code_7", "code_6", "code_5", "code_4", "code_3"], errors.Select(error => error.Code));
        Assert.All(errors, error => Assert.StartsWith("refused for good", error.Detail, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_channel_that_nothing_serves_has_no_gateway()
    {
        await using var given = await GivenRun.CreateAsync();
        await using var host = await HostAsync(given);
        var list = await host.As(Role.Analyst).GetAsync("/v1/channels").ReadAsync<ChannelList>();

        Assert.Equal(Enum.GetValues<Channel>(), list.Items.Select(one => one.Channel));
        Assert.Equal([1, 0, 0], list.Items.Select(one => one.Gateways.Count));
    }

    private static ScriptedGateway Answering(Func<SendRequest, SendResult> answer) =>
        new(Channel.Sms) { Answer = request => Task.FromResult(answer(request)) };

    /// <summary>A node that sends nothing, beside the one that the test drives.</summary>
    private static Task<ApiHost> HostAsync(GivenRun given) =>
        ApiHost.StartAsync(
            given.Database,
            settings: new Dictionary<string, string?> { ["Channels:sms:Gateway"] = "scripted-Sms" },
            configure: services =>
                services.AddSingleton(
                    new GatewayKind(
                        "scripted-Sms",
                        Channel.Sms,
                        _ => new ScriptedGateway(Channel.Sms),
                        NeedsProvider: false
                    )
                )
        );

    private static async Task<ChannelStatus> SmsAsync(ApiHost host) =>
        (await host.As(Role.Operator).GetAsync("/v1/channels").ReadAsync<ChannelList>()).Items.Single(one =>
            one.Channel == Channel.Sms
        );

    private static async Task<GatewayStatus> GatewayAsync(ApiHost host) =>
        Assert.Single((await SmsAsync(host)).Gateways);

    private static async Task<(double Sms, double WeChat, double App)> RatesAsync(ApiHost host)
    {
        var list = await host.As(Role.Operator).GetAsync("/v1/channels").ReadAsync<ChannelList>();
        return (Rate(Channel.Sms), Rate(Channel.WeChat), Rate(Channel.App));

        double Rate(Channel channel) =>
            Assert.Single(list.Items.Single(one => one.Channel == channel).Gateways).RatePerSecond;
    }

    private sealed class MovedClock : TimeProvider
    {
        public TimeSpan By { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + By;
    }
}
