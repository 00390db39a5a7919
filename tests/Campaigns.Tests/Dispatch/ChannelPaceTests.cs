using System.Collections.Concurrent;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Dispatch;

/// <summary>A gateway's rate, and that nothing goes out late on account of it.</summary>
public sealed class ChannelPaceTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public async Task Slots_of_two_nodes_follow_each_other_at_the_rate()
    {
        await using var database = await Databases.CreateAsync();
        ChannelPace one = new(database.DataSource, "one", TimeProvider.System),
            other = new(database.DataSource, "one", TimeProvider.System);

        await Task.WhenAll(Enumerable.Range(0, 4).SelectMany(_ => new[] { TakeAsync(one), TakeAsync(other) }));

        await using var connection = await database.DataSource.OpenConnectionAsync();
        var ahead = await connection.QuerySingleAsync<TimeSpan>(
            "SELECT next_at - clock_timestamp() FROM gateway_pace WHERE gateway = 'one'"
        );
        Assert.InRange(ahead.TotalSeconds, 60, 88); // 8 times 10 calls, one a second at most, and what the test took
        static Task<long[]> TakeAsync(ChannelPace pace) => pace.TakeAsync(1, 10, TimeSpan.Zero, default);
    }

    [Fact]
    public async Task Slots_that_are_given_back_are_taken_next_unless_they_come_too_soon()
    {
        await using var database = await Databases.CreateAsync();
        var pace = new ChannelPace(database.DataSource, "one", TimeProvider.System);
        var slots = await pace.TakeAsync(0.01, 4, TimeSpan.Zero, default);

        pace.GiveBack(slots[1..]);

        Assert.Equal(slots[1..3], await pace.TakeAsync(0.01, 2, TimeSpan.Zero, default));
        Assert.True(pace.Until((await pace.TakeAsync(0.01, 1, Hour, default))[0]) > Hour - TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Slots_lie_further_apart_while_a_node_has_just_begun_and_after_a_call_was_late()
    {
        await using var database = await Databases.CreateAsync();
        var clock = new Clock();
        var pace = new ChannelPace(database.DataSource, "one", clock);
        Assert.InRange(await ApartAsync(), 1.059, 1.1); // at one a second
        clock.Advance(TimeSpan.FromSeconds(21));
        Assert.InRange(await ApartAsync(), 1.013, 1.059);

        var slot = clock.GetTimestamp() + clock.TimestampFrequency / 20;
        var until = pace.UntilAsync(slot, default);
        clock.Advance(TimeSpan.FromMilliseconds(120));

        Assert.False(await until, "a call that is 70 ms late may go");
        Assert.InRange(await ApartAsync(), 1.069, 1.1);

        async Task<double> ApartAsync()
        {
            var slots = await pace.TakeAsync(1, 2, TimeSpan.Zero, default);
            return (slots[1] - slots[0]) / (double)clock.TimestampFrequency;
        }
    }

    [Fact]
    public async Task A_fine_timer_is_never_early()
    {
        var waits = Enumerable.Range(1, 50).Select(i => TimeSpan.FromMilliseconds(i * 7 % 31 + 1)).ToList();
        var since = TimeProvider.System.GetTimestamp();

        var over = await Task.WhenAll(waits.Select(TimedAsync));

        Assert.All(waits.Zip(over), pair => Assert.True(pair.Second >= pair.First - TimeSpan.FromMilliseconds(0.5)));

        async Task<TimeSpan> TimedAsync(TimeSpan wait)
        {
            await FineTimer.WaitAsync(wait);
            return TimeProvider.System.GetElapsedTime(since);
        }
    }

    [Fact]
    public async Task A_slow_gateway_gets_one_call_a_slot_from_a_lane_with_room_for_more()
    {
        await using var given = await GivenRun.CreateAsync(customers: 4);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 4) });
        var calls = new ConcurrentQueue<long>();
        await using var node = new Node(given.DataSource, [Timed(calls)], channels: AtRate(3));

        await node.LaneAsync(run);

        Assert.Equal(4, calls.Count);
        var took = TimeProvider.System.GetElapsedTime(calls.Min(), calls.Max());
        Assert.True(took > TimeSpan.FromSeconds(0.8), $"four calls at three a second took {took}");
    }

    [Fact]
    public async Task A_call_whose_slot_comes_after_the_window_does_not_go()
    {
        await using var given = await GivenRun.CreateAsync(customers: 8);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 8) });
        var calls = new ConcurrentQueue<long>();
        await using var node = new Node(
            given.DataSource,
            [Timed(calls)],
            channels: settings =>
            {
                AtRate(8)(settings);
                settings.Concurrency = 8;
            }
        );
        var closes = TimeProvider.System.GetTimestamp() + TimeProvider.System.TimestampFrequency / 2;
        await given.ExecuteAsync(
            "UPDATE wave SET closes_at = clock_timestamp() + clock_offset + interval '0.5 s' FROM business_clock WHERE run_key = @run",
            new { run }
        );

        await node.LaneAsync(run);

        Assert.InRange(calls.Count, 0, 7); // at eight a second
        var slack = TimeProvider.System.TimestampFrequency / 5; // the window was closed a moment after the clock was read
        Assert.All(calls, at => Assert.True(at < closes + slack, "a call went after the window had closed"));
    }

    [Fact]
    public async Task A_lease_is_renewed_from_the_instant_it_was_asked_for()
    {
        await using var given = await GivenRun.CreateAsync(customers: 1);
        var run = await given.RunAsync(new RunSpec { Customers = [1] });
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        var queue = node.Get<ChunkQueue>();
        var chunk = await queue.ClaimAsync(run, 1, "scripted-Sms", default);
        var clock = new Clock();
        await using var lease = new Lease(queue, chunk!, Hour, clock);
        Assert.True(lease.IsHeld);
        var asked = clock.GetTimestamp();
        clock.Advance(3 * Hour); // stopped between the commit and its answer

        lease.Renewed(asked);

        Assert.False(lease.IsHeld);
        lease.Renewed(clock.GetTimestamp());
        Assert.True(lease.IsHeld);
        lease.Renewed(asked);
        Assert.True(lease.IsHeld);
    }

    private static Action<GatewaySettings> AtRate(double rate) => settings => settings.RatePerSecond = rate;

    /// <summary>Notes when each call came; one item a call.</summary>
    private static ScriptedGateway Timed(ConcurrentQueue<long> calls)
    {
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Declaration = gateway.Declaration with { MaxBatch = 1 };
        gateway.Answer = request =>
        {
            calls.Enqueue(TimeProvider.System.GetTimestamp());
            return Task.FromResult(gateway.Accept(request));
        };
        return gateway;
    }

    private sealed class Clock : TimeProvider
    {
        private long _ahead;

        public override long GetTimestamp() => base.GetTimestamp() + Volatile.Read(ref _ahead);

        public void Advance(TimeSpan by) => Interlocked.Add(ref _ahead, (long)(by.TotalSeconds * TimestampFrequency));
    }
}
