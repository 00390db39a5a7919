using System.Diagnostics;
using Campaigns.Channels;

namespace Campaigns.Tests.Channels;

/// <summary>What every gateway must do, whatever its wire.</summary>
public abstract class GatewayConformance
{
    private protected static readonly TimeSpan Patient = TimeSpan.FromSeconds(20);
    private protected static readonly TimeSpan Hasty = TimeSpan.FromMilliseconds(400);

    private protected abstract IGateway Make(GatewaySettings settings);

    /// <summary>What each of as many items as it takes may be addressed to.</summary>
    private protected abstract string Address(int index);

    /// <summary>What the settings must say for it.</summary>
    private protected abstract Action<GatewaySettings> Configured { get; }

    /// <summary>Whom something was sent to, in the order of arrival.</summary>
    private protected abstract Task<IReadOnlyList<string>> ArrivedAsync();

    /// <summary>Has whoever it sends to never answer, until that is disposed.</summary>
    private protected abstract Task<IAsyncDisposable?> SilenceAsync();

    /// <summary>The gateway to somebody who is not there.</summary>
    private protected abstract IGateway Nowhere();

    /// <summary>What an item is that was taken.</summary>
    private protected virtual SendState Taken => SendState.Accepted;

    [Fact]
    public async Task Accepts_every_item_and_sends_it_to_its_address()
    {
        var request = Request(5);
        var answered = Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(request, default));

        Assert.Equal(request.Items.Count, answered.Items.Count);
        Assert.All(answered.Items, item => Assert.Equal((Taken, null), (item.State, item.Code)));
        Assert.Equal(request.Items.Select(item => OnTheWire(item.Address)), await ArrivedAsync());
    }

    [Fact]
    public async Task Takes_as_many_items_as_it_declares()
    {
        var gateway = Gateway();
        var request = Request(gateway.Declaration.MaxBatch);
        var answered = Assert.IsType<SendResult.Answered>(await gateway.SendAsync(request, default));

        Assert.All(answered.Items, item => Assert.Equal(Taken, item.State));
        Assert.Equal(gateway.Declaration.MaxBatch, (await ArrivedAsync()).Count);
    }

    [Fact]
    public async Task Gives_up_at_the_timeout_and_knows_nothing()
    {
        var gateway = Gateway(settings => settings.Timeout = Hasty);
        await using var silence = await SilenceAsync();
        var since = Stopwatch.StartNew();
        var result = await gateway.SendAsync(Request(2), default);

        Assert.IsType<SendResult.Unanswered>(result);
        Assert.InRange(since.Elapsed, Hasty * 0.9, Patient);
    }

    [Fact]
    public async Task Ends_when_the_caller_stops()
    {
        await using var silence = await SilenceAsync();
        using var stop = new CancellationTokenSource(Hasty);

        Assert.IsType<SendResult.Unanswered>(await Gateway().SendAsync(Request(2), stop.Token));
    }

    [Fact]
    public async Task Knows_that_nothing_was_sent_to_who_is_not_there()
    {
        var result = await Nowhere().SendAsync(Request(2), default);

        Assert.True(
            result is SendResult.Throttled
                || (
                    result is SendResult.Answered answered
                    && answered.Items.All(item => item.State == SendState.Retryable)
                ),
            $"{result}"
        );
    }

    [Fact]
    public async Task Follows_what_it_declares_about_repeating()
    {
        var gateway = Gateway();
        var request = Request(3);
        var first = Assert.IsType<SendResult.Answered>(await gateway.SendAsync(request, default));
        var again = Assert.IsType<SendResult.Answered>(await gateway.SendAsync(request, default));

        var times = gateway.Declaration.Dedupe == Dedupe.Key ? 1 : 2;
        Assert.Equal(times * request.Items.Count, (await ArrivedAsync()).Count);
        Assert.Equal(first.Items.Select(item => item.State), again.Items.Select(item => item.State));
    }

    [Fact]
    public async Task Rejects_what_cannot_be_filled_in_and_sends_nothing()
    {
        var request = Unfillable(Request(2));
        var answered = Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(request, default));

        Assert.All(
            answered.Items,
            item => Assert.Equal((SendState.Rejected, "template_error"), (item.State, item.Code))
        );
        Assert.Empty(await ArrivedAsync());
    }

    [Fact]
    public void Is_asked_in_words_that_show_no_address()
    {
        var request = Request(3);

        Assert.All(
            request.Items,
            item => Assert.DoesNotContain(item.Address, $"{request}{item}", StringComparison.Ordinal)
        );
    }

    private protected virtual SendRequest Unfillable(SendRequest request) =>
        request with
        {
            Content = request.Content with { Text = "{{unknown}}" },
        };

    private protected virtual string OnTheWire(string address) => address;

    private protected IGateway Gateway(Action<GatewaySettings>? change = null)
    {
        var settings = new GatewaySettings { Timeout = Patient };
        Configured(settings);
        change?.Invoke(settings);
        return Make(settings);
    }

    /// <param name="items">Fewer where the gateway takes no more at once.</param>
    private protected SendRequest Request(int items, string? key = null)
    {
        var id = key ?? Guid.NewGuid().ToString("N");
        var declared = Gateway().Declaration;
        return new SendRequest(
            id,
            declared.Purposes.Min(),
            new MessageContent("题目", Text, ProviderTemplate, null, null),
            [
                .. Enumerable
                    .Range(0, Math.Min(items, declared.MaxBatch))
                    .Select(index => new SendItem($"{id}-{index}", Address(index), new Dictionary<string, string>())),
            ]
        );
    }

    private protected virtual string? ProviderTemplate => null;

    private protected virtual string Text => "新客专享";
}
