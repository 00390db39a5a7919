using Campaigns.Demo;
using Campaigns.Faults.Running;

namespace Campaigns.Faults.Scenarios;

/// <summary>More than there is room for: of what comes in, and of connections.</summary>
internal static class Pressures
{
    private const int BatchSize = 200;
    private const int Times = 3;

    /// <summary>That an accepted request waits for its turn, and is then stored beside others on a machine that is busy.
    /// </summary>
    private static readonly TimeSpan MostAccepted = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan MostOther = TimeSpan.FromSeconds(5);
    private const long MostGrowth = 200;

    public static IEnumerable<Scenario> All =>
        [
            new("F28", "events come in at three times of what can be stored", OverloadAsync),
            new("F30", "two connections a node", ExhaustAsync),
        ];

    private static async Task OverloadAsync(Play play)
    {
        var scene = play.Scene;
        await scene.StartAsync(workers: 1);
        using var calm = new Flood(scene, "calm", BatchSize, 2_000);
        var capacity = await calm.CapacityAsync(callers: 8, TimeSpan.FromSeconds(play.Size(5, 15)));
        await scene.LaunchAsync(new CampaignSpec("flooded") { Audience = play.Size(600, 2_000) });

        using var flood = new Flood(scene, "flood", BatchSize, 2_000);
        using var memory = new MemoryWatch(scene.Nodes.First(node => node.Address == scene.Api));
        await using var health = Probe.OfHealth(scene.Api);
        var customer = 0;
        await using var refusals = Probe.Start(async () =>
        {
            await scene.Journal.RefuseAsync(scene, [++customer]);
            return true;
        });
        await using var control = Probe.Start(() => PauseAsync(scene, "flooded"));
        var time = TimeSpan.FromSeconds(play.Size(15, 60));
        await flood.RunAsync(Times * capacity, time);
        memory.Stop();
        await Task.WhenAll(health.StopAsync(), refusals.StopAsync(), control.StopAsync());
        await scene.ClosedAsync();

        play.Fault("batch beyond capacity", flood.Sent - flood.Accepted);
        play.Must(flood.Shed > 0, "harness", "nothing was shed: the fault did not bite");
        foreach (var (what, count) in flood.Others)
        {
            play.Must(false, "edge", $"{count} batches were answered with {what}");
        }

        play.Must(flood.P99 < MostAccepted, "wait", $"p99 of what was accepted is {flood.P99.TotalSeconds:0.0} s");
        play.Must(memory.Growth < MostGrowth, "memory", $"the API grew by {memory.Growth} MB under load");
        foreach (var (what, probe) in new[] { ("health", health), ("refusals", refusals), ("pausing", control) })
        {
            play.Must(probe.Failed == 0, "others", $"{probe.Failed} of {probe.Count} requests of {what} failed");
            play.Must(probe.P99 < MostOther, "others", $"p99 of {what} is {probe.P99.TotalSeconds:0.0} s");
        }

        play.Figure(
            $"{capacity * BatchSize:0} events/s in calm; at {Times} times of it {flood.Accepted * BatchSize / time.TotalSeconds:0} events/s stored, {flood.Shed} of {flood.Sent} batches shed, p99 of the stored {flood.P99.TotalSeconds:0.00} s (calm {calm.P99.TotalSeconds:0.00} s)"
        );
        play.Figure($"RSS of the API {memory.First} MB before, {memory.Most} MB at most; {memory.Trend}");
        play.Figure(
            $"meanwhile p99 of health {health.P99.TotalSeconds:0.00} s, of refusals {refusals.P99.TotalSeconds:0.00} s, of pausing and resuming {control.P99.TotalSeconds:0.00} s"
        );
    }

