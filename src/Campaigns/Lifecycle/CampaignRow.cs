using Campaigns.Json;
using Dapper;
using Npgsql;

namespace Campaigns.Lifecycle;

/// <summary>A campaign as stored, with its newest version and what was submitted of that.</summary>
internal sealed class CampaignRow
{
    private const string Select = """
        SELECT c.campaign_key, c.campaign_id, c.version, c.state, v.definition::text AS definition, v.edited_by,
            v.edited_at, a.bound::text AS bound, a.hash, a.submitted_by, a.submitted_at, a.decided_by, a.decided_at,
            a.approved, coalesce(a.allows_over65, false) AS allows_over65, a.comment
        FROM campaign c
        LEFT JOIN campaign_version v USING (campaign_key, version)
        LEFT JOIN approval a USING (campaign_key, version)
        WHERE c.campaign_id = @campaignId
        """;

    public int CampaignKey { get; init; }
    public string CampaignId { get; init; } = "";

    /// <summary>0 for one that is just being made.</summary>
    public int Version { get; init; }
    public CampaignState State { get; init; }
    public byte[]? Hash { get; init; }

    private string Definition { get; init; } = "";
    private string EditedBy { get; init; } = "";
    private DateTimeOffset EditedAt { get; init; }
    private string? Bound { get; init; }
    private string SubmittedBy { get; init; } = "";
    private DateTimeOffset SubmittedAt { get; init; }
    private string? DecidedBy { get; init; }
    private DateTimeOffset? DecidedAt { get; init; }
    private bool? Approved { get; init; }
    private string? Comment { get; init; }

    public bool AllowsOver65 { get; init; }

    public static Task<CampaignRow?> FindAsync(NpgsqlConnection connection, string campaignId) =>
        connection.QuerySingleOrDefaultAsync<CampaignRow>(Select, new { campaignId });

    /// <summary>Reads it so that nobody else changes it before the transaction's end.</summary>
    public static Task<CampaignRow?> LockAsync(NpgsqlConnection connection, string campaignId) =>
        connection.QuerySingleOrDefaultAsync<CampaignRow>(Select + " FOR UPDATE OF c", new { campaignId });

    public CampaignDefinition ReadDefinition() => Documents.Read<CampaignDefinition>(Definition);

    public Bound? ReadBound() => Bound is null ? null : Documents.Read<Bound>(Bound);

    public Campaign ToCampaign() =>
        new()
        {
            CampaignId = CampaignId,
            Version = Version,
            State = State,
            Definition = ReadDefinition(),
            EditedBy = EditedBy,
            EditedAt = EditedAt,
            Approval = ReadBound() is { } bound
                ? new Approval
                {
                    Hash = Convert.ToHexStringLower(Hash!),
                    Bound = bound,
                    SubmittedBy = SubmittedBy,
                    SubmittedAt = SubmittedAt,
                    DecidedBy = DecidedBy,
                    DecidedAt = DecidedAt,
                    Approved = Approved,
                    AllowsOver65 = AllowsOver65,
                    Comment = Comment,
                }
                : null,
        };
}
