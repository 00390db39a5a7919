using Campaigns.Calendar;
using Campaigns.Json;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Lifecycle;

/// <summary>Whether what a definition names is there, and fits.</summary>
internal static class CampaignReferences
{
    public static async Task CheckAsync(NpgsqlConnection connection, CampaignDefinition campaign, FaultList faults)
    {
        await CheckSegmentsAsync(connection, campaign.Audience, faults);
        await CheckTemplatesAsync(connection, campaign, faults);
        await CheckNumberAsync(connection, campaign.Audience.Top?.Field, "audience.top.field", faults);
        await CheckNumberAsync(connection, campaign.Goal.Field, "goal.field", faults);
        await CheckNumberAsync(connection, campaign.Goal.LastYear?.Before, "goal.lastYear.before", faults);
        await CheckNumberAsync(connection, campaign.Goal.LastYear?.After, "goal.lastYear.after", faults);
        if (campaign.Schedule.Calendar is { } calendar && !await WorkingCalendars.ExistsAsync(connection, calendar))
        {
            faults.Invalid("unknown-calendar", "schedule.calendar", "is not a calendar");
        }
    }

    /// <summary>A segment stays while a campaign that somebody was asked to approve, and that has not ended, uses it, itself
    /// or through another.</summary>
    internal static async Task<string?> WhySegmentMustStayAsync(NpgsqlConnection connection, string segmentId)
    {
        var campaign = await connection.QueryFirstOrDefaultAsync<string?>(
            """
            SELECT c.campaign_id
            FROM campaign c JOIN approval a USING (campaign_key, version)
            WHERE c.state IN ('submitted', 'approved', 'running', 'paused')
              AND a.bound -> 'segments' @> jsonb_build_array(jsonb_build_object('segmentId', @segmentId))
            ORDER BY c.campaign_id
            """,
            new { segmentId }
        );
        return campaign is null ? null : $"Campaign '{campaign}' uses it: end that one first.";
    }

    private static async Task CheckSegmentsAsync(NpgsqlConnection connection, Audience audience, FaultList faults)
    {
        var named = audience.Include.Concat(audience.Exclude).Distinct().ToArray();
        var known = (
            await connection.QueryAsync<string>(
                "SELECT segment_id FROM segment WHERE segment_id = ANY (@named) AND NOT archived",
                new { named }
            )
        ).ToHashSet();
        foreach (var (path, ids) in new[] { ("include", audience.Include), ("exclude", audience.Exclude) })
        {
            for (var i = 0; i < ids.Count; i++)
            {
                if (!known.Contains(ids[i]))
                {
                    faults.Invalid("unknown-segment", $"audience.{path}[{i}]", "is not a segment");
                }
            }
        }
    }

    private static async Task CheckTemplatesAsync(
        NpgsqlConnection connection,
        CampaignDefinition campaign,
        FaultList faults
    )
    {
        for (var i = 0; i < campaign.Variants.Count; i++)
        {
            foreach (var (channel, templateId) in campaign.Variants[i].Templates)
            {
                var path = $"variants[{i}].templates.{ProductJson.NameOf(channel)}";
                var template = await Templates.FindAsync(connection, templateId, version: null);
                if (template is null)
                {
                    faults.Invalid("unknown-template", path, "is not a template");
                }
                else if (template.Content.Channel != channel)
                {
                    faults.Invalid(
                        "template-mismatch",
                        path,
                        $"is a template for {ProductJson.NameOf(template.Content.Channel)}"
                    );
                }
                else if (template.Content.Purpose != campaign.Purpose)
                {
                    faults.Invalid(
                        "template-mismatch",
                        path,
                        $"is a {ProductJson.NameOf(template.Content.Purpose)} template"
                    );
                }
            }
        }
    }

    private static async Task CheckNumberAsync(
        NpgsqlConnection connection,
        string? field,
        string path,
        FaultList faults
    )
    {
        if (field is null)
        {
            return;
        }

        var type = await connection.QuerySingleOrDefaultAsync<string?>(
            "SELECT type FROM field WHERE name = @field",
            new { field }
        );
        if (type != "number")
        {
            faults.Invalid("unknown-rule-field", path, "is not a number of the field catalogue");
        }
    }
}
