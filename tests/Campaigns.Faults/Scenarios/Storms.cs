using Campaigns.Demo;
using Campaigns.Faults.Running;
using Campaigns.Simulator;

namespace Campaigns.Faults.Scenarios;

/// <summary>A provider that is down or slow, and what goes on beside it.</summary>
internal static class Storms
{
    private const int Workers = 2;

    /// <summary>Of one node, before its breaker opens: what the breaker waits for, and what is on the wire by then, in four
    /// lanes of four requests.</summary>
    private const int UntilOpen = 8 + (4 * 4);
    private static readonly TimeSpan BreakFor = TimeSpan.FromSeconds(5);

    /// <summary>How much later than in calm a campaign of another channel may have sent its last.</summary>
    private static readonly TimeSpan MostLag = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    /// <summary>Beyond the timeout: the wait for the rate, and the commits before and after.</summary>
    private static readonly TimeSpan Around = TimeSpan.FromSeconds(3);

    public static IEnumerable<Scenario> All =>
        [
            new("F15", "a storm of 503 on one channel, campaigns of another beside it", StormAsync),
            new("F16", "slow replies, one byte a second", SlowAsync),
        ];

    private static async Task StormAsync(Play play)
    {
        var scene = play.Scene;
        await scene.StartAsync(Workers, new Dictionary<string, string> { ["Dispatch:RetryAtMost"] = "00:00:05" });
        var calm = new List<TimeSpan>();
        for (var campaign = 1; campaign <= play.Times(3, 10); campaign++)
        {
            calm.Add(await BesideAsync(play, $"calm-{campaign}"));
        }

        var since = DateTimeOffset.UtcNow;
        await scene.BehaveAsync([Play.Rule("app", Act.ServerError)]);
        await scene.LaunchAsync(
            new CampaignSpec("storm")
            {
                Channel = "app",
                Audience = 1_000,
                Variants = 2,
            }
        );
        await AskedAsync(scene, 8);
        var beside = new List<TimeSpan>();
        for (var campaign = 1; campaign <= play.Times(3, 10); campaign++)
        {
            var from = DateTimeOffset.UtcNow;
            beside.Add(await BesideAsync(play, $"beside-{campaign}"));
            await Wait.UntilAsync(
                () => Task.FromResult(DateTimeOffset.UtcNow - from > TimeSpan.FromSeconds(play.Size(5, 60))),
                "the storm has lasted"
            );
        }

        var storm = DateTimeOffset.UtcNow - since;
        var asked = await RequestsAsync(scene);
        await scene.BehaveAsync();
        var over = DateTimeOffset.UtcNow;
        await scene.ClosedAsync();

        play.Fault("5xx", asked);
        var most = Workers * (UntilOpen + 1 + (int)(storm / BreakFor));
        play.Must(asked <= most, "breaker", $"{asked} requests in {storm.TotalSeconds:0} s of storm, at most {most}");
        var lag = Middle(beside) - Middle(calm);
        play.Must(lag <= MostLag, "lag", $"campaigns of another channel were {lag.TotalSeconds:0.0} s late");
        var states = await play.StatesAsync("storm");
        var sent = states.GetValueOrDefault("accepted") + states.GetValueOrDefault("delivered");
        play.Must(sent == states.Values.Sum(), "I2", $"of {states.Values.Sum()} touches {sent} went after the storm");
        var first = (await ProviderView.LedgerAsync(scene.Provider)).First(line => IsApp(line) && line.Real > over);
        play.Figure(
            $"{asked} requests in {storm.TotalSeconds:0} s of storm, at most {most}; first one after it within {(first.Real - over).TotalSeconds:0.0} s"
        );
        play.Figure(
            $"campaigns beside it from planned to their last send: {Play.Median(beside)}; in calm {Play.Median(calm)}; lag {lag.TotalSeconds:0.00} s"
        );
    }

    private static TimeSpan Middle(IEnumerable<TimeSpan> times) => times.Order().ElementAt(times.Count() / 2);

