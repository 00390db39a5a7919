using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Receipts;
using Dapper;
using Npgsql;

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
        var (onTheWire, answer) = Hold(gateway, 4);
        await using var node = new Node(given.DataSource, [gateway]);
        var lane = node.LaneAsync(run);
        await onTheWire;

        var pausing = node.Control.PauseAsync("campaign-1", Operator, CancellationToken.None);
        await IsPausedAsync(given);
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

    [Fact]
    public async Task One_connection_is_enough_to_send_to_sweep_and_to_cancel()
    {
        await using var given = await GivenRun.CreateAsync(customers: 100);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 50) });
        var cancelled = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(51, 50) });
        await using var one = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(given.ConnectionString) { MaxPoolSize = 1, Timeout = 10 }
        );
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(one, [gateway]);

        await Task.WhenAll(node.LaneAsync(run), node.SweepAsync(), node.Get<ReceiptSweep>().RunAsync(default));
        await node.Control.CancelAsync("campaign-2", Operator, CancellationToken.None);
        await node.SweepAsync();

        Assert.Equal("accepted 50", await given.StatesAsync(run));
        Assert.Equal("cancelled 50", await given.StatesAsync(cancelled));
    }

    [Theory]
    [InlineData(Overdue.Send, "accepted 20")]
    [InlineData(Overdue.Skip, "cancelled 20")]
    [InlineData(Overdue.Shift, "accepted 20")]
    public async Task Resuming_does_with_overdue_touches_what_it_was_told(Overdue overdue, string states)
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(Morning);
        var run = await given.RunAsync(new RunSpec());
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await node.Control.PauseAsync("campaign-1", Operator, CancellationToken.None);

        Assert.Null((await node.Control.ResumeAsync("campaign-1", overdue, Operator, CancellationToken.None)).Error);
        await node.LaneAsync(run);

        Assert.Equal(states, await given.StatesAsync(run));
    }

    [Fact]
    public async Task A_campaign_that_is_paused_while_its_last_touches_are_on_the_wire_is_finished_once_it_runs_on()
    {
        await using var given = await GivenRun.CreateAsync(customers: 10);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 10) });
        var gateway = new ScriptedGateway(Channel.Sms);
        var (onTheWire, answer) = Hold(gateway, 1);
        await using var node = new Node(given.DataSource, [gateway]);
        var lane = node.LaneAsync(run);
        await onTheWire;
        var pausing = node.Control.PauseAsync("campaign-1", Operator, default);
        await IsPausedAsync(given);
        answer.SetResult();
        Assert.Null((await pausing).Error);
        await lane;
        await node.SweepAsync();
        Assert.Equal("paused", await given.AskAsync<string>("SELECT state FROM campaign"));

        Assert.Null((await node.Control.ResumeAsync("campaign-1", Overdue.Send, Operator, default)).Error);
        await node.SweepAsync();

        Assert.Equal("finished", await given.AskAsync<string>("SELECT state FROM campaign"));
        Assert.Equal("closed", await given.AskAsync<string>("SELECT state FROM run"));
    }

    [Fact]
    public async Task Who_resumes_too_late_skips_nothing()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.RunAsync(new RunSpec());
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        await node.Control.PauseAsync("campaign-1", Operator, default);
        await using var other = await given.DataSource.OpenConnectionAsync();
        await using var transaction = await other.BeginTransactionAsync();
        await CampaignFence.TakeAloneAsync(other, await given.AskAsync<int>("SELECT campaign_key FROM campaign"));
        var skipping = node.Control.ResumeAsync("campaign-1", Overdue.Skip, Operator, default);
        await Support.Eventually.BeTrueAsync(
            () =>
                given.AskAsync<bool>(
                    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
                ),
            "the second waits for the first"
        );

        await other.ExecuteAsync("UPDATE campaign SET state = 'running'");
        await transaction.CommitAsync();

        Assert.Equal("invalid-state", (await skipping).Error?.Type);
        Assert.Equal(2, await given.AskAsync<int>("SELECT count(*)::int FROM chunk WHERE state = 0"));
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

    /// <summary>Where a run stands when somebody interferes. It has windows of an hour on two days, and it is day.</summary>
    public enum Moment
    {
        Planning,
        BeforeTheFirstWindow,
        MidWindow,
        BetweenWindows,
        AfterTheLastWindow,
    }

    // A pause of an hour: what was open has closed then, and what was not open yet is.
    [Theory]
    [InlineData(Moment.Planning, Overdue.Send, "accepted 20")]
    [InlineData(Moment.Planning, Overdue.Skip, "cancelled 20")]
    [InlineData(Moment.Planning, Overdue.Shift, "accepted 20")]
    [InlineData(Moment.BeforeTheFirstWindow, Overdue.Send, "accepted 20")]
    [InlineData(Moment.BeforeTheFirstWindow, Overdue.Skip, "cancelled 20")]
    [InlineData(Moment.BeforeTheFirstWindow, Overdue.Shift, "accepted 20")]
    [InlineData(Moment.MidWindow, Overdue.Send, "accepted 20")]
    [InlineData(Moment.MidWindow, Overdue.Skip, "accepted 10, cancelled 10")]
    [InlineData(Moment.MidWindow, Overdue.Shift, "accepted 20")]
    [InlineData(Moment.BetweenWindows, Overdue.Send, "accepted 20")]
    [InlineData(Moment.BetweenWindows, Overdue.Skip, "accepted 20")]
    [InlineData(Moment.BetweenWindows, Overdue.Shift, "accepted 20")]
    public async Task A_run_is_paused_and_resumed_at_every_moment_of_its_life(
        Moment moment,
        Overdue overdue,
        string states
    )
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        var run = await GivenAtAsync(given, node, moment);
        var before = gateway.Ledger.Count;

        Assert.Null((await node.Control.PauseAsync("campaign-1", Operator, default)).Error);
        await given.PassAsync(TimeSpan.FromHours(1));
        await PlannedAsync(given);
        await AllLanesAsync(node, run);
        Assert.Equal(before, gateway.Ledger.Count);
        Assert.Null((await node.Control.ResumeAsync("campaign-1", overdue, Operator, default)).Error);
        for (var hour = 0; hour < 30; hour++)
        {
            await node.SweepAsync();
            await AllLanesAsync(node, run);
            await given.PassAsync(TimeSpan.FromHours(1));
        }

        Assert.Equal(states, await given.StatesAsync(run));
        Assert.Equal("finished", await given.AskAsync<string>("SELECT state FROM campaign"));
    }

    [Theory]
    [InlineData(Moment.Planning, "")]
    [InlineData(Moment.BeforeTheFirstWindow, "cancelled 20")]
    [InlineData(Moment.MidWindow, "accepted 10, cancelled 10")]
    [InlineData(Moment.BetweenWindows, "cancelled 20")]
    public async Task A_run_is_cancelled_at_every_moment_of_its_life(Moment moment, string states)
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        var run = await GivenAtAsync(given, node, moment);
        var before = gateway.Ledger.Count;

        Assert.Null((await node.Control.CancelAsync("campaign-1", Operator, default)).Error);
        await AllLanesAsync(node, run);
        await given.PassAsync(TimeSpan.FromHours(24));
        await node.SweepAsync();
        await AllLanesAsync(node, run);

        Assert.Equal(before, gateway.Ledger.Count);
        Assert.Equal("cancelled", await given.AskAsync<string>("SELECT state FROM run"));
        Assert.Equal("cancelled", await given.AskAsync<string>("SELECT state FROM campaign"));
        if (moment != Moment.Planning)
        {
            Assert.Equal(states, await given.StatesAsync(run));
        }
    }

    [Fact]
    public async Task After_the_last_window_a_campaign_is_finished_and_neither_paused_resumed_nor_cancelled()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        var run = await GivenAtAsync(given, node, Moment.AfterTheLastWindow);
        await node.SweepAsync();

        Assert.Equal("expired 20", await given.StatesAsync(run));
        Assert.Equal("invalid-state", (await node.Control.PauseAsync("campaign-1", Operator, default)).Error?.Type);
        Assert.Equal(
            "invalid-state",
            (await node.Control.ResumeAsync("campaign-1", Overdue.Shift, Operator, default)).Error?.Type
        );
        Assert.Equal("invalid-state", (await node.Control.CancelAsync("campaign-1", Operator, default)).Error?.Type);
    }

    [Theory]
    [InlineData(Overdue.Send, "expired 20")]
    [InlineData(Overdue.Skip, "cancelled 20")]
    [InlineData(Overdue.Shift, "accepted 20")]
    public async Task A_pause_that_outlasts_the_last_window_leaves_what_was_asked_for(Overdue overdue, string states)
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        var run = await GivenAtAsync(given, node, Moment.BeforeTheFirstWindow);
        await node.Control.PauseAsync("campaign-1", Operator, default);
        await given.PassAsync(TimeSpan.FromHours(72));

        await node.Control.ResumeAsync("campaign-1", overdue, Operator, default);
        for (var hour = 0; hour < 3; hour++)
        {
            await node.SweepAsync();
            await AllLanesAsync(node, run);
            await given.PassAsync(TimeSpan.FromMinutes(20));
        }

        Assert.Equal(states, await given.StatesAsync(run));
    }

    private static readonly DateTimeOffset Morning = new(2030, 3, 5, 10, 0, 0, TimeSpan.FromHours(8));

    private static async Task<int> GivenAtAsync(GivenRun given, Node node, Moment moment)
    {
        await given.AtAsync(Morning);
        var run = await given.RunAsync(new RunSpec { Windows = 2, OpensIn = TimeSpan.FromMinutes(30) });
        switch (moment)
        {
            case Moment.Planning:
                await given.ExecuteAsync(
                    """
                    CREATE TABLE later AS TABLE chunk;
                    DELETE FROM chunk;
                    UPDATE run SET state = 'planning', planned_at = NULL
                    """
                );
                break;
            case Moment.MidWindow:
                await given.ExecuteAsync("UPDATE chunk SET due_at = due_at + interval '40 minutes' WHERE chunk = 2");
                await given.PassAsync(TimeSpan.FromMinutes(40));
                await node.LaneAsync(run);
                break;
            case Moment.BetweenWindows:
                await given.PassAsync(TimeSpan.FromHours(2));
                await node.SweepAsync();
                break;
            case Moment.AfterTheLastWindow:
                await given.PassAsync(TimeSpan.FromHours(26));
                await node.SweepAsync();
                break;
            default:
                break;
        }

        return run;
    }

    /// <summary>Planning that goes on in a pause ends as it would have.</summary>
    private static Task PlannedAsync(GivenRun given) =>
        given.ExecuteAsync(
            """
            DO $$ BEGIN
                IF EXISTS (SELECT FROM run WHERE state = 'planning') THEN
                    INSERT INTO chunk SELECT * FROM later;
                    UPDATE run SET state = 'planned', planned_at = as_of;
                END IF;
            END $$
            """
        );

    private static async Task AllLanesAsync(Node node, int run)
    {
        await node.LaneAsync(run, wave: 1);
        await node.LaneAsync(run, wave: 2);
    }

    /// <summary>One request waits for its answer; the others have it at once.</summary>
    private static (Task OnTheWire, TaskCompletionSource Answer) Hold(ScriptedGateway gateway, int request)
    {
        var (onTheWire, answer) = (new TaskCompletionSource(), new TaskCompletionSource());
        gateway.Answer = async sent =>
        {
            if (gateway.Requests == request)
            {
                onTheWire.SetResult();
                await answer.Task;
            }

            return gateway.Accept(sent);
        };
        return (onTheWire.Task, answer);
    }

    private static Task IsPausedAsync(GivenRun given) =>
        Support.Eventually.BeTrueAsync(
            () => given.AskAsync<bool>("SELECT state = 'paused' FROM campaign"),
            "the campaign is paused"
        );
}
