using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Segments;

namespace Campaigns.Reports;

/// <summary>By whom, when, by which rule and by which versions a decision was made. All of it was bound when the run was
/// made: nothing that is changed later changes it.</summary>
public sealed record DecisionTrace
{
    /// <summary><c>touch</c>, <c>held_out</c>, <c>held_out_global</c>, or the first rule that failed.</summary>
    public required string Rule { get; init; }

    /// <summary>The one instant for which the run was reckoned: that of its launch.</summary>
    public required DateTimeOffset AsOf { get; init; }

    /// <summary>When it was written down; business time.</summary>
    public required DateTimeOffset DecidedAt { get; init; }

    /// <summary>Who submitted, approved and launched, and when; null for a run that nobody launched.</summary>
    public RunOrigin? Origin { get; init; }
    public required int CampaignVersion { get; init; }

    /// <summary>Whose members are the audience.</summary>
    public required IReadOnlyList<SegmentReference> Include { get; init; }
    public required IReadOnlyList<SegmentReference> Exclude { get; init; }

    /// <summary>What the touch says; null where there is none.</summary>
    public TemplateReference? Template { get; init; }

    /// <summary>Of the contact policy; 0 where nobody had set one.</summary>
    public required int PolicyVersion { get; init; }

    /// <summary>Of the working calendar that the campaign names; null where it names none.</summary>
    public int? CalendarVersion { get; init; }

    /// <summary>Of the bank-wide holdout; null where there was none.</summary>
    public int? GlobalHoldoutVersion { get; init; }

    internal static DecisionTrace Of(
        RunPlan plan,
        string rule,
        DateTimeOffset asOf,
        DateTimeOffset decidedAt,
        BoundTemplate? template
    ) =>
        new()
        {
            Rule = rule,
            AsOf = asOf,
            DecidedAt = decidedAt,
            Origin = plan.Origin,
            CampaignVersion = plan.CampaignVersion,
            Include = plan.Include,
            Exclude = [.. plan.Exclude.Select(segment => new SegmentReference(segment.SegmentId, segment.Version))],
            Template = template is null ? null : new TemplateReference(template.TemplateId, template.Version),
            PolicyVersion = plan.PolicyVersion,
            CalendarVersion = plan.CalendarVersion,
            GlobalHoldoutVersion = plan.GlobalHoldout?.Version,
        };
}
