using System.Text.Json;
using Campaigns.Json;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>A run as stored.</summary>
internal sealed record RunRow
{
    public int RunKey { get; init; }
    public int CampaignKey { get; init; }
    public string CampaignId { get; init; } = "";
    public int Number { get; init; }
    public string State { get; init; } = "";
    public DateTimeOffset AsOf { get; init; }
    public string Plan { get; init; } = "";
    public bool Settled { get; init; }

    /// <summary>Why it stopped; null where it did not.</summary>
    public string? Failure { get; init; }

    /// <summary>Earlier runs of the same campaign: who had a touch there is enrolled.</summary>
    public int[] EarlierRuns { get; init; } = [];

    public RunPlan ReadPlan() => JsonSerializer.Deserialize<RunPlan>(Plan, ProductJson.Options)!;

    /// <summary>Whether a top or a budget is still to be settled.</summary>
    public bool NeedsSettling => !Settled && ReadPlan() is { Top: not null } or { Budget.Count: > 0 };

    public static Task<RunRow?> ReadAsync(NpgsqlConnection connection, int runKey) =>
        connection.QuerySingleOrDefaultAsync<RunRow>(
            """
            SELECT r.run_key, r.campaign_key, c.campaign_id, r.number, r.state, r.as_of, r.plan::text AS plan,
                r.settled_at IS NOT NULL AS settled, r.failure,
                ARRAY(
                    SELECT e.run_key FROM run e
                    WHERE e.campaign_key = r.campaign_key AND e.number < r.number AND e.state IN ('planned', 'closed')
                ) AS earlier_runs
            FROM run r JOIN campaign c USING (campaign_key)
            WHERE r.run_key = @runKey
            """,
            new { runKey }
        );
}
