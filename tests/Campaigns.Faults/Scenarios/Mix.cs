using System.Diagnostics;
using Campaigns.Faults.Running;
using Campaigns.Simulator;

namespace Campaigns.Faults.Scenarios;

/// <summary>Faults of every kind in an order that a seed decides, over campaigns that follow each other, until the time is
/// over; then everything is healed, and everything has to come to its end.</summary>
internal sealed class Mix
{
    private const int Workers = 2;
    private readonly Play _play;
    private readonly Scene _scene;
    private readonly Random _random;
    private readonly List<(string Name, Func<Task> Do)> _faults;

    private Mix(Play play)
    {
        (_play, _scene, _random) = (play, play.Scene, new Random(play.Seed));
        _faults =
        [
            ("kill -9", KillAsync),
            ("SIGSTOP", StopAsync),
            ("SIGTERM", TerminateAsync),
            ("connection cut", CutAsync),
            ("PostgreSQL crash", CrashAsync),
            ("engine wiped", WipeAsync),
            ("provider silent", () => BehaveAsync(Act.AcceptThenHang)),
            ("provider drops", () => BehaveAsync(Act.Drop)),
            ("429", () => BehaveAsync(Act.Throttle)),
            ("pause", PauseAsync),
            ("refusal", RefuseAsync),
            ("API killed", ApiAsync),
        ];
    }

    public static Scenario Of(int seed, TimeSpan time) =>
        new("mix", $"seed {seed}, {time.TotalMinutes:0.#} minutes", play => new Mix(play).RunAsync(time));

    private async Task RunAsync(TimeSpan time)
    {
        var since = Stopwatch.GetTimestamp();
        await _scene.BehaveAsync(latencyMs: 150);
        await _scene.StartAsync(Workers);
        using var enough = new CancellationTokenSource();
        var client = _scene.Journal.PostEventsAsync(_scene.Api, _scene.Key("backend"), "mix", 500, enough.Token);
        while (Stopwatch.GetElapsedTime(since) < time)
        {
            if (await _scene.AskAsync<bool>("SELECT NOT EXISTS (SELECT FROM run WHERE state <> 'closed')"))
            {
                await LaunchAsync();
            }

            await MeanwhileAsync();
            var (name, fault) = _faults[_random.Next(_faults.Count)];
            await fault();
            _play.Fault(name);
        }

        await enough.CancelAsync();
        await client;
        await _scene.BehaveAsync();
        await _scene.ClosedAsync(seconds: 240);
        _play.Figure(
            $"{_scene.Campaigns.Count} campaigns, {await ProviderView.LinesAsync(_scene.Provider)} items asked of the provider, {_scene.Journal.Acknowledged.Count} events acknowledged"
        );
    }

    private Task LaunchAsync() =>
        _scene.LaunchAsync(
            new CampaignSpec($"mix-{_scene.Campaigns.Count + 1}")
            {
                Channel = _random.Next(2) == 0 ? "sms" : "app",
                Audience = 600 + _random.Next(1_000),
                Variants = 1 + _random.Next(4),
            }
        );

    /// <summary>Some more is sent, or nothing goes for a moment.</summary>
    private async Task MeanwhileAsync()
    {
        var lines = await ProviderView.LinesAsync(_scene.Provider);
        await Wait.HoldsAsync(
            async () => await ProviderView.LinesAsync(_scene.Provider) < lines + 60,
            TimeSpan.FromSeconds(1 + _random.Next(4))
        );
    }

    private NodeProcess Worker()
    {
        var alive = _scene.Nodes.Where(node => !node.HasExited && node.Address != _scene.Api).ToList();
        return alive[_random.Next(alive.Count)];
    }

    private async Task KillAsync()
    {
        var victim = Worker();
        await victim.KillAsync();
        await _scene.WorkerAsync();
    }

    private async Task TerminateAsync()
    {
        await Worker().TerminateAsync();
        await _scene.WorkerAsync();
    }

    private async Task StopAsync()
    {
        var zombie = Worker();
        zombie.Stop();
        await Task.Delay(TimeSpan.FromSeconds(1 + _random.Next(7)));
        zombie.Continue();
    }

    private Task CutAsync() =>
        _scene.ExecuteAsync(
            """
            SELECT pg_terminate_backend(pid)
            FROM pg_stat_activity
            WHERE datname = @Database AND application_name LIKE 'campaigns-%'
            """,
            new { _scene.Database }
        );

    private async Task CrashAsync()
    {
        await _scene.Server.CrashAsync();
        _scene.Sql.Clear();
    }

    private Task WipeAsync() => QuartzTables.WipeAsync(_scene.Sql);

    private Task BehaveAsync(Act act) =>
        _scene.BehaveAsync(
            [
                new Rule
                {
                    Do = act,
                    Times = 3,
                    RetryAfter = "2",
                },
            ],
            latencyMs: 150
        );

    private async Task PauseAsync()
    {
        var running = await _scene.AskAsync<string?>(
            """
            SELECT min(p.campaign_id)
            FROM campaign p
            JOIN run r USING (campaign_key)
            WHERE p.state = 'running' AND r.state = 'planned'
            """
        );
        if (running is null)
        {
            return;
        }

        try
        {
            await _scene.Operator.PostAsync<object>($"/v1/campaigns/{running}/pause", null, default);
        }
        catch (Demo.DemoException)
        {
            return; // it has just finished
        }

        var paused = DateTimeOffset.UtcNow;
        var before = await ProviderView.LinesAsync(_scene.Provider);
        await Wait.HoldsAsync(
            async () => await ProviderView.LinesAsync(_scene.Provider) == before,
            TimeSpan.FromSeconds(1 + _random.Next(3))
        );
        var late = (await ProviderView.LedgerAsync(_scene.Provider)).Count(line => line.Real > paused);
        _play.Must(late == 0, "I6", $"{late} items were sent after the pause of {running} had been answered");
        await _scene.Operator.PostAsync<object>($"/v1/campaigns/{running}/resume", new { overdue = "send" }, default);
    }

    private Task RefuseAsync() =>
        _scene.Journal.RefuseAsync(
            _scene,
            [.. Enumerable.Range(0, 20).Select(_ => 1 + _random.Next(1_500)).Where(SmallBank.Agrees).Distinct()]
        );

    private async Task ApiAsync()
    {
        await _scene.Nodes.Last(node => node.Address == _scene.Api && !node.HasExited).KillAsync();
        await _scene.ApiAsync();
    }
}
