using System.Text.Json;
using Campaigns.Calendar;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Results;
using Campaigns.Segments;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>A run of a campaign's newest version, made to be rolled back: the caller's transaction never commits.</summary>
internal sealed record RehearsedRun(
    int RunKey,
    RunPlan Plan,
    CampaignCalendar Calendar,
    DateTimeOffset AsOf,
    DecisionStatement Statement
)
{
    /// <returns>404; 422 as submitting would; 422 <c>no-window-left</c>.</returns>
    public static async Task<Result<RehearsedRun>> CreateAsync(
        NpgsqlConnection connection,
        string campaignId,
        CampaignBinding binding,
        SegmentStore segments,
        CancellationToken cancellationToken
    )
    {
        if (!(await BindAsync(connection, campaignId, binding, cancellationToken)).TryGet(out var bound, out var error))
        {
            return error;
        }

        var run = (await RunRow.ReadAsync(connection, bound.RunKey))!;
        var settled = await Ranking.SettleAsync(connection, segments, run, cancellationToken);
        if (!settled.TryGet(out var final, out error))
        {
            return error;
        }

        var compiled = await DecisionStatement.CompileAsync(connection, segments, run, final, cancellationToken);
        return compiled.TryGet(out var statement, out error)
            ? new RehearsedRun(bound.RunKey, final, bound.Calendar, run.AsOf, statement)
            : error;
    }

    /// <summary>Makes the run and decides nothing yet: all that can be refused is refused here, at once.</summary>
    /// <returns>As <see cref="CreateAsync"/>.</returns>
    public static async Task<Result<(int RunKey, CampaignCalendar Calendar)>> BindAsync(
        NpgsqlConnection connection,
        string campaignId,
        CampaignBinding binding,
        CancellationToken cancellationToken
    )
    {
        var row = await connection.QuerySingleOrDefaultAsync<(
            int Key,
            int Version,
            string Definition,
            bool AllowsOver65
        )?>(
            """
            SELECT c.campaign_key, c.version, v.definition::text, coalesce(a.allows_over65, false)
            FROM campaign c JOIN campaign_version v USING (campaign_key, version)
            LEFT JOIN approval a USING (campaign_key, version)
            WHERE c.campaign_id = @campaignId
            """,
            new { campaignId }
        );
        if (row is not var (campaignKey, version, document, allowsOver65))
        {
            return Error.NotFound("campaign", campaignId);
        }

        var definition = JsonSerializer.Deserialize<CampaignDefinition>(document, ProductJson.Options)!;
        var binds = await binding.ForPreviewAsync(connection, definition, cancellationToken);
        if (!binds.TryGet(out var bound, out var error))
        {
            return error;
        }

        await connection.ExecuteAsync(DecisionStatement.Settings);
        var asOf = await BusinessClock.NowAsync(connection);
        var (plan, calendar) = await RunBinder.BindAsync(
            connection,
            campaignId,
            version,
            bound,
            binding.Gateways,
            allowsOver65
        );
        var created = await RunStore.CreateAsync(
            connection,
            campaignKey,
            number: int.MaxValue,
            plan,
            calendar,
            asOf,
            cancellationToken
        );
        return created.TryGet(out var made, out error) ? (made.RunKey, calendar) : error;
    }
}