    /// <summary>Pauses and resumes; true also where the campaign is over.</summary>
    private static async Task<bool> PauseAsync(Scene scene, string campaign)
    {
        var state = await scene.AskAsync<string>(
            "SELECT state FROM campaign WHERE campaign_id = @campaign",
            new { campaign }
        );
        if (state != "running")
        {
            return true;
        }

        try
        {
            await scene.Operator.PostAsync<object>($"/v1/campaigns/{campaign}/pause", null, default);
            await scene.Operator.PostAsync<object>(
                $"/v1/campaigns/{campaign}/resume",
                new { overdue = "send" },
                default
            );
            return true;
        }
        catch (DemoException refused) when (refused.Message.Contains("invalid-state", StringComparison.Ordinal))
        {
            return true; // it has just finished
        }
    }

    private static async Task ExhaustAsync(Play play)
    {
        var scene = play.Scene;
        scene.Connects = database => (database.MaxPoolSize, database.Timeout) = (2, 5);
        await scene.StartAsync(workers: 2);
        using var flood = new Flood(scene, "few", 50, 2_000);
        var events = flood.RunAsync(play.Size(10, 20), TimeSpan.FromSeconds(play.Size(10, 40)));
        await scene.LaunchAsync(new CampaignSpec("few-sms") { Audience = play.Size(600, 2_000), Variants = 4 });
        await scene.LaunchAsync(
            new CampaignSpec("few-app")
            {
                Channel = "app",
                Audience = play.Size(600, 2_000),
                Variants = 4,
            }
        );
        await events;
        await scene.ClosedAsync();
        var (sick, well) = await LockedOutAsync(play);
        var exhausted = scene.Nodes.Sum(node =>
            node.Log.Count(line => line.Contains("pool has been exhausted", StringComparison.Ordinal))
        );

        play.Fault("node with two connections", scene.Nodes.Count);
        foreach (var (what, count) in flood.Others)
        {
            play.Must(false, "edge", $"{count} batches were answered with {what}");
        }

        play.Figure(
            $"p99 of batches {flood.P99.TotalSeconds:0.00} s, {flood.Shed} of {flood.Sent} shed; waits for a connection that were given up {exhausted}"
        );
        play.Figure(
            $"while both connections were held, health said so {sick.Failed} of {sick.Count} times, p99 {sick.P99.TotalSeconds:0.0} s; ready again after {well.TotalSeconds:0.0} s"
        );
    }

    /// <summary>Holds both connections of the API: what they ask for does not come.</summary>
    private static async Task<(Probe Sick, TimeSpan Well)> LockedOutAsync(Play play)
    {
        var scene = play.Scene;
        await using var connection = await scene.Sql.OpenConnectionAsync();
        await using var held = await connection.BeginTransactionAsync();
        await Dapper.SqlMapper.ExecuteAsync(connection, "LOCK TABLE consent IN ACCESS EXCLUSIVE MODE");
        var waiting = Enumerable
            .Range(1, 2)
            .Select(n =>
                Probe.Start(async () =>
                {
                    await scene.Journal.RefuseAsync(scene, [n]);
                    return true;
                })
            )
            .ToList();
        await Wait.UntilAsync(
            () =>
                scene.AskAsync<bool>(
                    "SELECT count(*) >= 2 FROM pg_stat_activity WHERE datname = @Database AND wait_event_type = 'Lock'",
                    new { scene.Database }
                ),
            "both connections are held"
        );
        await using var health = Probe.OfHealth(scene.Api);
        await Wait.UntilAsync(() => Task.FromResult(health.Count >= 2), "health has been asked");
        await health.StopAsync();
        play.Must(
            health.Failed == health.Count,
            "health",
            "a node that could not get a connection said that it is ready"
        );
        play.Must(health.P99 < MostOther, "health", $"health took {health.P99.TotalSeconds:0.0} s to answer");
        await held.RollbackAsync();
        using var client = new HttpClient { BaseAddress = scene.Api };
        var well = await Wait.UntilAsync(
            async () =>
            {
                using var answer = await client.GetAsync("/health");
                return answer.IsSuccessStatusCode;
            },
            "the node is ready again",
            seconds: 15
        );
        foreach (var probe in waiting)
        {
            await probe.DisposeAsync();
        }

        return (health, well);
    }
}
