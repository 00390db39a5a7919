using System.Diagnostics;
using Campaigns.Faults.Running;
using Campaigns.Simulator;
using Dapper;

namespace Campaigns.Faults.Scenarios;

/// <summary>Workers beside each other, and a database that comes and goes.</summary>
internal static class Cuts
{
    public static IEnumerable<Scenario> All =>
        [
            new("F6", "workers race for the same chunks", RaceAsync),
            new("F7", "a zombie wakes: SIGSTOP past its lease, SIGCONT", ZombieAsync),
            new("F8", "connections cut, five a second", CutAsync),
            new("F9", "PostgreSQL crashes and recovers", CrashAsync),
            new("F20", "a node's clock is two hours off", SkewAsync),
            new("F25", "the engine fires everything ten times", TenTimesAsync),
            new("F26", "the engine's tables wiped", WipeAsync),
        ];

    private static async Task RaceAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync(latencyMs: 100);
        // Else the first to be woken may take all lanes.
        await scene.StartAsync(workers: 4, new Dictionary<string, string> { ["Dispatch:LanesPerGateway"] = "1" });
        var audience = await scene.AskAsync<int>("SELECT count(*)::int FROM customer");
        var since = Stopwatch.GetTimestamp();
        await scene.LaunchAsync(new CampaignSpec("race") { Audience = audience, Variants = 16 });
        await scene.ClosedAsync(240);
        play.Fault("worker racing", 4);
        var claims = await scene.AskAsync<(long Claims, long Nodes)>(
            "SELECT count(*), count(DISTINCT node) FROM faults.claim"
        );
        play.Must(claims.Nodes > 1, "harness", "one worker did everything: nothing raced");
        play.Figure(
            $"{claims.Claims} claims by {claims.Nodes} workers in {Stopwatch.GetElapsedTime(since).TotalSeconds:0.0} s"
        );
    }

    private static async Task ZombieAsync(Play play)
    {
        var scene = play.Scene;
        await using var gate = await Gate.BuildAsync(scene.Sql, "INSERT ON attempt");
        await scene.BehaveAsync(latencyMs: 150);
        // So slow that it waits for its turn about as long as it is on the wire; and one call at a time, so that a zombie
        // whose turn has passed finds another before what it has read is too old.
        await scene.StartAsync(
            settings: new Dictionary<string, string>
            {
                ["Channels:sms:RatePerSecond"] = "3",
                ["Channels:sms:Concurrency"] = "1",
            }
        );
        await scene.LaunchAsync(new CampaignSpec("zombie") { Audience = play.Size(1_000, 2_000) });
        var taken = new List<TimeSpan>();
        for (var stop = 0; stop < play.Times(3, 6); stop++)
        {
            await scene.SentAsync((int)await ProviderView.LinesAsync(scene.Provider) + 20);
            var zombie = (stop % 3) switch
            {
                0 => await BeforeItsTurnAsync(play),
                1 => await OnTheWireAsync(play),
                _ => await InTransactionAsync(play, gate),
            };
            taken.Add(await play.TakenOverAsync(zombie, DateTimeOffset.UtcNow));
            // It wakes while its heir is in the middle of the chunk.
            await scene.SentAsync((int)await ProviderView.LinesAsync(scene.Provider) + 20);
            zombie.Continue();
        }

        await scene.ClosedAsync();
        play.Figure($"taken over after {Play.Median(taken)}");
    }

    /// <summary>Everything it sent is recorded: when it wakes, its token alone says that its heir has sent the rest.</summary>
    private static Task<NodeProcess> BeforeItsTurnAsync(Play play) =>
        StoppedAsync(play, "SIGSTOP before its turn", onTheWire: false);

    private static Task<NodeProcess> OnTheWireAsync(Play play) =>
        StoppedAsync(play, "SIGSTOP on the wire", onTheWire: true);

    /// <summary>Stops whoever holds a lease, and lets it go on, until it was at that point and in no transaction.</summary>
    private static async Task<NodeProcess> StoppedAsync(Play play, string fault, bool onTheWire)
    {
        NodeProcess? zombie = null;
        await Wait.UntilAsync(
            async () =>
            {
                zombie = await play.HolderAsync();
                zombie.Stop();
                var (isOnTheWire, inTransaction) = await play.Scene.AskAsync<(bool, bool)>(
                    """
                    SELECT EXISTS (
                               SELECT FROM attempt a
                               LEFT JOIN outcome o USING (run_key, chunk, request)
                               WHERE a.customer_keys <> '{}' AND o.request IS NULL
                           ),
                           EXISTS (
                               SELECT FROM pg_stat_activity WHERE application_name = @Name AND xact_start IS NOT NULL
                           )
                    """,
                    new { zombie.Name }
                );
                if (isOnTheWire == onTheWire && !inTransaction)
                {
                    return true;
                }

                zombie.Continue();
                return false;
            },
            "a node is stopped where it should be"
        );
        play.Fault(fault);
        return zombie!;
    }

    /// <summary>It sleeps with the locks of its chunk, of the campaign's fence and of customers.</summary>
    private static async Task<NodeProcess> InTransactionAsync(Play play, Gate gate)
    {
        await gate.CloseAsync();
        var zombie = await play.AtGateAsync(gate);
        zombie.Stop();
        await gate.OpenAsync();
        play.Fault("SIGSTOP in a transaction");
        return zombie;
    }

    private static async Task CutAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync(latencyMs: 100);
        await scene.StartAsync();
        await scene.LaunchAsync(new CampaignSpec("cut-sms") { Audience = 1_000, Variants = 2 });
        await scene.LaunchAsync(
            new CampaignSpec("cut-app")
            {
                Channel = "app",
                Audience = 1_000,
                Variants = 2,
            }
        );
        using var enough = new CancellationTokenSource();
        var client = scene.Journal.PostEventsAsync(scene.Api, scene.Key("backend"), "cut", 400, enough.Token);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        for (var cut = 0; cut < play.Times(30, 100) && await timer.WaitForNextTickAsync(); cut++)
        {
            play.Fault(
                "connection cut",
                await scene.AskAsync<int>(
                    """
                    SELECT count(pg_terminate_backend(pid))::int
                    FROM (
                        SELECT pid
                        FROM pg_stat_activity
                        WHERE datname = @Database AND application_name LIKE 'campaigns-%'
                        ORDER BY state = 'active' DESC, random()
                        LIMIT 1
                    ) one
                    """,
                    new { scene.Database }
                )
            );
        }

        await enough.CancelAsync();
        await client;
        await scene.ClosedAsync();
        var (sent, failed) = scene.Journal.Requests;
        play.Figure(
            $"5xx {100.0 * failed / sent:0.0} % of {sent} requests, back after {scene.Journal.LongestFailure.TotalSeconds:0.00} s at most"
        );
    }

    private static async Task CrashAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync(latencyMs: 150);
        await scene.StartAsync();
        await scene.LaunchAsync(new CampaignSpec("crash") { Audience = play.Size(1_000, 3_000), Variants = 2 });
        using var enough = new CancellationTokenSource();
        var client = scene.Journal.PostEventsAsync(scene.Api, scene.Key("backend"), "crash", 400, enough.Token);
        var back = new List<TimeSpan>();
        for (var crash = 0; crash < play.Times(1, 3); crash++)
        {
            await scene.SentAsync((int)await ProviderView.LinesAsync(scene.Provider) + 100);
            await scene.Server.CrashAsync();
            scene.Sql.Clear();
            play.Fault("PostgreSQL crash");
            var up = Stopwatch.GetTimestamp();
            await scene.SentAsync((int)await ProviderView.LinesAsync(scene.Provider) + 1);
            back.Add(Stopwatch.GetElapsedTime(up));
        }

        await enough.CancelAsync();
        await client;
        await scene.ClosedAsync();
        play.Figure(
            $"first send after the restart: {Play.Median(back)}; acknowledged {scene.Journal.Acknowledged.Count} events"
        );
    }

    private static async Task SkewAsync(Play play)
    {
        var scene = play.Scene;
        await scene.StartAsync(workers: 0);
        var skewed = await scene.SkewedWorkerAsync(TimeSpan.FromHours(2));
        play.Fault("clock two hours ahead");
        await scene.LaunchAsync(new CampaignSpec("skew") { Audience = 300 });
        await Wait.UntilAsync(
            () => Task.FromResult(skewed.Log.Any(line => line.Contains("ends: Node", StringComparison.Ordinal))),
            "the node with the wrong clock declines to dispatch"
        );
        var early = await ProviderView.LinesAsync(scene.Provider);
        play.Must(early == 0, "I6", $"{early} items were sent by a node whose clock is two hours off");
        await scene.WorkerAsync();
        await scene.ClosedAsync();
        play.Figure($"early sends {early}");
    }

    private static async Task TenTimesAsync(Play play)
    {
        var scene = play.Scene;
        await EngineTables.TenfoldAsync(scene);
        await scene.StartAsync();
        await scene.LaunchAsync(new CampaignSpec("tenfold") { Audience = 600, Variants = 2 });
        await scene.ClosedAsync();
        var asked = await scene.AskAsync<int>("SELECT count(*)::int FROM faults.fired");
        play.Fault("job fired ten times", asked);
        play.Must(asked > 1, "harness", "no job was doubled");
        var runs = await scene.AskAsync<int>("SELECT count(*)::int FROM run");
        play.Must(runs == 1, "I3", $"one launch made {runs} runs");
        play.Figure($"{asked} jobs asked for, {asked * 10} fired, effects 1");
    }

    private static async Task WipeAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync(latencyMs: 400);
        await scene.StartAsync(settings: new Dictionary<string, string> { ["Channels:sms:Concurrency"] = "1" });
        await scene.LaunchAsync(new CampaignSpec("wipe") { Audience = 2_000, Variants = 4 });
        var stalls = new List<TimeSpan>();
        for (var wipe = 0; wipe < play.Times(1, 3); wipe++)
        {
            await scene.SentAsync((int)await ProviderView.LinesAsync(scene.Provider) + 20);
            await EngineTables.WipeAsync(scene);
            play.Fault("engine wiped");
            var since = Stopwatch.GetTimestamp();
            // With them go the lanes that run, so that only the sweep is left.
            foreach (var worker in scene.Nodes.Where(node => !node.HasExited && node.Address != scene.Api).ToList())
            {
                await play.KillAsync(worker);
            }

            var before = await ProviderView.LinesAsync(scene.Provider);
            await Task.WhenAll(scene.WorkerAsync(), scene.WorkerAsync());
            await scene.SentAsync((int)before + 1);
            stalls.Add(Stopwatch.GetElapsedTime(since));
        }

        await scene.ClosedAsync();
        play.Figure($"stalled {Play.Median(stalls)}, two nodes' start among it");
    }
}
