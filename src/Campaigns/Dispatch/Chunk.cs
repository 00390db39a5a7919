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
    public string? AskedBy { get; init; }
    public DateTimeOffset? AskedAt { get; init; }
    public long Token { get; init; }

    /// <summary>Requests made under earlier leases; above zero only when the chunk is taken up again.</summary>
    public int Requests { get; init; }

    /// <summary>Business time of the claim.</summary>
    public DateTimeOffset ClaimedAt { get; init; }

    /// <summary>Null where nobody can have its touches already.</summary>
    internal Asked? Asked => AskedBy is { } gateway ? new Asked(gateway, AskedAt!.Value) : null;
}

/// <summary>Who may have a chunk's touches already, because it did not say so of each: they are asked for again there, as long
/// as it knows their keys, and nowhere else. What is withheld of them is unknown, and their places stay taken.</summary>
/// <param name="At">When they were first attempted; business time.</param>
internal sealed record Asked(string Gateway, DateTimeOffset At)
{
    internal bool IsKnownTo(GatewayDeclaration gateway, DateTimeOffset now) =>
        gateway.Name == Gateway && now - At < gateway.DedupePeriod;
}

/// <summary>A chunk to be made of touches that another chunk could not finish.</summary>
/// <param name="PlannedWave">As the other's.</param>
/// <param name="Members">Ascending.</param>
/// <param name="Fresh">Whether none of them has been attempted before.</param>
/// <param name="LateAs">Number of the other, where they are put off and so are late since it was; null where they are due anew.
/// </param>
/// <param name="Yields">Whether they leave their places to a campaign with a higher priority.</param>
internal sealed record NewChunk(
    int Wave,
    int PlannedWave,
    Channel Channel,
    short Variant,
    long[] Members,
    short Try,
    bool Fresh,
    DateTimeOffset DueAt,
    Asked? Asked = null,
    int? LateAs = null,
    bool Yields = false
);