    /// <summary>A campaign by SMS, from when it is planned to its last send.</summary>
    private static async Task<TimeSpan> BesideAsync(Play play, string id)
    {
        var scene = play.Scene;
        await scene.LaunchAsync(new CampaignSpec(id) { Audience = 300 });
        await Wait.UntilAsync(
            () =>
                scene.AskAsync<bool>(
                    """
                    SELECT coalesce(bool_and(r.state = 'closed'), false)
                    FROM run r
                    JOIN campaign p USING (campaign_key)
                    WHERE p.campaign_id = @id
                    """,
                    new { id }
                ),
            $"the run of {id} is closed"
        );
        return await scene.AskAsync<TimeSpan>(
            """
            SELECT max(a.attempted_at) - min(r.planned_at)
            FROM run r
            JOIN campaign p USING (campaign_key)
            JOIN attempt a USING (run_key)
            WHERE p.campaign_id = @id AND cardinality(a.customer_keys) > 0
            """,
            new { id }
        );
    }

    private static Task AskedAsync(Scene scene, int requests) =>
        Wait.UntilAsync(
            async () => await RequestsAsync(scene) >= requests,
            $"the app's provider is asked {requests} times"
        );

    /// <summary>Of the app, answered badly.</summary>
    private static async Task<int> RequestsAsync(Scene scene) =>
        (await ProviderView.LedgerAsync(scene.Provider))
            .Where(line => IsApp(line) && line.Outcome == "failed")
            .DistinctBy(line => (line.RequestKey, line.Real))
            .Count();

    private static bool IsApp(Sent line) => line.Channel == "app";

    private static async Task SlowAsync(Play play)
    {
        var scene = play.Scene;
        Rule[] rules =
        [
            Play.Rule("sms", Act.Slow) with
            {
                Share = 0.3,
            },
            Play.Rule("app", Act.Slow) with
            {
                Times = play.Times(6, 30),
            },
        ];
        await scene.BehaveAsync(rules, new ReceiptScript { DelaySeconds = 0, Hold = true });
        await scene.StartAsync(Workers);
        await scene.LaunchAsync(new CampaignSpec("slow-sms") { Audience = play.Size(600, 2_000) });
        await scene.LaunchAsync(new CampaignSpec("slow-app") { Channel = "app", Audience = play.Size(600, 2_000) });
        await scene.ClosedAsync();
        var (sms, app) = (await play.StatesAsync("slow-sms"), await play.StatesAsync("slow-app"));
        var unknown = sms.GetValueOrDefault("unknown");
        play.Must(unknown > 0, "harness", "no touch became unknown: the fault did not bite");
        play.Must(!app.ContainsKey("unknown"), "I2", "touches with a key are unknown");
        // Business time runs as real time does.
        var (cut, blocked, longest) = await scene.AskAsync<(int Cut, int Blocked, TimeSpan Longest)>(
            """
            SELECT (count(*) FILTER (WHERE took >= @Timeout))::int, (count(*) FILTER (WHERE took > @most))::int, max(took)
            FROM (
                SELECT o.recorded_at - a.attempted_at AS took
                FROM outcome o
                JOIN attempt a USING (run_key, chunk, request)
                WHERE a.channel = 1 AND cardinality(a.customer_keys) > 0
            ) one
            """,
            new { Timeout, most = Timeout + Around }
        );
        var again = (await play.OutcomesAsync()).GetValueOrDefault("duplicate");
        play.Fault("slow reply by SMS", cut);
        play.Fault("slow reply by app", again / 20);
        play.Must(cut > 0 && again > 0, "harness", "no reply was cut");
        play.Must(blocked == 0, "timeout", $"{blocked} requests held a worker longer than {Timeout + Around}");
        await scene.BehaveAsync();
        await scene.Provider.FlushAsync(CancellationToken.None);
        await Wait.UntilAsync(() => ProviderView.IsQuietAsync(scene.Provider), "receipts are taken");
        var left = (await play.StatesAsync("slow-sms")).GetValueOrDefault("unknown");
        play.Must(left == 0, "I2", $"of {unknown} unknown touches {left} are left");
        play.Figure(
            $"{cut} replies cut, the longest request took {longest.TotalSeconds:0.0} s, blocked workers {blocked}; SMS unknown {unknown}, after the receipts {left}; repeated by key {again}"
        );
    }
}
