using System.Diagnostics;
using Campaigns.Demo;
using Campaigns.Faults.Running;
using Campaigns.Simulator;

namespace Campaigns.Faults.Scenarios;

/// <summary>Providers that answer badly, and receipts that come badly.</summary>
internal static class Answers
{
    private static readonly ReceiptScript AtOnce = new() { DelaySeconds = 0 };

    public static IEnumerable<Scenario> All =>
        [
            new("F12", "the provider accepts and never replies", play => SilenceAsync(play, Act.AcceptThenHang)),
            new("F13", "the provider drops the request", play => SilenceAsync(play, Act.Drop)),
            new("F14", "429 with Retry-After in seconds, as a date, as junk", ThrottleAsync),
            new("F17", "partial batches: 3 fail, 1 is never heard of", PartialAsync),
            new("F18", "receipts repeated, shuffled, late and of strangers", ReceiptsAsync),
            new("F19", "receipts before the send is recorded", EarlyAsync),
            new("F22", "pause in flight; customers refuse meanwhile", PauseAsync),
            new("F24", "a template that throws for some", PoisonAsync),
        ];

    private static async Task SilenceAsync(Play play, Act act)
    {
        var scene = play.Scene;
        Rule[] rules = [Play.Rule("sms", act) with { Share = 0.3 }, Play.Rule("app", act) with { Times = 6 }];
        await scene.BehaveAsync(rules, AtOnce with { Hold = true });
        await scene.StartAsync();
        await scene.LaunchAsync(new CampaignSpec("silent-sms") { Audience = 600 });
        await scene.LaunchAsync(new CampaignSpec("silent-app") { Channel = "app", Audience = 300 });
        await scene.ClosedAsync(150);
        var (sms, app) = (await play.StatesAsync("silent-sms"), await play.StatesAsync("silent-app"));
        var unknown = sms.GetValueOrDefault("unknown");
        play.Fault("request without an answer", (unknown / 20) + 6);
        play.Must(unknown > 0, "harness", "no touch became unknown: the fault did not bite");
        play.Must(
            !app.ContainsKey("unknown"),
            "I2",
            $"{app.GetValueOrDefault("unknown")} touches with a key are unknown"
        );
        await scene.BehaveAsync();
        await scene.Provider.FlushAsync(CancellationToken.None);
        await Wait.UntilAsync(() => ProviderView.IsQuietAsync(scene.Provider), "receipts are taken");
        var left = (await play.StatesAsync("silent-sms")).GetValueOrDefault("unknown");
        var settled = act == Act.AcceptThenHang;
        play.Must(left == (settled ? 0 : unknown), "I2", $"of {unknown} unknown touches {left} are left");
        play.Figure(
            $"SMS unknown {unknown}, after the receipts {left}; app accepted {app.GetValueOrDefault("accepted") + app.GetValueOrDefault("delivered")}"
        );
    }

    private static async Task ThrottleAsync(Play play)
    {
        var scene = play.Scene;
        (int Request, string RetryAfter, double Least)[] said = [(3, "3", 3), (5, "date:4", 3), (7, "soon", 1)];
        await scene.BehaveAsync([
            .. said.Select(one =>
                Play.Rule("sms", Act.Throttle) with
                {
                    RetryAfter = one.RetryAfter,
                    From = one.Request,
                    To = one.Request,
                }
            ),
        ]);
        await scene.StartAsync(
            settings: new Dictionary<string, string> { ["Channels:sms:Concurrency"] = "1", ["Dispatch:MaxLanes"] = "1" }
        );
        await scene.LaunchAsync(new CampaignSpec("throttle") { Audience = 400 });
        await scene.ClosedAsync(120);
        var requests = (await ProviderView.LedgerAsync(scene.Provider))
            .DistinctBy(line => (line.RequestKey, line.Real))
            .ToList();
        var refused = requests.Select((line, i) => (line, i)).Where(one => one.line.Outcome == "throttled").ToList();
        play.Fault("429", refused.Count);
        play.Must(refused.Count == said.Length, "harness", $"{refused.Count} requests were throttled");
        foreach (var ((line, i), one) in refused.Zip(said).Where(pair => pair.First.i + 1 < requests.Count))
        {
            var gap = requests[i + 1].Real - line.Real;
            play.Must(
                gap.TotalSeconds >= one.Least,
                "I6",
                $"after '{one.RetryAfter}' the next request came in {gap.TotalSeconds:0.0} s"
            );
            play.Figure($"'{one.RetryAfter}' waited {gap.TotalSeconds:0.0} s");
        }
    }

