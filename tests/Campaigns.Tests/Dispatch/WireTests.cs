using Campaigns.Channels;
using Campaigns.Tests.Support;
using Npgsql;

namespace Campaigns.Tests.Dispatch;

/// <summary>What comes back of one request while the next are attempted.</summary>
public sealed class WireTests
{
    private const string FailsOnce = """
        CREATE SEQUENCE tries;
        CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('tries') = 1 THEN
                RAISE EXCEPTION 'try again' USING ERRCODE = 'serialization_failure';
            END IF;
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER fail_once BEFORE INSERT ON attempt
            FOR EACH ROW WHEN (NEW.request = 2) EXECUTE FUNCTION fail_once();
        """;

    [Fact]
    public async Task Outcomes_are_recorded_with_the_attempts_that_follow_them()
    {
        await using var given = await GivenRun.CreateAsync(customers: 30);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 30), ChunkSize = 80 });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = OneAtATime(given, gateway);

        await node.LaneAsync(run);

        Assert.Equal("accepted 30", await given.StatesAsync(run));
        Assert.Equal(
            2,
            await given.AskAsync<int>(
                "SELECT count(*)::int FROM outcome o JOIN attempt a ON a.request = o.request + 1 AND a.xmin = o.xmin"
            )
        );
    }

    [Fact]
    public async Task What_came_back_is_recorded_when_the_next_attempts_fail()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.ExecuteAsync(FailsOnce);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20), ChunkSize = 80 });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Declaration = gateway.Declaration with { Dedupe = Dedupe.None };
        await using var node = OneAtATime(given, gateway);

        await Assert.ThrowsAsync<PostgresException>(() => node.LaneAsync(run));
        var before = await given.StatesAsync(run);
        await node.LaneAsync(run);

        Assert.Equal("accepted 10, planned 10", before);
        Assert.Equal("accepted 20", await given.StatesAsync(run));
        Assert.Equal(20, gateway.Ledger.Count);
    }

    [Fact]
    public async Task What_came_back_is_recorded_when_nothing_more_may_go()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20), ChunkSize = 80 });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Answer = async request =>
        {
            var result = gateway.Accept(request);
            await given.ExecuteAsync("UPDATE campaign SET state = 'paused'");
            return result;
        };
        await using var node = OneAtATime(given, gateway);

        await node.LaneAsync(run);

        Assert.Equal("accepted 10, planned 10", await given.StatesAsync(run));
        Assert.Equal(1, gateway.Requests);
    }

    [Fact]
    public async Task A_request_that_is_slow_to_answer_keeps_the_others_from_nothing()
    {
        await using var given = await GivenRun.CreateAsync(customers: 80);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 80), ChunkSize = 80 });
        var gateway = new ScriptedGateway(Channel.Sms);
        var (others, calls) = (new TaskCompletionSource(), 0);
        gateway.Answer = async request =>
        {
            if (Interlocked.Increment(ref calls) == 1)
            {
                await others.Task.WaitAsync(TimeSpan.FromSeconds(20));
            }

            var result = gateway.Accept(request);
            if (gateway.Ledger.Count == 70)
            {
                others.TrySetResult();
            }

            return result;
        };
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);

        Assert.Equal("accepted 80", await given.StatesAsync(run));
    }

    [Fact]
    public async Task Whatever_follows_from_an_answer_is_done_while_the_next_wait_for_their_slots()
    {
        await using var given = await GivenRun.CreateAsync(customers: 40);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 40), ChunkSize = 80 });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Declaration = gateway.Declaration with { MaxBatch = 1 };
        var calls = 0;
        gateway.Answer = async _ =>
        {
            // Answers come at any moment between two slots, just before the next attempts too.
            await Task.Delay(Interlocked.Increment(ref calls) * 7 % 55);
            return new SendResult.Answered([new ItemResult(SendState.Rejected, "unknown number", null)]);
        };
        await using var node = new Node(
            given.DataSource,
            [gateway],
            channels: settings => (settings.RatePerSecond, settings.Concurrency) = (20, 8)
        );

        await node.LaneAsync(run);

        Assert.Equal("failed 40", await given.StatesAsync(run));
        Assert.Equal(0, await given.AskAsync<int>("SELECT sum(contacts)::int FROM contact"));
    }

    private static Node OneAtATime(GivenRun given, ScriptedGateway gateway) =>
        new(given.DataSource, [gateway], channels: settings => settings.Concurrency = 1);
}
