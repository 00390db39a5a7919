using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Campaigns.Channels;
using Campaigns.Simulator;

namespace Campaigns.Tests.Channels;

/// <summary>What every gateway of a provider must do beside, against the simulator over HTTP.</summary>
public abstract class ProviderConformance : GatewayConformance, IAsyncLifetime
{
    private protected RunningSimulator Simulator { get; private set; } = null!;

    private protected ProviderHttp Http { get; } = new(TimeProvider.System);

    /// <summary>The channel, as the simulator calls it.</summary>
    private protected abstract string Channel { get; }

    /// <summary>A code that refuses all items for good.</summary>
    private protected abstract string PermanentCode { get; }

    /// <summary>What the simulator knows the request by; null where the wire has no place for it.</summary>
    private protected virtual string? KeyOnTheWire(SendRequest request) => request.Key;

    public virtual async Task InitializeAsync() => Simulator = await RunningSimulator.StartAsync();

    public virtual async Task DisposeAsync()
    {
        await Simulator.DisposeAsync();
        Http.Dispose();
    }

    [Fact]
    public async Task Names_every_accepted_item_by_the_providers_id()
    {
        var request = Request(5);
        var answered = Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(request, default));

        var ledger = await Simulator.LedgerAsync();
        Assert.Equal(request.Items.Count, ledger.Count);
        Assert.All(
            ledger,
            entry => Assert.Equal((Outcome.Accepted, KeyOnTheWire(request)), (entry.Outcome, entry.RequestKey))
        );
        Assert.All(ledger, entry => Assert.Equal(answered.Items[0].ProviderId, entry.ProviderId));
    }

    [Fact]
    public async Task Reports_a_refusal_for_good_with_its_code()
    {
        await Simulator.ScriptAsync(new Rule { Do = Act.Reject, Code = PermanentCode });
        var answered = Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(Request(3), default));

        Assert.All(answered.Items, item => Assert.Equal((SendState.Rejected, PermanentCode), (item.State, item.Code)));
    }

    [Theory]
    [InlineData("7", 7, 7)]
    [InlineData("date:60", 57, 61)]
    [InlineData("soon", 10, 10)]
    [InlineData("-5", 10, 10)]
    [InlineData("1e12", 10, 10)]
    [InlineData("99999999", 86_400, 86_400)]
    [InlineData("date:-3600", 1, 1)]
    public async Task Says_how_long_to_wait_when_throttled(string retryAfter, double least, double most)
    {
        await Simulator.ScriptAsync(new Rule { Do = Act.Throttle, RetryAfter = retryAfter });
        var throttled = Assert.IsType<SendResult.Throttled>(await Gateway().SendAsync(Request(2), default));

        Assert.InRange(throttled.RetryAfter.TotalSeconds, least, most);
    }

    [Fact]
    public async Task Is_throttled_when_the_provider_says_so_in_its_own_way()
    {
        await Simulator.ScriptAsync(new Script { RatePerSecond = new Dictionary<string, int> { [Channel] = 0 } });

        Assert.IsType<SendResult.Throttled>(await Gateway().SendAsync(Request(2), default));
    }

    [Theory]
    [InlineData(Act.AcceptThenHang)]
    [InlineData(Act.Slow)]
    public async Task Gives_up_on_half_an_answer_too(Act act)
    {
        var gateway = Gateway(settings => settings.Timeout = Hasty);
        await WarmUpAsync();
        await Simulator.ScriptAsync(new Rule { Do = act });
        var since = Stopwatch.StartNew();
        var result = await gateway.SendAsync(Request(2), default);

        Assert.IsType<SendResult.Unanswered>(result);
        Assert.InRange(since.Elapsed, Hasty * 0.9, Patient);
    }

    [Theory]
    [InlineData(Act.Drop, Outcome.Lost)]
    [InlineData(Act.AcceptThenDrop, Outcome.Accepted)]
    public async Task Never_repeats_by_itself_when_a_kept_connection_drops(Act act, Outcome outcome)
    {
        var gateway = Gateway();
        Assert.IsType<SendResult.Answered>(await gateway.SendAsync(Request(2), default));
        var before = (await Simulator.LedgerAsync()).Count;
        await Simulator.ScriptAsync(new Rule { Do = act });
        var request = Request(2);

        Assert.IsType<SendResult.Unanswered>(await gateway.SendAsync(request, default));
        var seen = (await Simulator.LedgerAsync()).Skip(before).ToList();
        Assert.Equal(request.Items.Select(_ => outcome), seen.Select(entry => entry.Outcome));
    }

    [Theory]
    [InlineData(Act.Huge)]
    [InlineData(Act.GzipBomb)]
    [InlineData(Act.Html)]
    [InlineData(Act.WrongJson)]
    public async Task Does_not_trust_an_answer_it_cannot_read(Act act)
    {
        await Simulator.ScriptAsync(new Rule { Do = act });
        var since = Stopwatch.StartNew();
        var unanswered = Assert.IsType<SendResult.Unanswered>(await Gateway().SendAsync(Request(2), default));

        Assert.Equal(act is Act.Huge or Act.GzipBomb, unanswered.Reason.Contains("1 MB", StringComparison.Ordinal));
        Assert.True(since.Elapsed < Patient, $"it took {since.Elapsed}");
    }

    [Fact]
    public async Task Tells_wrong_credentials_from_a_refusal()
    {
        var gateway = Gateway(settings => settings.Secret = "another");
        var stopped = Assert.IsType<SendResult.ChannelStopped>(await gateway.SendAsync(Request(2), default));

        Assert.DoesNotContain("another", stopped.ToString(), StringComparison.Ordinal);
        Assert.Empty(await Simulator.LedgerAsync());
    }

    [Fact]
    public async Task Follows_what_it_declares_where_an_answer_is_lost()
    {
        var gateway = Gateway();
        await Simulator.ScriptAsync(new Rule { Do = Act.AcceptThenDrop, Times = 1 });
        var request = Request(3);
        Assert.IsType<SendResult.Unanswered>(await gateway.SendAsync(request, default));
        var again = Assert.IsType<SendResult.Answered>(await gateway.SendAsync(request, default));

        var ledger = await Simulator.LedgerAsync();
        var accepted = ledger.Where(entry => entry.Outcome == Outcome.Accepted).ToList();
        var times = gateway.Declaration.Dedupe == Dedupe.Key ? 1 : 2;
        Assert.Equal(times * request.Items.Count, accepted.Count);
        Assert.DoesNotContain(ledger, entry => entry.Outcome == Outcome.DuplicateOfOthers);
        Assert.All(again.Items, item => Assert.Equal(accepted[^1].ProviderId, item.ProviderId));
    }

    [Fact]
    public async Task Shows_no_address_and_no_secret_in_any_answer()
    {
        var gateway = Gateway(settings => settings.Timeout = Hasty);
        var request = Request(3);
        foreach (var act in Enum.GetValues<Act>())
        {
            await Simulator.ScriptAsync(new Rule { Do = act, Code = "13812345678" });
            var text = Everything(await gateway.SendAsync(request, default));

            Assert.DoesNotContain("13812345678", text, StringComparison.Ordinal);
            Assert.DoesNotContain("simulator", text, StringComparison.Ordinal);
            Assert.All(request.Items, item => Assert.DoesNotContain(item.Address, text, StringComparison.Ordinal));
        }
    }

    private protected override Action<GatewaySettings> Configured =>
        settings =>
            (settings.BaseUrl, settings.KeyId, settings.Secret, settings.SignName) = (
                Simulator.Url,
                "simulator",
                "simulator",
                "示例银行"
            );

    private protected override async Task<IReadOnlyList<string>> ArrivedAsync() =>
        [
            .. (await Simulator.LedgerAsync())
                .Where(entry => entry.Outcome == Outcome.Accepted)
                .Select(entry => entry.Address),
        ];

    private protected override async Task<IAsyncDisposable?> SilenceAsync()
    {
        await WarmUpAsync();
        await Simulator.ScriptAsync(new Rule { Do = Act.Hang });
        return null;
    }

    private protected override IGateway Nowhere()
    {
        using var reserved = new TcpListener(IPAddress.Loopback, 0);
        reserved.Start();
        var nowhere = new Uri($"http://{reserved.LocalEndpoint}");
        reserved.Stop();
        return Gateway(settings => settings.BaseUrl = nowhere);
    }

    /// <summary>So that a short timeout measures the provider rather than this process's first call.</summary>
    private protected async Task WarmUpAsync() => await Gateway().SendAsync(Request(2), default);

    private protected async Task<SendResult> AnswerToAsync(string code, int items = 3)
    {
        await Simulator.ScriptAsync(new Rule { Do = Act.Reject, Code = code });
        return await Gateway().SendAsync(Request(items), default);
    }

    private static string Everything(SendResult result) =>
        result is SendResult.Answered answered ? string.Join('\n', answered.Items) : $"{result}";
}
