using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Dispatch;
using Campaigns.Reports;
using Campaigns.Simulator;
using Campaigns.Tests.Channels;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Reports;

/// <summary>The timetable as it is planned and as it went, over HTTP, of runs that a real node sends.</summary>
public sealed class ScheduleTests : IAsyncLifetime
{
    private readonly int _port = FreePort.Next();
    private GivenRun _given = null!;
    private RunningSimulator _simulator = null!;
    private ApiHost? _host;

    public async Task InitializeAsync()
    {
        _given = await GivenRun.CreateAsync(customers: 20);
        _simulator = await RunningSimulator.StartAsync(callbacks: new Uri($"http://127.0.0.1:{_port}"));
    }

    public async Task DisposeAsync()
    {
        if (_host is not null)
        {
            await _host.DisposeAsync();
        }

        await _simulator.DisposeAsync();
        await _given.DisposeAsync();
    }

    [Fact]
    public async Task It_tells_what_was_planned_and_where_every_touch_stands()
    {
        await _simulator.ScriptAsync(
            new Script
            {
                Receipts = new Dictionary<string, ReceiptScript>
                {
                    ["bank-sms"] = new()
                    {
                        DelaySeconds = 0,
                        FailedAddresses = [GivenRun.Address(7, Campaigns.Channels.Channel.Sms)],
                        RetrySeconds = [1, 1, 1, 1],
                    },
                },
            }
        );
        await RunAsync(new RunSpec());
        await _given.ExecuteAsync("UPDATE contact SET opted_out = 1 WHERE customer_key <= 3");
        await HostAsync("all");

        var wave = await Eventually.BeAsync(
            WaveAsync,
            one => one.States is { Delivered: 16, Failed: 1 },
            "all receipts have come",
            TimeSpan.FromMinutes(2)
        );

        Assert.Equal(new WaveStates(0, 0, 0, 16, 1, 3, 0, 0, 0), wave.States);
        Assert.Equal((20, 17, TimeSpan.Zero, null), (wave.Touches, wave.Attempted, wave.Lag, wave.HeldBecause));
        Assert.InRange(wave.FirstAttemptAt!.Value, wave.OpensAt, wave.LastAttemptAt!.Value);
        Assert.InRange(wave.LastAttemptAt.Value, wave.FirstAttemptAt.Value, wave.ClosesAt);
        Assert.Equal(
            await _given.AskAsync<DateTime>("SELECT max(attempted_at) FROM attempt WHERE customer_keys <> '{}'"),
            wave.LastAttemptAt.Value.UtcDateTime
        );
    }

