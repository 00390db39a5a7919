using Campaigns.Channels;

namespace Campaigns.Dispatch;

/// <summary>How a channel is.</summary>
public sealed record ChannelStatus
{
    public required Channel Channel { get; init; }

    /// <summary>Whether an operator stopped it: it sends nothing, by any gateway, until it is started.</summary>
    public bool Stopped { get; init; }

    /// <summary>Why it is stopped, in words.</summary>
    public string? Reason { get; init; }

    /// <summary>Who stopped or started it last, and when; null when nobody ever did.</summary>
    public string? ChangedBy { get; init; }

    /// <inheritdoc cref="ChangedBy"/>
    public DateTimeOffset? ChangedAt { get; init; }

    /// <summary>Touches that wait in campaigns that run, whether due or not.</summary>
    public long Waiting { get; init; }

    /// <summary>How long the oldest of those that are due has been; zero when none is. What was put off, or is tried
    /// again, is late since it was due first.</summary>
    public TimeSpan Lag { get; init; }

    /// <summary>Touches without an answer that no receipt has settled, of runs that are not closed or were within the last
    /// three days: providers tell no more after that.</summary>
    public long Unknown { get; init; }

    /// <summary>Those that serve it now: one, or one for marketing and one for servicing; none where it is not served.</summary>
    public required IReadOnlyList<GatewayStatus> Gateways { get; init; }

    /// <summary>Why nothing of the purpose goes, and what to do; null while it goes.</summary>
    internal string? HeldBecause(Purpose purpose) =>
        Gateways.FirstOrDefault(gateway => gateway.Purposes.Contains(purpose)) is { } gateway
            ? gateway.HeldBecause
            : ChannelHold.NotServed(Channel, purpose);
}

/// <summary>How a gateway is that serves a channel.</summary>
public sealed record GatewayStatus
{
    public required string Name { get; init; }

    /// <summary>What goes by it.</summary>
    public required IReadOnlyList<Purpose> Purposes { get; init; }

    /// <summary>Whether its provider's answer stopped it, until the channel is started.</summary>
    public bool Stopped { get; init; }

    /// <summary>Why it is stopped, in words.</summary>
    public string? Reason { get; init; }

    /// <summary>When it was stopped, or started again; null when it never was.</summary>
    public DateTimeOffset? ChangedAt { get; init; }

    /// <summary>Nothing is sent before this instant: the provider asked for a rest.</summary>
    public DateTimeOffset? RestsUntil { get; init; }

    /// <summary>Calls to the provider a second, by all nodes together: as configured, or what the provider takes by default
    /// where nothing is.</summary>
    public double RatePerSecond { get; init; }

    /// <summary><c>closed</c>, <c>open</c> or <c>half-open</c>: open where any node finds it broken, half-open as the node
    /// that answers sees it.</summary>
    public string Breaker { get; init; } = "closed";

    /// <summary>When it is tried again; null unless the breaker is open.</summary>
    public DateTimeOffset? BrokenUntil { get; init; }

    /// <summary>Why nothing goes by it now, and what to do: also where the whole channel is stopped. Null while it goes.
    /// </summary>
    public string? HeldBecause { get; init; }

    /// <summary>What went wrong last, at most five kinds of the last day, newest first.</summary>
    public IReadOnlyList<GatewayError> LastErrors { get; init; } = [];
}

/// <summary>Something that a gateway's provider answered, or did not.</summary>
public sealed record GatewayError
{
    /// <summary>The provider's code, or <c>unanswered</c>, <c>throttled</c>.</summary>
    public required string Code { get; init; }

    /// <summary>In words.</summary>
    public required string Detail { get; init; }

    /// <summary>When it last happened, to a second.</summary>
    public required DateTimeOffset At { get; init; }
}
