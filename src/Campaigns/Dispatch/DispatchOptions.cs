namespace Campaigns.Dispatch;

/// <summary>How this node dispatches; what belongs to a channel is in <see cref="Channels.GatewaySettings"/>.</summary>
public sealed class DispatchOptions
{
    /// <summary>Name of this node among those that share the database; no two alike.</summary>
    public string Node { get; set; } = $"{Environment.MachineName}-{Environment.ProcessId}-{Guid.NewGuid():n}";

    /// <summary>How long a chunk is held without a sign of life; real time. After a node dies its chunks are taken up by
    /// others when this has passed.</summary>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>A wave of more touches than this gets one lane more, and so on.</summary>
    public int TouchesPerLane { get; set; } = 25_000;

    /// <summary>Most lanes of a wave, over all nodes.</summary>
    public int MaxLanes { get; set; } = 4;

    /// <summary>Most lanes of a gateway on this node; at least 1. Further ones wait without a thread of the job engine's, which
    /// has to have some for every gateway.</summary>
    public int LanesPerGateway { get; set; } = 4;

    /// <summary>A node whose clock differs from the database's by more than this does not dispatch.</summary>
    public TimeSpan MaxClockError { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>When the node is stopped, how long what is on the wire may take to answer. The process
    /// lives longer than that; whatever stops it from outside has to wait half a minute more.</summary>
    public TimeSpan Drain { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How often the sweep looks for what should have run; real time.</summary>
    public TimeSpan SweepEvery { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Wait before the second try of a touch that was refused for now; doubles with each, up to
    /// <see cref="RetryAtMost"/>, less up to a fifth by chance. Business time.</summary>
    public TimeSpan RetryAfter { get; set; } = TimeSpan.FromSeconds(30);

    /// <inheritdoc cref="RetryAfter"/>
    public TimeSpan RetryAtMost { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>Most test messages of all templates in a day of the bank's.</summary>
    public int TestsPerDay { get; set; } = 200;
}
