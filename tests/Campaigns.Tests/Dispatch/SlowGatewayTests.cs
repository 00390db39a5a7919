using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Dispatch;

/// <summary>A node has few threads for all channels.</summary>
public sealed class SlowGatewayTests
{
    private const int Threads = 6;

    [Fact]
    public async Task A_gateway_that_does_not_answer_leaves_threads_to_the_others()
    {
        await using var given = await GivenRun.CreateAsync(customers: 40);
        var spec = new RunSpec { Customers = Enumerable.Range(1, 40), ChunkSize = 5 };
        int[] slow =
        [
            await given.RunAsync(spec with { Channels = [Channel.WeChat] }),
            await given.RunAsync(spec with { Channels = [Channel.WeChat] }),
        ];
        var run = await given.RunAsync(spec);
        var answer = new TaskCompletionSource();
        var wechat = new ScriptedGateway(Channel.WeChat);
        wechat.Answer = async request =>
        {
            await answer.Task;
            return wechat.Accept(request);
        };
        await using var node = new Node(
            given.DataSource,
            [wechat, new ScriptedGateway(Channel.Sms)],
            options => options.TouchesPerLane = 1
        );
        foreach (var one in slow)
        {
            await node.Get<WaveSchedule>().NowAsync(one, wave: 1, tries: 1, CancellationToken.None);
        }

        Assert.True(node.Engine.Asked.Count > Threads);
        await node.Get<WaveSchedule>().NowAsync(run, wave: 1, tries: 1, CancellationToken.None);
        using var stop = new CancellationTokenSource();
        var threads = Enumerable.Range(0, Threads).Select(_ => ThreadAsync(node, stop.Token)).ToList();

        await Eventually.BeAsync(
            () => given.StatesAsync(run),
            states => states == "accepted 40",
            "the other channel's touches went"
        );
        Assert.Equal(4, wechat.Requests);
        answer.SetResult();
        foreach (var one in slow)
        {
            await Eventually.BeAsync(
                () => given.StatesAsync(one),
                states => states == "accepted 40",
                "what found no room went too",
                TimeSpan.FromMinutes(1)
            );
        }

        await stop.CancelAsync();
        await Task.WhenAll(threads);
    }

    [Fact]
    public void Who_found_no_room_comes_before_who_had_a_turn()
    {
        var clock = new MovedClock();
        var lanes = new GatewayLanes(new DispatchOptions { LanesPerGateway = 2 }, clock);
        var first = lanes.Enter("sms", "first", out _)!;
        var second = lanes.Enter("sms", "second", out _)!;

        Assert.Null(lanes.Enter("sms", "third", out var wait));
        Assert.Equal(TimeSpan.FromSeconds(1), wait);
        Assert.NotNull(lanes.Enter("wechat", "another", out _));
        Assert.True(first.MayGoOn("sms"));
        Assert.False(first.MayGoOn("wechat"));
        clock.By = TimeSpan.FromSeconds(6);
        Assert.False(first.MayGoOn("sms"));

        first.Dispose();
        Assert.True(second.MayGoOn("sms"));
        Assert.Null(lanes.Enter("sms", "first", out _));
        Assert.NotNull(lanes.Enter("sms", "third", out _));
    }

    [Fact]
    public void Who_asks_no_more_keeps_nobody_out()
    {
        var clock = new MovedClock();
        var lanes = new GatewayLanes(new DispatchOptions { LanesPerGateway = 1 }, clock);
        var first = lanes.Enter("sms", "first", out _)!;
        Assert.Null(lanes.Enter("sms", "second", out _));

        clock.By = TimeSpan.FromMinutes(1);

        Assert.True(first.MayGoOn("sms"));
        first.Dispose();
        Assert.NotNull(lanes.Enter("sms", "third", out _));
    }

    private sealed class MovedClock : TimeProvider
    {
        internal TimeSpan By { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => By.Ticks;
    }

    private static Task ThreadAsync(Node node, CancellationToken stop) =>
        Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                if (node.Engine.TakeDue() is { } job)
                {
                    await node.Get<WaveDispatcher>().RunAsync(job, CancellationToken.None); // a lane ends by itself
                }
                else
                {
                    await Task.Delay(20, CancellationToken.None);
                }
            }
        });
}