    [Fact]
    public async Task What_is_stopped_paused_or_taken_up_by_nobody_says_so()
    {
        await RunAsync(new RunSpec { OpensIn = TimeSpan.FromMinutes(-5) });
        var host = await HostAsync("api");
        var staff = host.As(Role.Operator);

        var idle = await WaveAsync();
        Assert.StartsWith("No worker", idle.HeldBecause, StringComparison.Ordinal);
        Assert.InRange(idle.Lag.TotalMinutes, 5, 10);
        Assert.Equal(20, idle.States.Waiting);

        await staff.PostAsync("/v1/channels/sms/stop", new StopChannelRequest { Reason = "a fire" });
        Assert.Contains("a fire", (await WaveAsync()).HeldBecause, StringComparison.Ordinal);

        using var paused = await staff.PostAsync("/v1/campaigns/campaign-1/pause", content: null);
        Assert.True(paused.IsSuccessStatusCode);
        Assert.Contains("paused since", (await WaveAsync()).HeldBecause, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broken_provider_says_so_on_every_node_and_so_does_the_wave()
    {
        await _simulator.ScriptAsync(new Rule { Do = Act.ServerError });
        await RunAsync(new RunSpec { OpensIn = TimeSpan.FromMinutes(-5) });
        await HostAsync("all", ("Channels:sms:MaxBatch", "1"));
        await using var other = await ApiHost.StartAsync(_given.Database, "api", Settings(null));

        var held = await Eventually.BeAsync(
            () => WaveAsync(other),
            one => one.HeldBecause?.Contains("breaker is open", StringComparison.Ordinal) is true,
            "the wave says that the breaker is open",
            TimeSpan.FromMinutes(1)
        );

        // It is put off again and again, and is late all the same.
        Assert.True(held.Lag > TimeSpan.FromMinutes(4), $"{held.Lag}");
        var sms = JsonNode.Parse(await other.As(Role.Operator).GetStringAsync("/v1/channels"))!["items"]![0]!;
        Assert.NotEmpty(sms["gateways"]![0]!["lastErrors"]!.AsArray());
        Assert.True(System.Xml.XmlConvert.ToTimeSpan(sms["lag"]!.ToString()) > TimeSpan.FromMinutes(4));
    }

    [Fact]
    public async Task What_is_refused_for_now_is_late_since_it_was_due_and_says_that_it_is_tried_again()
    {
        await RunAsync(new RunSpec { OpensIn = TimeSpan.FromMinutes(-5) });
        var gateway = new ScriptedGateway(Campaigns.Channels.Channel.Sms)
        {
            Answer = request =>
                Task.FromResult<Campaigns.Channels.SendResult>(
                    new Campaigns.Channels.SendResult.Answered([
                        .. request.Items.Select(_ => new Campaigns.Channels.ItemResult(
                            Campaigns.Channels.SendState.Retryable,
                            "busy",
                            null
                        )),
                    ])
                ),
        };
        await using var node = new Node(_given.DataSource, [gateway]);
        var run = await _given.AskAsync<int>("SELECT run_key FROM run");
        await HostAsync("api");

        await node.LaneAsync(run);
        var once = await WaveAsync();
        await _given.PassAsync(TimeSpan.FromMinutes(2));
        await node.LaneAsync(run);
        var twice = await WaveAsync();

        Assert.Equal(4, gateway.Requests);
        Assert.Contains("tried again", once.HeldBecause, StringComparison.Ordinal);
        Assert.InRange(once.Lag.TotalMinutes, 5, 6.5);
        Assert.InRange(twice.Lag.TotalMinutes, 7, 8.5);
        var sms = (await node.Get<ChannelStates>().ListAsync(CancellationToken.None))[0];
        Assert.InRange(sms.Lag.TotalMinutes, 7, 8.5);
    }

    [Fact]
    public async Task What_waits_for_a_higher_campaign_is_late_and_says_so()
    {
        var caps = new Campaigns.Planning.FrequencyCaps { PerDay = 1, WeChatPerMonth = null };
        await RunAsync(
            new RunSpec
            {
                OpensIn = TimeSpan.FromMinutes(-5),
                Caps = caps,
                Priority = 3,
            }
        );
        await _given.RunAsync(new RunSpec { Caps = caps, Priority = 8 });
        await using var node = new Node(_given.DataSource, [new ScriptedGateway(Campaigns.Channels.Channel.Sms)]);
        await HostAsync("api");

        await node.LaneAsync(
            await _given.AskAsync<int>("SELECT max(run_key) FROM run WHERE plan ->> 'priority' = '3'")
        );

        var wave = await WaveAsync();
        Assert.Equal(20, wave.States.Waiting);
        Assert.InRange(wave.Lag.TotalMinutes, 5, 6.5);
        Assert.StartsWith("A campaign with a higher priority", wave.HeldBecause, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_answers_the_channel_tells_how_many_are_unknown()
    {
        await RunAsync(new RunSpec());
        var gateway = new ScriptedGateway(Campaigns.Channels.Channel.Sms)
        {
            Answer = _ =>
                Task.FromResult<Campaigns.Channels.SendResult>(
                    new Campaigns.Channels.SendResult.Unanswered("it said nothing in time")
                ),
        };
        gateway.Declaration = gateway.Declaration with { Dedupe = Campaigns.Channels.Dedupe.None };
        await using var node = new Node(_given.DataSource, [gateway]);

        await node.LaneAsync(await _given.AskAsync<int>("SELECT run_key FROM run"));

        var sms = (await node.Get<ChannelStates>().ListAsync(CancellationToken.None))[0];
        Assert.Equal(20, sms.Unknown);
        var error = Assert.Single(Assert.Single(sms.Gateways).LastErrors);
        Assert.Equal(("unanswered", "it said nothing in time"), (error.Code, error.Detail));
        await HostAsync("api");
        Assert.Equal(20, (await WaveAsync()).States.Unknown);
    }

    [Fact]
    public async Task There_is_none_before_a_run_is_planned()
    {
        await HostAsync("api");
        await _host!.As(Role.Analyst).GetAsync("/v1/campaigns/nothing/schedule").RefusedAsync(404, "not-found");
        await _given.ExecuteAsync(
            "INSERT INTO campaign (campaign_id, version, state, updated_at) VALUES ('new', 1, 'draft', now())"
        );
        await _host.As(Role.Analyst).GetAsync("/v1/campaigns/new/schedule").RefusedAsync(409, "invalid-state");
    }

    private async Task RunAsync(RunSpec spec)
    {
        await _given.RunAsync(spec with { Text = "hello" });
        await _given.ExecuteAsync("UPDATE wave SET touches = 20 WHERE wave = 1");
    }

    private Task<ScheduledWave> WaveAsync() => WaveAsync(_host!);

    private static async Task<ScheduledWave> WaveAsync(ApiHost host)
    {
        var schedule = await host.As(Role.Analyst)
            .GetAsync("/v1/campaigns/campaign-1/schedule")
            .ReadAsync<CampaignSchedule>();
        return Assert.Single(schedule.Waves);
    }

    private async Task<ApiHost> HostAsync(string role, params (string Name, string Value)[] changes)
    {
        var settings = Settings(_port);
        foreach (var (name, value) in changes)
        {
            settings[name] = value;
        }

        return _host = await ApiHost.StartAsync(_given.Database, role, settings);
    }

    private Dictionary<string, string?> Settings(int? port) =>
        new()
        {
            ["urls"] = $"http://127.0.0.1:{port ?? 0}",
            ["Dispatch:SweepEvery"] = "00:00:00.500",
            ["Channels:sms:Gateway"] = "bank-sms",
            ["Channels:sms:BaseUrl"] = new Uri(_simulator.Url, "/bank-sms").ToString(),
            ["Channels:sms:KeyId"] = "simulator",
            ["Channels:sms:Secret"] = "simulator",
            ["Channels:sms:CallbackSecret"] = "simulator",
            ["Channels:sms:SignName"] = "示例银行",
            ["Channels:sms:RatePerSecond"] = "200",
        };
}
