namespace Campaigns.Jobs;

/// <summary>What a node is to the job engine.</summary>
public sealed record JobEngineOptions
{
    /// <summary>Whether this node runs jobs; one that does not can still ask for them.</summary>
    public bool Worker { get; init; } = true;

    /// <summary>How many jobs this node runs side by side; at least 1.</summary>
    public int Threads { get; init; } = 8;
}
