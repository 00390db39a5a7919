using Campaigns.Channels;

namespace Campaigns.Dispatch;

/// <summary>A claimed row of the queue. Who has the token has the lease, and nobody else writes what belongs to it.</summary>
internal sealed class Chunk
{
    public int RunKey { get; init; }
    public int Number { get; init; }
    public int Wave { get; init; }

    /// <summary>Of its decisions; another than <see cref="Wave"/> once touches have rolled or fallen back.</summary>
    public int PlannedWave { get; init; }

    /// <summary>Of <see cref="PlannedWave"/>.</summary>
    public short PlannedChannel { get; init; }
    public short Step { get; init; }
    public Channel Channel { get; init; }
    public short Variant { get; init; }
    public long? LowKey { get; init; }
    public long? HighKey { get; init; }
    public long[]? Members { get; init; }
    public short Try { get; init; }
    public bool Fresh { get; init; }
    public long Token { get; init; }

    /// <summary>Requests made under earlier leases; above zero only when the chunk is taken up again.</summary>
    public int Requests { get; init; }

    /// <summary>Business time of the claim.</summary>
    public DateTimeOffset ClaimedAt { get; init; }
}

/// <summary>A chunk to be made of touches that another chunk could not finish.</summary>
/// <param name="PlannedWave">As the other's.</param>
/// <param name="Members">Ascending.</param>
/// <param name="Fresh">Whether none of them has been attempted before.</param>
internal sealed record NewChunk(
    int Wave,
    int PlannedWave,
    Channel Channel,
    short Variant,
    long[] Members,
    short Try,
    bool Fresh,
    DateTimeOffset DueAt
);
