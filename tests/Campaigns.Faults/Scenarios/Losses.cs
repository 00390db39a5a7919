using Campaigns.Faults.Running;

namespace Campaigns.Faults.Scenarios;

/// <summary>Commits that stand, and whose answer is lost on its way back.</summary>
internal static class Losses
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(200);

    public static IEnumerable<Scenario> All => [new("F10", "the commit arrives, its answer is lost", LoseAsync)];

    private static async Task LoseAsync(Play play)
    {
        var scene = play.Scene;
        var proxy = scene.Keep(new LossyProxy(scene.Server.Connection(scene.Database, "faults")));
        scene.Connects = database => database.Port = proxy.Port;
        await scene.BehaveAsync(latencyMs: 100);
        await scene.StartAsync();
        using var enough = new CancellationTokenSource();
        var client = scene.Journal.PostEventsAsync(scene.Api, scene.Key("backend"), "lost", 400, enough.Token);
        await scene.LaunchAsync(new CampaignSpec("lost-app") { Channel = "app", Audience = play.Size(600, 2_000) });
        await scene.LaunchAsync(new CampaignSpec("lost-sms") { Audience = play.Size(600, 2_000) });
        using var timer = new PeriodicTimer(Between);
        for (var times = play.Times(40, 200); proxy.Lost < times && await timer.WaitForNextTickAsync(); )
        {
            proxy.LoseNext();
        }

        proxy.Behave();
        await enough.CancelAsync();
        await client;
        await scene.ClosedAsync();
        play.Fault("commit without an answer", proxy.Lost);
        var twice = await scene.AskAsync<long>(
            "SELECT count(*) - @count FROM event JOIN event_source s USING (event_source) WHERE s.name = @Source",
            new { count = scene.Journal.Acknowledged.Count, Journal.Source }
        );
        play.Must(twice == 0, "I5", $"{twice} events more are stored than were sent");
        var outcomes = await play.OutcomesAsync();
        var unknown = (await play.StatesAsync("lost-app")).GetValueOrDefault("unknown");
        play.Must(unknown == 0, "I2", $"{unknown} touches with a key are unknown");
        var (sent, failed) = scene.Journal.Requests;
        play.Must(failed > 0, "harness", "no request was ever repeated: the fault did not bite");
        play.Figure(
            $"{failed} of {sent} requests repeated, duplicates {twice} of {scene.Journal.Acknowledged.Count} events; sends repeated by key {outcomes.GetValueOrDefault("duplicate")}"
        );
    }
}
