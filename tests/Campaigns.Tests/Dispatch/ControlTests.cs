using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Dispatch;

namespace Campaigns.Tests.Dispatch;

public sealed class ControlTests
{
    private static readonly Actor Operator = new("olga", Role.Operator);

    [Fact]
    public async Task Pausing_returns_when_what_was_on_the_wire_is_answered_and_nothing_goes_after_it()
    {
        await using var given = await GivenRun.CreateAsync(customers: 100);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 100) });
        var gateway = new ScriptedGateway(Channel.Sms);
        var (onTheWire, answer) = (new TaskCompletionSource(), new TaskCompletionSource());
        gateway.Answer = async request =>
        {
            if (gateway.Requests == 4)
            {
                onTheWire.SetResult();
                await answer.Task;
            }

            return gateway.Accept(request);
        };
        await using var node = new Node(given.DataSource, [gateway]);
        var lane = node.LaneAsync(run);
        await onTheWire.Task;

        var pausing = node.Control.PauseAsync("campaign-1", Operator, CancellationToken.None);
        await Support.Eventually.BeTrueAsync(
            () => given.AskAsync<bool>("SELECT state = 'paused' FROM campaign"),
            "the campaign is paused"
        );
        Assert.False(pausing.IsCompleted);
        answer.SetResult();
        var paused = (await pausing).Value;
        var sent = gateway.Ledger.Count;
        await lane;
        await node.LaneAsync(run);
        await node.SweepAsync();

        Assert.Equal(40, sent);
        Assert.Equal(sent, gateway.Ledger.Count);
        Assert.Equal(
            await given.AskAsync<DateTimeOffset?>("SELECT max(attempted_at) FROM attempt"),
            paused.LastAttemptAt
        );
        Assert.Equal("accepted 40, planned 60", await given.StatesAsync(run));
        Assert.Equal("paused", await given.AskAsync<string>("SELECT action FROM audit"));
    }

    [Theory]
    [InlineData(Overdue.Send, "accepted 20")]
    [InlineData(Overdue.Skip, "cancelled 20")]
    public async Task Resuming_does_with_overdue_touches_what_it_was_told(Overdue overdue, string states)
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec());
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await node.Control.PauseAsync("campaign-1", Operator, CancellationToken.None);

        Assert.Null((await node.Control.ResumeAsync("campaign-1", overdue, Operator, CancellationToken.None)).Error);
        await node.LaneAsync(run);

        Assert.Equal(states, await given.StatesAsync(run));
    }

    [Fact]
    public async Task Cancelling_ends_every_touch_that_waits()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec());
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);

        await node.Control.CancelAsync("campaign-1", Operator, CancellationToken.None);
        await node.LaneAsync(run);

        Assert.Empty(gateway.Ledger);
        Assert.Equal("cancelled 20", await given.StatesAsync(run));
        Assert.Equal("cancelled", await given.AskAsync<string>("SELECT state FROM run"));
        var again = await node.Control.ResumeAsync("campaign-1", Overdue.Send, Operator, CancellationToken.None);
        Assert.Equal("invalid-state", again.Error!.Type);
    }

    [Fact]
    public async Task A_campaign_that_does_not_run_cannot_be_paused()
    {
        await using var given = await GivenRun.CreateAsync();
        await using var node = new Node(given.DataSource, []);

        var unknown = await node.Control.PauseAsync("nothing", Operator, CancellationToken.None);

        Assert.Equal("not-found", unknown.Error!.Type);
    }
}
