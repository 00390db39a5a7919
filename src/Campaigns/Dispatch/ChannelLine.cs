using Campaigns.Channels;
using Campaigns.Database;
using Microsoft.Extensions.Logging;
using Npgsql;
using Polly;
using Polly.CircuitBreaker;

namespace Campaigns.Dispatch;

/// <summary>One gateway of a channel as this node sends by it: at its rate, with a breaker before it.</summary>
internal sealed partial class ChannelLine
{
    private static readonly TimeSpan BreakFor = TimeSpan.FromSeconds(5);

    /// <summary>Attempts are committed so long before their first slot, beside what the commit takes: timers and other work
    /// may be late.</summary>
    private static readonly TimeSpan Early = TimeSpan.FromMilliseconds(50);

    /// <summary>One that takes longer says nothing of the next.</summary>
    private static readonly TimeSpan SlowCommit = TimeSpan.FromMilliseconds(200);

    /// <summary>Longest time between an attempt's commit and its request: what was read for it must still be so.</summary>
    private static readonly TimeSpan AtMost = TimeSpan.FromSeconds(2);

    /// <summary>Calls a second where neither the operator nor the provider says how many.</summary>
    private const double UnsaidRate = 10;

    private readonly Gateways _gateways;
    private readonly TimeProvider _time;
    private readonly Channel _channel;
    private readonly ChannelPace _pace;
    private readonly GatewayTroubles _troubles;
    private readonly CircuitBreakerStateProvider _breaker = new();
    private readonly ResiliencePipeline<SendResult> _pipeline;
    private readonly ILogger _logger;
    private long _brokenUntil;
    private long _committing;

    internal ChannelLine(
        Gateways gateways,
        Channel channel,
        string gateway,
        NpgsqlDataSource dataSource,
        TimeProvider time,
        ILogger logger
    )
    {
        (_gateways, _channel, Name, _time, _logger) = (gateways, channel, gateway, time, logger);
        _pace = new ChannelPace(dataSource, gateway, time);
        _troubles = new GatewayTroubles(dataSource, gateway, time);
        _pipeline = new ResiliencePipelineBuilder<SendResult> { TimeProvider = time }
            .AddCircuitBreaker(
                new CircuitBreakerStrategyOptions<SendResult>
                {
                    FailureRatio = 0.5,
                    MinimumThroughput = 8,
                    SamplingDuration = TimeSpan.FromSeconds(10),
                    BreakDuration = BreakFor,
                    StateProvider = _breaker,
                    OnOpened = opened =>
                    {
                        Volatile.Write(ref _brokenUntil, (time.GetUtcNow() + opened.BreakDuration).UtcTicks);
                        return new ValueTask(_troubles.NoteBreakAsync(opened.BreakDuration));
                    },
                    OnClosed = _ => new ValueTask(_troubles.NoteBreakAsync(TimeSpan.Zero)),
                    ShouldHandle = static outcome => ValueTask.FromResult(IsFailure(outcome.Outcome.Result)),
                }
            )
            .Build();
    }

    /// <summary>The gateway's; empty where none serves the channel.</summary>
    internal string Name { get; }

    /// <summary>Null where no gateway serves the channel.</summary>
    internal IGateway? Gateway => _gateways.Named(_channel, Name);
    internal int Concurrency => _gateways.SettingsOf(_channel, Name).Concurrency;
    internal double RatePerSecond =>
        _gateways.SettingsOf(_channel, Name).RatePerSecond ?? Gateway?.Declaration.RatePerSecond ?? UnsaidRate;

    /// <summary>As operators read it: <c>closed</c>, <c>open</c> or <c>half-open</c>.</summary>
    internal string Breaker =>
        _breaker.CircuitState switch
        {
            CircuitState.HalfOpen => "half-open",
            CircuitState.Closed => "closed",
            _ => "open",
        };

    /// <summary>How long nothing can be sent; null when something can.</summary>
    /// <remarks>The breaker becomes half-open by the next call, not by time: when the break is over, somebody has to call.
    /// </remarks>
    internal TimeSpan? BrokenFor
    {
        get
        {
            var left = TimeSpan.FromTicks(Volatile.Read(ref _brokenUntil) - _time.GetUtcNow().UtcTicks);
            return _breaker.CircuitState is CircuitState.Open && left > TimeSpan.Zero ? left : null;
        }
    }

    internal bool IsBroken => BrokenFor is not null;

    /// <summary>After a break a single request tries whether the provider is back.</summary>
    internal bool Probing => _breaker.CircuitState is not CircuitState.Closed;

    /// <summary>Asks the provider for keys, at its rate.</summary>
    internal async Task<ReservedKeys> ReserveKeysAsync(IGateway gateway, int count, CancellationToken cancellationToken)
    {
        while (!await _pace.UntilAsync((await SlotAsync(cancellationToken))[0], cancellationToken)) { }

        return await gateway.ReserveKeysAsync(count, cancellationToken);
    }

    /// <summary>Most requests of one round: no more than go out within a second.</summary>
    internal int RequestsOfARound => Probing ? 1 : (int)Math.Clamp(RatePerSecond, 1, Concurrency);

