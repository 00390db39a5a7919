using System.Diagnostics;
using Campaigns.Faults.Running;

namespace Campaigns.Faults.Scenarios;

/// <summary>A disk that is full, under a PostgreSQL of its own.</summary>
internal static class Disks
{
    private const int Left = 4;

    /// <summary>From the room that there is again to the first event that is stored, at most.</summary>
    private static readonly TimeSpan MostHealing = TimeSpan.FromSeconds(30);

    public static IEnumerable<Scenario> All => [new("F23", "the disk is full", FillAsync) { OnSmallDisk = true }];

    private static async Task FillAsync(Play play)
    {
        var scene = play.Scene;
        var disk = play.Disk!;
        await scene.BehaveAsync(latencyMs: 100);
        await scene.StartAsync();
        await scene.LaunchAsync(new CampaignSpec("disk-sms") { Audience = play.Size(1_000, 2_000), Variants = 2 });
        await scene.LaunchAsync(new CampaignSpec("disk-app") { Channel = "app", Audience = play.Size(1_000, 2_000) });
        using var flood = new Flood(scene, "disk", size: 200, customers: 1_900);
        using var enough = new CancellationTokenSource();
        var events = flood.RunAsync(batchesPerSecond: 10, enough.Token);
        var healed = new List<TimeSpan>();
        for (var time = 0; time < play.Times(1, 3); time++)
        {
            await scene.SentAsync((int)await ProviderView.LinesAsync(scene.Provider) + 100);
            await FullAsync(disk, flood);
            play.Fault("disk full");
            healed.Add(await HealedAsync(scene, flood));
        }

        await scene.ClosedAsync();
        await enough.CancelAsync();
        await events;
        var wrong = flood.Others.Where(other => other.Key != "503 unavailable").ToList();
        foreach (var (what, count) in wrong)
        {
            play.Must(false, "edge", $"{count} batches were answered with {what}");
        }

        var answered = flood.Others.GetValueOrDefault("503 unavailable");
        play.Must(flood.Failed > 0, "harness", "nothing was refused: the fault did not bite");
        play.Must(healed.Max() < MostHealing, "heals", $"it took {healed.Max().TotalSeconds:0.0} s to heal");
        var lost = await scene.Journal.LostAsync(scene.Sql);
        play.Figure(
            $"of {flood.Sent} batches {answered} answered 503 unavailable, {flood.Shed} 503 overloaded; events acknowledged {scene.Journal.Acknowledged.Count}, lost {lost.Count}; healed {Play.Median(healed)} after there was room"
        );
    }

    /// <summary>Full until nothing can be stored any more.</summary>
    private static async Task FullAsync(SmallDisk disk, Flood flood)
    {
        var failed = flood.Failed;
        try
        {
            disk.Fill(Left);
            await Wait.UntilAsync(() => Task.FromResult(flood.Failed > failed + 20), "nothing can be stored any more");
        }
        finally
        {
            disk.Free();
        }
    }

    /// <summary>Where it could not even write its log it has gone, and whoever watches over it starts it again.</summary>
    private static async Task<TimeSpan> HealedAsync(Scene scene, Flood flood)
    {
        var (since, accepted) = (Stopwatch.GetTimestamp(), flood.Accepted);
        await Wait.UntilAsync(
            async () =>
            {
                await scene.Server.RestartWhereGoneAsync();
                return flood.Accepted > accepted + 3;
            },
            "events are stored again"
        );
        scene.Sql.Clear();
        return Stopwatch.GetElapsedTime(since);
    }
}
