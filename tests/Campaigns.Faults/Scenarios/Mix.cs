using System.Diagnostics;
using Campaigns.Faults.Running;
using Campaigns.Simulator;
using Npgsql;

namespace Campaigns.Faults.Scenarios;

/// <summary>Faults of every kind in an order that a seed decides, over campaigns that follow each other, until the time is
/// over; then everything is healed, and everything has to come to its end.</summary>
internal sealed class Mix
{
    private const int Workers = 2;
    private const int MostLost = 10;
    private readonly Play _play;
    private readonly Scene _scene;
    private readonly Random _random;
    private readonly MixedFaults _faults;
    private int _launched;

    private Mix(Play play)
    {
        (_play, _scene, _random) = (play, play.Scene, new Random(play.Seed));
        _faults = new MixedFaults(play, _random);
    }

    public static Scenario Of(int seed, TimeSpan time) =>
        new("mix", $"seed {seed}, {time.TotalMinutes:0.#} minutes", play => new Mix(play).RunAsync(time));

    private async Task RunAsync(TimeSpan time)
    {
        var since = Stopwatch.GetTimestamp();
        await _faults.PrepareAsync();
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
            var (name, fault) = _faults.All[_random.Next(_faults.All.Count)];
            await DoAsync(fault);
            _play.Fault(name);
        }

        await enough.CancelAsync();
        await client;
        await _faults.HealAsync();
        await _scene.ClosedAsync(seconds: 240);
        _play.Figure(
            $"{_scene.Campaigns.Count} campaigns, {await ProviderView.LinesAsync(_scene.Provider)} items asked of the provider, {_scene.Journal.Acknowledged.Count} events acknowledged"
        );
    }

    /// <summary>What breaks the product meets it, and may lose against it.</summary>
    private static async Task DoAsync(Func<Task> fault)
    {
        for (var lost = 0; ; lost++)
        {
            try
            {
                await fault();
                return;
            }
            catch (NpgsqlException failure) when (failure.IsTransient && lost < MostLost)
            {
                // It is done again.
            }
        }
    }

    private async Task LaunchAsync()
    {
        var channel = _random.Next(2) == 0 ? "sms" : "app";
        var spec = new CampaignSpec($"mix-{++_launched}")
        {
            Channel = channel,
            Audience = 600 + _random.Next(1_000),
            Variants = 1 + _random.Next(4),
            Template = channel == "sms" && _random.Next(4) == 0 ? "poison" : "plain",
        };
        if (!await IsLaunchedAsync(spec))
        {
            return;
        }

        if (_random.Next(3) == 0)
        {
            await _faults.KillAsync();
            _play.Fault("kill at the launch");
        }
    }

    /// <summary>Where a fault has met the launch, it counts if it was stored; else the next campaign is launched.</summary>
    private async Task<bool> IsLaunchedAsync(CampaignSpec spec)
    {
        try
        {
            await _scene.LaunchAsync(spec);
            return true;
        }
        catch (Exception failure) when (MixedFaults.IsUnanswered(failure))
        {
            var stored = await _scene.AskAsync<bool>(
                "SELECT EXISTS (SELECT FROM run JOIN campaign USING (campaign_key) WHERE campaign_id = @Id)",
                new { spec.Id }
            );
            if (!stored)
            {
                _scene.Campaigns.Remove(spec);
            }

            return stored;
        }
    }

    /// <summary>Some more is sent, or nothing goes for a moment.</summary>
    private async Task MeanwhileAsync()
    {
        var lines = await ProviderView.LinesAsync(_scene.Provider);
        await Wait.HoldsAsync(
            async () => await ProviderView.LinesAsync(_scene.Provider) < lines + 60,
            TimeSpan.FromSeconds(1 + _random.Next(4))
        );
    }
}
