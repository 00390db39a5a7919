namespace Campaigns.Access;

/// <summary>What a caller may do. A marketer drafts, an approver (never an editor of that version) approves, an operator
/// pauses and resumes and runs channels, an analyst reads reports, the backend feeds customers and events, a partner
/// has its own campaigns and conversions only, an admin has every right but to approve what he edited.</summary>
public enum Role
{
    Marketer,
    Approver,
    Operator,
    Analyst,
    Backend,
    Partner,
    Admin,
}

/// <summary>Who asks.</summary>
/// <param name="Id">As written to the audit log; never a secret.</param>
/// <param name="PartnerId">Set for a partner, and only then.</param>
public sealed record Actor(string Id, Role Role, string? PartnerId = null)
{
    /// <summary>The service itself: planning, dispatch, the sweep.</summary>
    public static readonly Actor Service = new("service", Role.Admin);
}
