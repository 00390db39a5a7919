using Campaigns.Segments;

namespace Campaigns.Lifecycle;

/// <summary>A campaign as it stands.</summary>
public sealed record Campaign
{
    public required string CampaignId { get; init; }

    /// <summary>1 for the first; grows with every edit.</summary>
    public required int Version { get; init; }
    public required CampaignState State { get; init; }
    public required CampaignDefinition Definition { get; init; }

    /// <summary>Who made this version.</summary>
    public required string EditedBy { get; init; }

    /// <summary>Business time.</summary>
    public required DateTimeOffset EditedAt { get; init; }

    /// <summary>What was submitted of this version, and what became of that; null where it was not submitted.</summary>
    public Approval? Approval { get; init; }
}

/// <summary>A line in a list of campaigns.</summary>
public sealed record CampaignSummary
{
    public required string CampaignId { get; init; }
    public required int Version { get; init; }
    public required CampaignState State { get; init; }
    public required string Name { get; init; }
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>What somebody submitted, and what another decided.</summary>
public sealed record Approval
{
    /// <summary>SHA-256 over all that is bound, in hexadecimal: what is launched has this hash.</summary>
    public required string Hash { get; init; }
    public required Bound Bound { get; init; }
    public required string SubmittedBy { get; init; }
    public required DateTimeOffset SubmittedAt { get; init; }
    public string? DecidedBy { get; init; }
    public DateTimeOffset? DecidedAt { get; init; }

    /// <summary>Null while nobody has decided.</summary>
    public bool? Approved { get; init; }

    /// <inheritdoc cref="ApprovalDecision.AllowOver65"/>
    public bool AllowsOver65 { get; init; }

    /// <summary>The approver's; at most 1,000 characters.</summary>
    public string? Comment { get; init; }
}

/// <summary>Everything an approval stands for.</summary>
public sealed record Bound
{
    public required CampaignDefinition Definition { get; init; }

    /// <summary>All segments, those named by others included.</summary>
    public required IReadOnlyList<SegmentReference> Segments { get; init; }
    public required IReadOnlyList<TemplateReference> Templates { get; init; }

    /// <summary>Null where the submission named no size: any size is then approved.</summary>
    public AudienceBounds? Audience { get; init; }

    /// <summary>Whether a rule or a template uses a field that is marked sensitive, or a top or a goal does.</summary>
    public required bool UsesSensitive { get; init; }

    /// <summary>Whether a rule uses a profiling field or an uploaded list, or the ranking or a template does.</summary>
    public required bool UsesProfiling { get; init; }
}

/// <summary>How large the audience may be when the run is planned: both ends included. A run outside stops and asks.</summary>
/// <param name="Expected">What the preview said.</param>
public sealed record AudienceBounds(long Expected, long Low, long High);

/// <summary>What goes with a submission.</summary>
public sealed record Submission
{
    /// <summary>The audience the preview counted: the approval then holds for 20 % more or fewer. Null for any size.
    /// </summary>
    public long? ExpectedAudience { get; init; }
}

/// <summary>What an approver says.</summary>
public sealed record ApprovalDecision
{
    /// <summary>Whether customers of 65 years and more may be offered a product with a risk, or consumer credit; without
    /// it they are unsuitable. Of other campaigns it says nothing.</summary>
    public bool AllowOver65 { get; init; }

    /// <summary>At most 1,000 characters.</summary>
    public string? Comment { get; init; }
}

/// <summary>An approved campaign with all that its run is bound to.</summary>
public sealed record ApprovedCampaign
{
    public required int CampaignKey { get; init; }
    public required string CampaignId { get; init; }
    public required int Version { get; init; }
    public required Approval Approval { get; init; }
    public Bound Bound => Approval.Bound;
}
