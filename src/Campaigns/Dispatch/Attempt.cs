using Campaigns.Customers;

namespace Campaigns.Dispatch;

/// <summary>A request whose attempts are committed.</summary>
/// <param name="Request">Its number in the chunk.</param>
/// <param name="Key">What the provider knows it by.</param>
/// <param name="Day">When it was committed: the days in which its places were taken.</param>
internal sealed record Attempt(int Request, string Key, IReadOnlyList<Touch> Touches, ContactDay Day)
{
    /// <summary>It may have been sent before, and nobody knows: that it was not sent now, or is refused for now, says nothing
    /// of the first time.</summary>
    internal bool IsRepeat { get; init; }

    /// <summary>As of its chunk.</summary>
    internal Asked? Asked { get; init; }

    internal long[] Keys => [.. Touches.Select(touch => touch.CustomerKey)];
}

/// <summary>Why a chunk is not worked on, now.</summary>
internal enum Halt
{
    None,

    /// <summary>The lease is another's by now.</summary>
    Lost,

    /// <summary>The campaign is paused.</summary>
    Paused,

    /// <summary>The campaign or the run is cancelled or ended.</summary>
    Ended,

    /// <summary>The window is not open.</summary>
    Closed,

    /// <summary>The channel is stopped, paced or broken.</summary>
    Channel,

    /// <summary>Requests without an answer are to be repeated.</summary>
    Unanswered,

    /// <summary>A customer of the request may not be sent to any more.</summary>
    Refused,

    /// <summary>This node's clock is not to be trusted, or it is being stopped.</summary>
    Node,
}

/// <summary>What the attempt's transaction came to.</summary>
/// <param name="Attempts">What may be sent now, and only this.</param>
internal sealed record Round(Halt Halt, IReadOnlyList<Attempt> Attempts)
{
    /// <summary>How much longer the window is open.</summary>
    internal TimeSpan Open { get; init; }

    internal static Round Halted(Halt halt) => new(halt, []);
}
