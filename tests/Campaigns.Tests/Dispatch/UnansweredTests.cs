using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Planning;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Dispatch;

/// <summary>Requests of which nobody knows whether they arrived.</summary>
public sealed class UnansweredTests
{
    private const string LeaseEnds =
        "UPDATE chunk SET leased_until = clock_timestamp() - interval '1 s' WHERE state = 0";

    [Theory]
    [InlineData(Dedupe.Key, "accepted 5")]
    [InlineData(Dedupe.None, "unknown 5")]
    public async Task A_node_that_dies_before_it_records_costs_no_second_send(Dedupe dedupe, string states)
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5) });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Declaration = gateway.Declaration with { Dedupe = dedupe };
        var (sent, wakes) = (new TaskCompletionSource(), new TaskCompletionSource());
        gateway.Answer = async request =>
        {
            var result = gateway.Accept(request);
            sent.TrySetResult();
            await wakes.Task;
            return result;
        };
        await using var dead = new Node(given.DataSource, [gateway]);
        await using var heir = new Node(given.DataSource, [gateway]);
        var zombie = dead.LaneAsync(run);
        await sent.Task;
        await given.ExecuteAsync(LeaseEnds);
        gateway.Answer = null;

        await heir.LaneAsync(run);
        var before = await given.StatesAsync(run);
        wakes.SetResult();
        await zombie;

        Assert.Equal(states, before);
        Assert.Equal(states, await given.StatesAsync(run));
        Assert.Equal(5, gateway.Ledger.Count);
        Assert.Equal(dedupe == Dedupe.Key ? 2 : 1, gateway.Requests);
        Assert.Equal(1, await given.AskAsync<int>("SELECT count(*)::int FROM outcome"));
        Assert.Equal(1, await given.AskAsync<int>("SELECT count(DISTINCT request_key)::int FROM attempt"));
    }

    [Fact]
    public async Task An_unanswered_request_is_repeated_with_its_key_and_its_members()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5) });
        var gateway = new ScriptedGateway(Channel.Sms);
        var seen = new List<string>();
        gateway.Answer = request =>
        {
            seen.Add($"{request.Key}: {string.Join(',', request.Items.Select(item => item.TouchKey))}");
            return Task.FromResult(seen.Count < 3 ? new SendResult.Unanswered("cut") : gateway.Accept(request));
        };
        await using var node = new Node(given.DataSource, [gateway]);

        for (var i = 0; i < 3; i++)
        {
            await node.LaneAsync(run);
            await given.PassAsync(TimeSpan.FromMinutes(2));
        }

        Assert.Equal(3, seen.Count);
        Assert.Single(seen.Distinct());
        Assert.Equal("accepted 5", await given.StatesAsync(run));
    }

    public static TheoryData<SendResult> RefusalsForNow =>
        [
            new SendResult.Throttled(TimeSpan.FromSeconds(1)),
            new SendResult.ChannelStopped("no_balance", "no balance"),
            new SendResult.Answered([
                .. Enumerable.Range(1, 5).Select(_ => new ItemResult(SendState.Retryable, "busy", null)),
            ]),
        ];

    [Theory]
    [MemberData(nameof(RefusalsForNow))]
    public async Task That_a_repeat_is_refused_for_now_says_nothing_of_the_first_time(SendResult refusal)
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5) });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Answer = request =>
        {
            _ = request.Items.Select(item => gateway.Accept(request, item)).ToList();
            return Task.FromResult<SendResult>(new SendResult.Unanswered("cut"));
        };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        gateway.Answer = _ => Task.FromResult(refusal);
        await given.PassAsync(TimeSpan.FromMinutes(2));

        await node.LaneAsync(run);
        await given.PassAsync(TimeSpan.FromMinutes(2));
        await node.LaneAsync(run);

        Assert.Equal("attempted 5", await given.StatesAsync(run));
        Assert.Equal(1, await given.AskAsync<int>("SELECT count(DISTINCT request_key)::int FROM attempt"));
        Assert.Equal(0, await given.AskAsync<int>("SELECT count(*)::int FROM outcome"));
        Assert.Equal(1, await given.AskAsync<int>("SELECT count(*)::int FROM chunk"));
    }

    [Fact]
    public async Task An_unanswered_request_is_not_repeated_to_someone_who_has_refused_since()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5) });
        var gateway = new ScriptedGateway(Channel.Sms)
        {
            Answer = _ => Task.FromResult<SendResult>(new SendResult.Unanswered("cut")),
        };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        await given.ExecuteAsync("UPDATE contact SET opted_out = 1 WHERE customer_key = 3");
        await given.PassAsync(TimeSpan.FromMinutes(2));

        await node.LaneAsync(run);

        Assert.Equal(1, gateway.Requests);
        Assert.Equal("unknown 5", await given.StatesAsync(run));
    }

    [Fact]
    public async Task An_unanswered_request_is_not_repeated_to_another_gateway()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5) });
        var silent = new ScriptedGateway(Channel.Sms)
        {
            Answer = _ => Task.FromResult<SendResult>(new SendResult.Unanswered("cut")),
        };
        await using var before = new Node(given.DataSource, [silent]);
        await before.LaneAsync(run);
        await given.PassAsync(TimeSpan.FromMinutes(2));
        var other = new ScriptedGateway(Channel.Sms);
        other.Declaration = other.Declaration with { Name = "other" };
        await using var after = new Node(given.DataSource, [other]);

        await after.LaneAsync(run);

        Assert.Equal(0, other.Requests);
        Assert.Equal("unknown 5", await given.StatesAsync(run));
    }

    [Fact]
    public async Task Without_a_key_an_unanswered_request_is_unknown_and_never_repeated()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5) });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Declaration = gateway.Declaration with { Dedupe = Dedupe.None };
        gateway.Answer = _ => Task.FromResult<SendResult>(new SendResult.Unanswered("cut"));
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);
        await given.PassAsync(TimeSpan.FromMinutes(5));
        await node.SweepAsync();

        Assert.Equal(1, gateway.Requests);
        Assert.Equal("unknown 5", await given.StatesAsync(run));
        Assert.Equal("closed", await given.AskAsync<string>("SELECT state FROM run"));
    }
}