    private static async Task PartialAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync([Play.Rule("sms", Act.Partial) with { Failed = 3, Absent = 1 }]);
        await scene.StartAsync(settings: new Dictionary<string, string> { ["Channels:sms:MaxBatch"] = "100" });
        await scene.LaunchAsync(new CampaignSpec("partial") { Audience = play.Size(600, 2_000) });
        await scene.ClosedAsync();
        var ledger = await ProviderView.LedgerAsync(scene.Provider);
        var requests = ledger.Select(line => line.RequestKey).Distinct().Count();
        play.Fault("partial batch", requests);
        await Wait.UntilAsync(() => ProviderView.IsQuietAsync(scene.Provider), "receipts are taken");
        var states = await play.StatesAsync("partial");
        play.Must(
            states.GetValueOrDefault("failed") == 3 * requests && states.GetValueOrDefault("accepted") == requests,
            "I2",
            $"of {requests} batches {states.GetValueOrDefault("failed")} failed and {states.GetValueOrDefault("accepted")} are accepted"
        );
        play.Figure(
            $"delivered {states.GetValueOrDefault("delivered")}, failed {states.GetValueOrDefault("failed")}, accepted {states.GetValueOrDefault("accepted")}; sent again {ledger.Count - ledger.Select(line => line.Address).Distinct().Count()}"
        );
    }

    private static async Task ReceiptsAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync(
            receipts: AtOnce with
            {
                Repeat = 5,
                Shuffle = true,
                Unknown = 3,
                FailedShare = 0.1,
                AbsentShare = 0.05,
                Batch = 50,
            }
        );
        await scene.StartAsync();
        await scene.LaunchAsync(new CampaignSpec("receipts") { Audience = play.Size(600, 2_000) });
        await scene.ClosedAsync();
        // The late ones come once more when the run is long closed.
        await scene.Provider.FlushAsync(CancellationToken.None);
        await Wait.UntilAsync(() => ProviderView.IsQuietAsync(scene.Provider), "receipts are taken");
        var parked = await scene.AskAsync<int>("SELECT count(*)::int FROM parked_receipt WHERE joined_at IS NULL");
        var stored = await scene.AskAsync<int>("SELECT count(*)::int FROM receipt");
        play.Fault("receipt repeated", stored * 4);
        play.Fault("receipt of a stranger", parked);
        play.Must(parked > 0, "I5", "the receipts of strangers were not kept");
        play.Figure($"{stored} receipts stored of {stored * 5} posted, {parked} strangers parked");
    }

    private static async Task EarlyAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync(receipts: AtOnce with { BeforeAnswer = true }, latencyMs: 200);
        await scene.StartAsync();
        await scene.LaunchAsync(new CampaignSpec("early") { Audience = play.Size(400, 2_000) });
        await scene.ClosedAsync();
        await Wait.UntilAsync(
            async () =>
                await scene.AskAsync<int>("SELECT count(*)::int FROM parked_receipt WHERE joined_at IS NULL") == 0,
            "every early receipt is joined",
            seconds: 30
        );
        var joined = await scene.AskAsync<int>("SELECT count(*)::int FROM parked_receipt");
        play.Fault("receipt before its record", joined);
        play.Must(joined > 0, "harness", "no receipt came early");
        play.Figure($"{joined} came early, orphans 0");
    }

    /// <summary>Half way the campaign is paused; while it is, some refuse; then it goes on.</summary>
    public static async Task PauseAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync(latencyMs: 300);
        await scene.StartAsync(settings: new Dictionary<string, string> { ["Channels:sms:Concurrency"] = "2" });
        await scene.LaunchAsync(new CampaignSpec("pause") { Audience = 800, Variants = 2 });
        for (var pause = 0; pause < play.Times(1, 3); pause++)
        {
            await scene.SentAsync((int)await ProviderView.LinesAsync(scene.Provider) + 150);
            var since = Stopwatch.GetTimestamp();
            await scene.Operator.PostAsync<object>("/v1/campaigns/pause/pause", null, default);
            var paused = DateTimeOffset.UtcNow;
            play.Fault("pause");
            play.Figure($"paused after {Stopwatch.GetElapsedTime(since).TotalSeconds:0.00} s");
            var before = await ProviderView.LinesAsync(scene.Provider);
            var refusing = Enumerable.Range(1, 800).Where(n => n % 7 == pause + 1).ToList();
            await scene.Journal.RefuseAsync(scene, refusing);
            play.Fault("refusal", refusing.Count);
            await Wait.HoldsAsync(
                async () => await ProviderView.LinesAsync(scene.Provider) == before,
                TimeSpan.FromSeconds(play.Size(2, 10))
            );
            var late = (await ProviderView.LedgerAsync(scene.Provider)).Count(line => line.Real > paused);
            play.Must(late == 0, "I6", $"{late} items were sent after the pause had been answered");
            await scene.Operator.PostAsync<object>("/v1/campaigns/pause/resume", new { overdue = "send" }, default);
        }

        await scene.ClosedAsync();
        var states = await play.StatesAsync("pause");
        play.Must(states.GetValueOrDefault("suppressed") > 0, "I6", "nobody who refused was left out");
        play.Figure($"suppressed at dispatch {states.GetValueOrDefault("suppressed")}");
    }

    private static async Task PoisonAsync(Play play)
    {
        var scene = play.Scene;
        await scene.StartAsync();
        await scene.LaunchAsync(new CampaignSpec("poison") { Audience = play.Size(600, 2_000), Template = "poison" });
        await scene.ClosedAsync();
        var ledger = await ProviderView.LedgerAsync(scene.Provider);
        var poisoned = ledger.Count(line =>
            SyntheticAddress.Owner(line.Channel, line.Address) is { } n && !SmallBank.HasNick(n)
        );
        var states = await play.StatesAsync("poison");
        play.Fault("poison touch", states.GetValueOrDefault("failed"));
        play.Must(poisoned == 0, "I2", $"{poisoned} poison touches were sent");
        play.Must(states.GetValueOrDefault("failed") > 0, "I2", "no poison touch ended failed");
        var span = ledger.Max(line => line.Real) - ledger.Min(line => line.Real);
        play.Figure(
            $"quarantined {states.GetValueOrDefault("failed")}; their {ledger.Count} siblings went within {span.TotalSeconds:0.0} s"
        );
    }
}
