using Campaigns.Faults.Running;
using Campaigns.Simulator;

namespace Campaigns.Faults.Scenarios;

/// <summary>Nodes that die, at moments that are chosen from outside.</summary>
internal static class Deaths
{
    private const string PlannedParts = "SELECT count(*)::int FROM run_part WHERE planned_at IS NOT NULL";

    public static IEnumerable<Scenario> All =>
        [
            new("F1", "kill while planning, a part's decisions written and not committed", PlanningAsync),
            new("F2", "kill between claim and send", ClaimAsync),
            new("F3", "kill between send and record, provider with a key", play => RecordAsync(play, "app")),
            new("F4", "kill between send and record, provider without a key", play => RecordAsync(play, "sms")),
            new("F5", "kill during ingest, before and after the commit", IngestAsync),
            new("F29", "SIGTERM with requests on the wire", TerminateAsync),
        ];

    private static async Task PlanningAsync(Play play)
    {
        var scene = play.Scene;
        await using var gate = await Gate.BuildAsync(scene.Sql, "UPDATE ON run_part");
        await gate.CloseAsync();
        await scene.StartAsync();
        await scene.LaunchAsync(new CampaignSpec("planning") { Audience = 1_200 });
        var kills = play.Times(3, 50);
        for (var kill = 1; kill <= kills; kill++)
        {
            await play.KillAsync(await play.AtGateAsync(gate));
            var fresh = scene.WorkerAsync();
            if (kill % Math.Max(1, kills / 4) == 0)
            {
                var before = await scene.AskAsync<int>(PlannedParts);
                await gate.OpenAsync();
                await Wait.UntilAsync(
                    async () => await scene.AskAsync<int>(PlannedParts) > before,
                    "a part is planned"
                );
                await gate.CloseAsync();
                if (await scene.AskAsync<bool>("SELECT bool_and(planned_at IS NOT NULL) FROM run_part"))
                {
                    await fresh;
                    break;
                }
            }

            await fresh;
        }

        await gate.OpenAsync();
        await scene.ClosedAsync();
        var again = await scene.AskAsync<long>(
            "SELECT count(*) - count(DISTINCT (run_key, customer_key, step)) FROM decision"
        );
        play.Figure($"decisions twice {again}");
    }

    private static async Task ClaimAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync([Play.Rule("app", Act.Hang)]);
        await scene.StartAsync();
        await scene.LaunchAsync(
            new CampaignSpec("claim")
            {
                Channel = "app",
                Audience = 400,
                Variants = 2,
            }
        );
        var rescues = new List<TimeSpan>();
        for (var kill = 0; kill < play.Times(2, 6); kill++)
        {
            await scene.SentAsync((int)await ProviderView.LinesAsync(scene.Provider) + 1);
            var victim = await play.HolderAsync();
            var at = DateTimeOffset.UtcNow;
            await play.KillAsync(victim);
            var fresh = scene.WorkerAsync();
            rescues.Add(await play.TakenOverAsync(victim, at));
            await fresh;
        }

