using Campaigns.Channels;
using Campaigns.Planning;

namespace Campaigns.Tests.Dispatch;

public sealed class PriorityTests
{
    private static readonly FrequencyCaps OneADay = new() { PerDay = 1 };

    [Fact]
    public async Task The_lower_campaign_waits_for_the_higher_and_is_outranked_when_it_has_gone()
    {
        await using var given = await GivenRun.CreateAsync(customers: 4);
        var low = await given.RunAsync(Campaign([1, 2, 3, 4], OneADay, priority: 3));
        var high = await given.RunAsync(Campaign([1, 2], OneADay, priority: 8));
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(low);
        Assert.Equal("accepted 2, planned 2", await given.StatesAsync(low));
        await node.LaneAsync(high);
        await given.PassAsync(TimeSpan.FromMinutes(2));
        await node.LaneAsync(low);

        Assert.Equal("accepted 2", await given.StatesAsync(high));
        Assert.Equal("accepted 2, suppressed(outranked) 2", await given.StatesAsync(low));
    }

    [Fact]
    public async Task A_higher_campaign_that_went_in_its_second_window_outranks_as_any_other()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        var high = await given.RunAsync(Campaign([1, 2], OneADay, priority: 8) with { Windows = 2 });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await given.PassAsync(TimeSpan.FromHours(2));
        await node.SweepAsync();
        await given.PassAsync(TimeSpan.FromHours(22));
        var low = await given.RunAsync(Campaign([1, 2], OneADay, priority: 3));

        await node.LaneAsync(high, wave: 2);
        await node.LaneAsync(low);

        Assert.Equal("accepted 2", await given.StatesAsync(high));
        Assert.Equal("suppressed(outranked) 2", await given.StatesAsync(low));
    }

    [Fact]
    public async Task The_lower_campaign_goes_when_the_higher_ended_without_going()
    {
        await using var given = await GivenRun.CreateAsync(customers: 4);
        var low = await given.RunAsync(Campaign([1, 2, 3, 4], OneADay, priority: 3));
        await given.RunAsync(Campaign([1, 2], OneADay, priority: 8));
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(low);
        await node.Control.CancelAsync("campaign-2", Access.Actor.Service, CancellationToken.None);
        await given.PassAsync(TimeSpan.FromMinutes(2));

        // A fresh node: what one knows of higher campaigns may be a second old.
        await using var fresh = new Node(given.DataSource, [gateway]);
        await fresh.LaneAsync(low);

        Assert.Equal("accepted 4", await given.StatesAsync(low));
        Assert.Equal(4, await given.AskAsync<int>("SELECT sum(n)::int FROM report_delta WHERE metric = 'attempted'"));
    }

    [Fact]
    public async Task Where_the_caps_leave_room_for_both_nobody_waits()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        var caps = new FrequencyCaps { PerDay = 2 };
        var low = await given.RunAsync(Campaign([1, 2], caps, priority: 3));
        var high = await given.RunAsync(Campaign([1, 2], caps, priority: 8));
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(low);
        await node.LaneAsync(high);

        Assert.Equal("accepted 2", await given.StatesAsync(low));
        Assert.Equal("accepted 2", await given.StatesAsync(high));
    }

    private static RunSpec Campaign(int[] customers, FrequencyCaps caps, int priority) =>
        new()
        {
            Customers = customers,
            Caps = caps,
            Priority = priority,
        };
}
