using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Receipts;

namespace Campaigns.Reports;

/// <summary>The timetable of a campaign's latest planned run: as it is planned, and as it went.</summary>
public sealed record CampaignSchedule
{
    public required string CampaignId { get; init; }
    public required CampaignState CampaignState { get; init; }

    /// <summary>Number of the run.</summary>
    public required int Run { get; init; }

    /// <summary><c>planned</c>, <c>closed</c> or <c>cancelled</c>.</summary>
    public required string RunState { get; init; }

    /// <summary>When what was left of it was last moved; null where it never was.</summary>
    public DateTimeOffset? ShiftedAt { get; init; }

    /// <summary>Business time of all that is said here.</summary>
    public required DateTimeOffset ComputedThrough { get; init; }

    /// <summary>In order of opening.</summary>
    public required IReadOnlyList<ScheduledWave> Waves { get; init; }
}

/// <summary>A wave of the timetable.</summary>
public sealed record ScheduledWave
{
    public required int Wave { get; init; }
    public required Channel Channel { get; init; }

    /// <summary>Included. Moved with the run.</summary>
    public required DateTimeOffset OpensAt { get; init; }

    /// <summary>Excluded.</summary>
    public required DateTimeOffset ClosesAt { get; init; }

    /// <summary>That were planned for it. All the counts below are of these, wherever they have gone since.</summary>
    public required long Touches { get; init; }

    /// <summary>Customers who would have had this window.</summary>
    public required long HeldOut { get; init; }

    /// <summary>Null while nothing was attempted.</summary>
    public DateTimeOffset? FirstAttemptAt { get; init; }

    /// <inheritdoc cref="FirstAttemptAt"/>
    public DateTimeOffset? LastAttemptAt { get; init; }

    /// <summary>At least once.</summary>
    public required long Attempted { get; init; }

    /// <summary>Where each of its touches stands now; together they are <see cref="Touches"/>.</summary>
    public required WaveStates States { get; init; }

    /// <summary>What the provider counted of the mass sends that its touches went by; null until it has.</summary>
    public MassSendCounts? MassSends { get; init; }

    /// <summary>How long the oldest has been due of what waits to be sent in this window, what rolled or fell back to it
    /// too; zero where nothing is late. What is tried again, or waits for a campaign with a higher priority, is late since it
    /// was due first.</summary>
    public required TimeSpan Lag { get; init; }

    /// <summary>Why what is due does not go, or goes later than planned, and what to do; null while it goes as planned.
    /// </summary>
    public string? HeldBecause { get; init; }
}

/// <summary>Touches by where they stand.</summary>
/// <param name="Waiting">Not attempted yet, and still to go.</param>
/// <param name="Underway">Attempted, and either on the wire, or refused for now and to be tried again.</param>
public sealed record WaveStates(
    long Waiting,
    long Underway,
    long Accepted,
    long Delivered,
    long Failed,
    long Suppressed,
    long Expired,
    long Cancelled,
    long Unknown
);