    /// <summary>Slots for requests whose attempts are to be committed when the first of them comes near: others may have
    /// taken all until then, and what is read for an attempt must still be so when it goes out.</summary>
    internal async Task<RoundSlots> SlotsAsync(int requests, CancellationToken cancellationToken)
    {
        // As soon as it can be, where there is no queue for slots; and early enough for a slow commit where there is one.
        var committing = TimeSpan.FromTicks(Volatile.Read(ref _committing));
        var soonest = committing - ChannelPace.Tolerance / 2;
        var slots = await _pace.TakeAsync(
            RatePerSecond,
            requests,
            soonest > TimeSpan.Zero ? soonest : TimeSpan.Zero,
            cancellationToken
        );
        return new RoundSlots(_pace, slots, Early + 2 * committing);
    }

    /// <summary>Waits until a slot for a single request is near.</summary>
    internal async Task<RoundSlots> SlotAsync(CancellationToken cancellationToken)
    {
        var slots = await SlotsAsync(1, cancellationToken);
        await slots.NearAsync(cancellationToken);
        return slots;
    }

    /// <summary>How long a commit took, for those to come.</summary>
    internal void Committed(TimeSpan took) =>
        Volatile.Write(
            ref _committing,
            (Volatile.Read(ref _committing) * 7 + Math.Min(took.Ticks, SlowCommit.Ticks)) / 8
        );

    /// <summary>Sends something for which no attempt has to be committed, as soon as the rate allows.</summary>
    internal async Task<Reply> SendAsync(IGateway gateway, SendRequest request, CancellationToken cancellationToken)
    {
        try
        {
            var slots = await SlotAsync(cancellationToken);
            return await SendAsync(gateway, request, slots[0], AtMost, static () => true, cancellationToken);
        }
        catch (Exception failure) when (failure is OperationCanceledException || Transient.Is(failure))
        {
            return new Reply.NotSent(TimeSpan.Zero);
        }
    }

    /// <summary>Sends in its slot; where that has passed, in another that comes soon enough.</summary>
    /// <param name="open">How much longer the window is open; later than <see cref="AtMost"/> it does not go anyway.</param>
    /// <param name="mayStill">Asked at the last moment before it is sent.</param>
    internal async Task<Reply> SendAsync(
        IGateway gateway,
        SendRequest request,
        long slot,
        TimeSpan open,
        Func<bool> mayStill,
        CancellationToken cancellationToken
    )
    {
        var since = _time.GetTimestamp();
        var last = open < AtMost ? open : AtMost;
        try
        {
            while (!await _pace.UntilAsync(slot, cancellationToken))
            {
                slot = (await _pace.TakeAsync(RatePerSecond, 1, TimeSpan.Zero, cancellationToken))[0];
                if (_time.GetElapsedTime(since) + _pace.Until(slot) > last)
                {
                    _pace.GiveBack([slot]);
                    return new Reply.NotSent(TimeSpan.Zero);
                }
            }
        }
        catch (Exception failure) when (failure is OperationCanceledException || Transient.Is(failure))
        {
            return new Reply.NotSent(TimeSpan.Zero);
        }

        if (_time.GetElapsedTime(since) > last)
        {
            return new Reply.NotSent(TimeSpan.Zero);
        }

        if (!mayStill())
        {
            return new Reply.Abandoned();
        }

        try
        {
            var result = await _pipeline.ExecuteAsync(
                static async (call, stop) => await call.Self.CallAsync(call.gateway, call.request, stop),
                (Self: this, gateway, request),
                cancellationToken
            );
            await _troubles.NoteAsync(result);
            return new Reply.Of(result);
        }
        catch (BrokenCircuitException)
        {
            return new Reply.NotSent(BreakFor);
        }
        catch (OperationCanceledException)
        {
            return new Reply.NotSent(TimeSpan.Zero); // before the call: what it cuts short is an answer of its own
        }
    }

    private async Task<SendResult> CallAsync(IGateway gateway, SendRequest request, CancellationToken cancellationToken)
    {
        try
        {
            var result = await gateway.SendAsync(request, cancellationToken);
            return result is SendResult.Answered answered && answered.Items.Count != request.Items.Count
                ? new SendResult.Unanswered("the gateway answered for another number of items")
                : result;
        }
        catch (OperationCanceledException)
        {
            return new SendResult.Unanswered("cut, because the node is stopped");
        }
#pragma warning disable CA1031 // a gateway's bug must not cost the outcomes of its siblings
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Log.GatewayThrew(_logger, gateway.Declaration.Name, failure.GetType().Name, request.Key);
            return new SendResult.Unanswered("the gateway failed");
        }
    }

    private static bool IsFailure(SendResult? result) =>
        result is SendResult.Unanswered
        || result is SendResult.Answered { Items: var items }
            && items.All(item => item.State is SendState.Retryable or SendState.Unknown);

    private static partial class Log
    {
        // Without the exception's text: it may quote what was sent.
        [LoggerMessage(LogLevel.Error, "Gateway {Gateway} threw {Kind} on request {Key}")]
        internal static partial void GatewayThrew(ILogger logger, string gateway, string kind, string key);
    }
}
