using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Planning;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Dispatch;

/// <summary>Channels and gateways by which nothing goes for a while, and how they go on.</summary>
public sealed class HeldChannelTests
{
    [Fact]
    public async Task A_throttled_channel_rests_as_long_as_it_was_told()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20) });
        var gateway = new ScriptedGateway(Channel.Sms)
        {
            Answer = _ => Task.FromResult<SendResult>(new SendResult.Throttled(TimeSpan.FromSeconds(30))),
        };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        var (_, at) = Assert.Single(node.Engine.Asked);
        await node.LaneAsync(run);
        await node.SweepAsync();

        Assert.Equal(1, gateway.Requests);
        Assert.InRange((at!.Value - DateTimeOffset.UtcNow).TotalSeconds, 20, 31);
        gateway.Answer = null;
        await given.ExecuteAsync(
            "UPDATE channel_state SET not_before = clock_timestamp(); UPDATE chunk SET due_at = now()"
        );
        await node.LaneAsync(run);
        Assert.Equal("accepted 20", await given.StatesAsync(run));
    }

    [Fact]
    public async Task A_channel_that_its_provider_stops_keeps_its_touches_until_it_is_started()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20) });
        var gateway = new ScriptedGateway(Channel.Sms)
        {
            Answer = _ =>
                Task.FromResult<SendResult>(new SendResult.ChannelStopped("isv.AMOUNT_NOT_ENOUGH", "no balance")),
        };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        await node.LaneAsync(run);

        Assert.Equal(1, gateway.Requests);
        Assert.Equal(
            "no balance (isv.AMOUNT_NOT_ENOUGH)",
            await given.AskAsync<string>("SELECT reason FROM channel_state WHERE stopped")
        );
        Assert.Equal("attempted 10, planned 10", await given.StatesAsync(run));
        gateway.Answer = null;
        await node.Get<ChannelStates>().StartAsync(Channel.Sms, Access.Actor.Service, CancellationToken.None);
        await node.LaneAsync(run);
        Assert.Equal("accepted 20", await given.StatesAsync(run));
        Assert.Equal(2, await given.AskAsync<int>("SELECT count(*)::int FROM audit WHERE subject_kind = 'channel'"));
    }

    [Fact]
    public async Task A_gateway_that_its_provider_stops_holds_up_no_other_of_its_channel()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var servicing = await given.RunAsync(
            new RunSpec { Customers = Enumerable.Range(1, 20), Purpose = Purpose.Servicing }
        );
        var marketing = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20) });
        var own = new ScriptedGateway(Channel.Sms);
        var cloud = new ScriptedGateway(Channel.Sms)
        {
            Answer = _ => Task.FromResult<SendResult>(new SendResult.ChannelStopped("402", "no balance")),
        };
        cloud.Declaration = cloud.Declaration with { Name = "cloud" };
        await using var node = new Node(given.DataSource, [own, cloud]);
        await node.LaneAsync(servicing);
        await node.LaneAsync(marketing);
        await node.SweepAsync();

        Assert.Equal((1, "accepted 20"), (cloud.Requests, await given.StatesAsync(marketing)));
        Assert.DoesNotContain(
            node.Engine.Asked,
            one => one.Job.Argument.StartsWith($"{servicing}:", StringComparison.Ordinal) && one.At is null
        );
        var sms = (await node.Get<ChannelStates>().ListAsync(CancellationToken.None)).Single(one =>
            one.Channel == Channel.Sms
        );
        Assert.Equal(
            [("scripted-Sms", false, 0), ("cloud", true, 20)],
            sms.Gateways.Select(one => (one.Name, one.Stopped, one.Stopped ? (int)sms.Waiting : 0))
        );
        Assert.Equal([Purpose.Servicing], sms.Gateways[1].Purposes);
        Assert.Equal(2, await given.AskAsync<int>("SELECT count(*)::int FROM gateway_pace"));

        cloud.Answer = null;
        await node.Get<ChannelStates>().StartAsync(Channel.Sms, Access.Actor.Service, CancellationToken.None);
        await node.SweepAsync();
        Assert.Contains(
            node.Engine.Asked,
            one => one.Job.Argument.StartsWith($"{servicing}:", StringComparison.Ordinal) && one.At is null
        );
        await node.LaneAsync(servicing);
        Assert.Equal("accepted 20", await given.StatesAsync(servicing));
        Assert.Equal(20, own.Ledger.Count);
    }

    [Fact]
    public async Task An_operator_stops_a_channel_whichever_gateway_serves_it()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var servicing = await given.RunAsync(
            new RunSpec { Customers = Enumerable.Range(1, 20), Purpose = Purpose.Servicing }
        );
        var marketing = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20) });
        var (own, cloud) = (new ScriptedGateway(Channel.Sms), new ScriptedGateway(Channel.Sms));
        cloud.Declaration = cloud.Declaration with { Name = "cloud" };
        await using var node = new Node(given.DataSource, [own, cloud]);
        await node.Get<ChannelStates>().StopAsync(Channel.Sms, "a fire", Access.Actor.Service, CancellationToken.None);
        await node.LaneAsync(servicing);
        await node.LaneAsync(marketing);

        Assert.Equal((0, 0), (own.Requests, cloud.Requests));
        await node.Get<ChannelStates>().StartAsync(Channel.Sms, Access.Actor.Service, CancellationToken.None);
        await node.LaneAsync(servicing);
        await node.LaneAsync(marketing);
        Assert.Equal((20, 20), (own.Ledger.Count, cloud.Ledger.Count));
    }

    [Fact]
    public async Task R18_what_the_channels_gateway_does_not_carry_waits_until_one_does()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { Channels = [Channel.WeChat] });
        var gateway = new ScriptedGateway(Channel.WeChat);
        var both = gateway.Declaration;
        gateway.Declaration = both with { Purposes = new HashSet<Purpose> { Purpose.Servicing } };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);

        Assert.Equal((0, "planned 20"), (gateway.Requests, await given.StatesAsync(run)));
        var wechat = (await node.Get<ChannelStates>().ListAsync(CancellationToken.None)).Single(one =>
            one.Channel == Channel.WeChat
        );
        Assert.StartsWith(
            "No gateway serves wechat for marketing",
            wechat.HeldBecause(Purpose.Marketing),
            StringComparison.Ordinal
        );
        gateway.Declaration = both;
        await given.PassAsync(TimeSpan.FromMinutes(2));
        await node.LaneAsync(run);
        Assert.Equal("accepted 20", await given.StatesAsync(run));
    }

    [Fact]
    public async Task A_gateway_that_broke_is_tried_again_when_its_break_is_over()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20), ChunkSize = 1 });
        var gateway = new ScriptedGateway(Channel.Sms)
        {
            Answer = _ => Task.FromResult<SendResult>(new SendResult.Unanswered("503")),
        };
        var clock = new MovedClock();
        await using var node = new Node(
            given.DataSource,
            [gateway],
            options => options.MaxClockError = TimeSpan.FromHours(1),
            time: clock
        );
        await node.LaneAsync(run);
        var untilItBroke = gateway.Requests;
        gateway.Answer = null;
        await node.LaneAsync(run);

        Assert.InRange(untilItBroke, 1, 19);
        Assert.Equal(untilItBroke, gateway.Requests);
        clock.By = TimeSpan.FromSeconds(6);
        await given.PassAsync(TimeSpan.FromMinutes(2));
        await node.LaneAsync(run);
        Assert.Equal("accepted 20", await given.StatesAsync(run));
    }

    private sealed class MovedClock : TimeProvider
    {
        public TimeSpan By { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + By;
    }
}
