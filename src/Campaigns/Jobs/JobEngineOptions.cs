namespace Campaigns.Jobs;

/// <summary>What a node is to the job engine.</summary>
public sealed record JobEngineOptions
{
    /// <summary>Whether this node runs jobs; one that does not can still ask for them.</summary>
    public bool Worker { get; init; } = true;

    /// <summary>How many jobs this node runs side by side; at least 1. Enough for the lanes of every gateway
    /// that serves a channel, and for planning beside them.</summary>
    public int Threads { get; init; } = 20;

    /// <summary>When the node is stopped, how long the engine waits for its jobs to end.</summary>
    public TimeSpan StopWithin { get; init; } = TimeSpan.FromSeconds(15);
}
