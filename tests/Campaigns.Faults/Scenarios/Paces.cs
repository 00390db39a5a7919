using Campaigns.Faults.Running;

namespace Campaigns.Faults.Scenarios;

/// <summary>A channel's rate, kept by three nodes of which one is killed.</summary>
internal static class Paces
{
    private const int Nodes = 3;

    /// <summary>Seconds that the whole audience takes at the rate.</summary>
    private const int Length = 90;
    private const int MostCalls = 500;

    /// <summary>What the nodes have not compiled yet makes them miss slots.</summary>
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Recovery = TimeSpan.FromSeconds(15);

    public static Scenario Kept { get; } = new("rate", "three nodes keep a channel's rate, one is killed", KeepAsync);

    private static async Task KeepAsync(Play play)
    {
        var scene = play.Scene;
        var audience = await scene.AskAsync<int>("SELECT count(*)::int FROM customer");
        var rate = Math.Min(MostCalls, audience / Length);
        await scene.BehaveAsync();
        // A provider has processors of its own: when a call came must not say how busy ours are.
        var preferred = Signals.Prefer(scene.Provider.ProcessId);
        await scene.StartAsync(
            Nodes,
            new Dictionary<string, string>
            {
                ["Channels:sms:RatePerSecond"] = $"{rate}",
                ["Channels:sms:MaxBatch"] = "1",
                ["Channels:sms:Concurrency"] = "16",
            }
        );
        await scene.LaunchAsync(new CampaignSpec("rate") { Audience = audience });
        await scene.SentAsync(rate * Length / 2);
        await play.KillAsync(await play.HolderAsync());
        var killed = DateTimeOffset.UtcNow;
        await scene.ClosedAsync();

        var calls = (await ProviderView.LedgerAsync(scene.Provider)).Select(line => line.Real).Order().ToList();
        var (most, at) = Most(calls);
        play.Must(most <= rate, "rate", $"{most} calls in one second, where {rate} are allowed");
        var warm = calls.Where(call => call > calls[0] + WarmUp).ToList();
        play.Figure(
            $"at most {most} calls in any second of {rate}, {(at - calls[0]).TotalSeconds:0.0} s after the first, and {Most(warm).Calls} after the first {WarmUp.TotalSeconds} s; least of any 10 s: {Least(calls.Take(calls.Count - warm.Count))} in the first {WarmUp.TotalSeconds} s, {Least(warm.Where(call => call < killed))} from then to the kill, {Least(warm.Where(call => call > killed + Recovery))} from 15 s after it{(preferred ? "" : "; the provider waited for a processor like everybody")}"
        );
    }

    private static (int Calls, DateTimeOffset From) Most(List<DateTimeOffset> calls)
    {
        var (most, at, from) = (0, calls[0], 0);
        for (var to = 0; to < calls.Count; to++)
        {
            while (calls[to] - calls[from] >= TimeSpan.FromSeconds(1))
            {
                from++;
            }

            if (to - from + 1 > most)
            {
                (most, at) = (to - from + 1, calls[from]);
            }
        }

        return (most, at);
    }

    /// <summary>Fewest calls in any ten seconds, the first and the last second left out.</summary>
    private static string Least(IEnumerable<DateTimeOffset> calls)
    {
        var all = calls.ToList();
        var second = TimeSpan.FromSeconds(1);
        var (begin, end) = all.Count == 0 ? (default, default) : (all[0] + second, all[^1] - (11 * second));
        var least = int.MaxValue;
        for (var at = begin; at <= end; at += second / 10)
        {
            least = Math.Min(least, all.Count(call => call >= at && call < at + (10 * second)));
        }

        return least == int.MaxValue ? "too short to say" : $"{least}";
    }
}