        await scene.BehaveAsync();
        await scene.ClosedAsync();
        play.Figure($"rescued after {Play.Median(rescues)} with leases of 4 s");
    }

    /// <summary>As <c>F2</c>, with the lease that production has.</summary>
    public static async Task DefaultLeaseAsync(Play play)
    {
        var scene = play.Scene;
        var defaults = new Dictionary<string, string>
        {
            ["Dispatch:Lease"] = "00:01:00",
            ["Dispatch:SweepEvery"] = "00:00:10",
        };
        await scene.BehaveAsync([Play.Rule("app", Act.Hang)]);
        await scene.StartAsync(settings: defaults);
        await scene.LaunchAsync(new CampaignSpec("defaults") { Channel = "app", Audience = 200 });
        await scene.SentAsync(1);
        var victim = await play.HolderAsync();
        var at = DateTimeOffset.UtcNow;
        await play.KillAsync(victim);
        await scene.BehaveAsync();
        var rescue = await play.TakenOverAsync(victim, at, seconds: 120);
        await scene.ClosedAsync();
        play.Figure($"rescued after {rescue.TotalSeconds:0.0} s with the defaults: leases of 60 s, a sweep every 10 s");
    }

    private static async Task RecordAsync(Play play, string channel)
    {
        var scene = play.Scene;
        await using var gate = await Gate.BuildAsync(scene.Sql, "INSERT ON outcome");
        await gate.CloseAsync();
        await scene.BehaveAsync(receipts: new ReceiptScript { DelaySeconds = 0, Hold = true });
        await scene.StartAsync();
        await scene.LaunchAsync(
            new CampaignSpec("record")
            {
                Channel = channel,
                Audience = 600,
                Variants = 2,
            }
        );
        var kills = play.Times(2, 6);
        for (var kill = 0; kill < kills; kill++)
        {
            await play.KillAsync(await play.AtGateAsync(gate));
            await scene.WorkerAsync();
        }

        await gate.OpenAsync();
        await scene.ClosedAsync();
        var outcomes = await play.OutcomesAsync();
        var states = await play.StatesAsync("record");
        if (channel == "app")
        {
            play.Must(
                outcomes.ContainsKey("duplicate"),
                "harness",
                "no request was ever repeated: the fault did not bite"
            );
            play.Figure(
                $"accepted {outcomes["accepted"]} of {states.Values.Sum()} touches, repeated by key {outcomes.GetValueOrDefault("duplicate")}"
            );
        }
        else
        {
            var unknown = states.GetValueOrDefault("unknown");
            var bound = kills * 2 * 4 * 20; // two lanes, four requests at once, twenty items each
            play.Must(unknown is > 0 && unknown <= bound, "I1", $"{unknown} touches are unknown, the bound is {bound}");
            await scene.BehaveAsync();
            play.Figure($"unknown {unknown} (at most {bound}), settled by receipts afterwards");
        }
    }

    private static async Task IngestAsync(Play play)
    {
        var scene = play.Scene;
        await using var gate = await Gate.BuildAsync(scene.Sql, "INSERT ON event");
        await scene.StartAsync(workers: 1);
        await scene.LaunchAsync(new CampaignSpec("ingest") { Audience = 400 });
        using var enough = new CancellationTokenSource();
        var clients = new[] { "a", "b" }
            .Select(name => scene.Journal.PostEventsAsync(scene.Api, scene.Key("backend"), name, 400, enough.Token))
            .ToList();
        for (var kill = 0; kill < play.Times(2, 8); kill++)
        {
            if (kill % 2 == 0)
            {
                await gate.CloseAsync();
                await play.KillAsync(await play.AtGateAsync(gate));
                await gate.OpenAsync();
            }
            else
            {
                var acknowledged = scene.Journal.Acknowledged.Count;
                await Wait.UntilAsync(
                    () => Task.FromResult(scene.Journal.Acknowledged.Count > acknowledged),
                    "events are taken in"
                );
                await play.KillAsync(scene.Nodes.Last(node => node.Address == scene.Api && !node.HasExited));
            }

            await scene.ApiAsync();
        }

        await enough.CancelAsync();
        await Task.WhenAll(clients);
        await scene.ClosedAsync();
        var (sent, failed) = scene.Journal.Requests;
        var twice = await scene.AskAsync<long>(
            "SELECT count(*) - @count FROM event JOIN event_source s USING (event_source) WHERE s.name = @Source",
            new { count = scene.Journal.Acknowledged.Count, Journal.Source }
        );
        play.Must(twice == 0, "I5", $"{twice} events more are stored than were sent");
        var lost = (await scene.Journal.LostAsync(scene.Sql)).Count;
        play.Figure(
            $"acknowledged {scene.Journal.Acknowledged.Count} events, lost {lost}; {failed} of {sent} requests failed"
        );
    }

    private static async Task TerminateAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync(latencyMs: 800);
        await scene.StartAsync();
        await scene.LaunchAsync(new CampaignSpec("drain") { Audience = 600, Variants = 2 });
        await scene.SentAsync(40);
        var victim = await play.HolderAsync();
        var since = DateTimeOffset.UtcNow;
        play.Fault("SIGTERM");
        await victim.TerminateAsync();
        var took = DateTimeOffset.UtcNow - since;
        var orphans = await scene.AskAsync<int>(
            "SELECT count(*)::int FROM chunk WHERE state = 0 AND leased_by = @Name AND leased_until > clock_timestamp()",
            new { victim.Name }
        );
        play.Must(took.TotalSeconds <= 31, "I2", $"the node took {took.TotalSeconds:0} s to end");
        play.Must(orphans == 0, "I2", $"{orphans} leases were left behind");
        await scene.ClosedAsync();
        var states = await play.StatesAsync("drain");
        play.Must(!states.ContainsKey("unknown"), "I2", $"{states.GetValueOrDefault("unknown")} touches were given up");
        play.Figure($"ended after {took.TotalSeconds:0.0} s, orphan leases {orphans}");
    }
}
