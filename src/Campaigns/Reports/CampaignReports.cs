using System.Data;
using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Planning;
using Campaigns.Receipts;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>What is asked of a report.</summary>
public sealed record ReportQuestion
{
    /// <summary>Number of the run, from 1; null for the latest that is planned.</summary>
    public int? Run { get; init; }

    /// <summary>Count every touch again instead of adding up the counters: the same figures, and a cost that grows with the
    /// touches.</summary>
    public bool Exact { get; init; }

    /// <summary>What was known at this instant; costs what <see cref="Exact"/> does. Null for now.</summary>
    public DateTimeOffset? AsOf { get; init; }

    /// <summary>Null for none.</summary>
    public AttributionModel? Attribution { get; init; }

    /// <summary>With comparisons that prove nothing. Without effect where the goal is a number.</summary>
    public bool NotCausal { get; init; }

    /// <summary>With what came of the members of each of the campaign's segments; costs what <see cref="Exact"/>
    /// does.</summary>
    public bool BySegment { get; init; }
}

/// <summary>Reports of campaigns.</summary>
public sealed class CampaignReports(NpgsqlDataSource dataSource)
{
    /// <summary>The report of a campaign's latest planned run.</summary>
    /// <returns>404 where there is no such campaign, 409 <c>invalid-state</c> while no run of it has been planned.
    /// </returns>
    public Task<Result<CampaignReport>> OfAsync(string campaignId, CancellationToken cancellationToken) =>
        OfAsync(campaignId, new ReportQuestion(), cancellationToken);

    /// <summary>The report of one run.</summary>
    /// <returns>As above; 422 <c>invalid-time</c> for a report as of an instant to come.</returns>
    public async Task<Result<CampaignReport>> OfAsync(
        string campaignId,
        ReportQuestion question,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        // One snapshot, so that all figures are of one instant: what was committed when the first statement began is in them.
        await using var snapshot = await connection.BeginTransactionAsync(
            IsolationLevel.RepeatableRead,
            cancellationToken
        );
        var found = await FindAsync(connection, campaignId, question.Run, cancellationToken);
        if (!found.TryGet(out var row, out var error))
        {
            return error;
        }

        if (question.AsOf > row.ComputedThrough)
        {
            return Error.Invalid("invalid-time", "asOf", "Lies in the future.");
        }

        var (runKey, asOf) = (row.RunKey!.Value, question.AsOf);
        var (ledger, windows, counts) = await CountedAsync(connection, runKey, question, cancellationToken);
        row = row with { ComputedThrough = asOf ?? row.ComputedThrough };
        var plan = row.ReadPlan();
        return new ReportComposer(row, plan, ledger, windows, counts).Compose() with
        {
            Number = await NumberChanges.ReadAsync(connection, runKey, plan, question, cancellationToken),
            Attribution =
                question.Attribution is { } model && plan.Goal.Event is not null
                    ? await Attributions.CountAsync(connection, runKey, model, asOf, cancellationToken)
                    : null,
            BySegment = question.BySegment
                ? await SegmentResults.ReadAsync(connection, runKey, plan, asOf, cancellationToken)
                : null,
            NotCausal =
                question.NotCausal && plan.Goal.Event is not null
                    ? await Descriptions.ReadAsync(connection, runKey, plan.Goal, asOf, cancellationToken)
                    : null,
        };
    }

    private static async Task<Result<ReportedRun>> FindAsync(
        NpgsqlConnection connection,
        string campaignId,
        int? number,
        CancellationToken cancellationToken
    )
    {
        var found = await connection.QuerySingleOrDefaultAsync<ReportedRun>(
            new CommandDefinition(
                """
                SELECT c.campaign_id, coalesce(v.definition ->> 'name', c.campaign_id) AS name,
                    r.run_key, r.number, r.state, r.plan::text AS plan,
                    statement_timestamp() + (SELECT clock_offset FROM business_clock) AS computed_through
                FROM campaign c
                LEFT JOIN LATERAL (
                    SELECT * FROM run r
                    WHERE r.campaign_key = c.campaign_key AND r.planned_at IS NOT NULL
                        AND (@number::int IS NULL OR r.number = @number)
                    ORDER BY r.number DESC
                    LIMIT 1
                ) r ON true
                LEFT JOIN campaign_version v
                    ON v.campaign_key = c.campaign_key AND v.version = r.campaign_version
                WHERE c.campaign_id = @campaignId
                """,
                new { campaignId, number },
                cancellationToken: cancellationToken
            )
        );
        return found switch
        {
            null => Error.NotFound("campaign", campaignId),
            { RunKey: null } => Error.InvalidState(
                number is null ? "No run of it has been planned yet." : $"Its run {number} has not been planned."
            ),
            _ => found,
        };
    }

    private static async Task<(List<LedgerRow>, List<PlannedWindow>, Counts)> CountedAsync(
        NpgsqlConnection connection,
        int runKey,
        ReportQuestion question,
        CancellationToken cancellationToken
    )
    {
        var cells =
            question.AsOf is not null ? Recount.CellsAsOf
            : question.Exact ? Recount.Cells
            : Counts.Folded;
        var sent = await MassSends.ByWaveAsync(connection, runKey, question.AsOf, cancellationToken);
        await using var reader = await connection.QueryMultipleAsync(
            new CommandDefinition(
                $"""
                SELECT l.reason, n.name, n.kind, l.channel, l.variant, l.wave, l.customers
                FROM run_ledger l
                JOIN decision_reason n USING (reason)
                WHERE l.run_key = @runKey AND l.step = 1
                ORDER BY l.reason, l.channel, l.wave;
                SELECT w.wave, w.channel, w.opens_at, w.closes_at, coalesce(w.counts_from, w.opens_at) AS counts_from
                FROM wave w
                WHERE w.run_key = @runKey
                ORDER BY w.opens_at, w.channel, w.wave;
                {Counts.Select(cells)}
                """,
                new { runKey, question.AsOf },
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );
        return (
            (await reader.ReadAsync<LedgerRow>()).AsList(),
            [
                .. (await reader.ReadAsync<PlannedWindow>()).Select(window =>
                    window with
                    {
                        MassSends = sent.GetValueOrDefault(window.Wave),
                    }
                ),
            ],
            await Counts.ReadAsync(reader)
        );
    }
}

internal sealed record ReportedRun
{
    public string CampaignId { get; init; } = "";
    public string Name { get; init; } = "";
    public int? RunKey { get; init; }
    public int Number { get; init; }
    public string State { get; init; } = "";
    public string Plan { get; init; } = "";
    public DateTimeOffset ComputedThrough { get; init; }

    public RunPlan ReadPlan() => JsonSerializer.Deserialize<RunPlan>(Plan, ProductJson.Options)!;
}

/// <summary>A line of the run's ledger.</summary>
internal sealed record LedgerRow
{
    public Reason Reason { get; init; }
    public string Name { get; init; } = "";
    public string Kind { get; init; } = "";
    public short Channel { get; init; }
    public short Variant { get; init; }
    public int Wave { get; init; }
    public long Customers { get; init; }
}

/// <summary>A line of the timetable.</summary>
internal sealed record PlannedWindow
{
    public int Wave { get; init; }
    public Channel Channel { get; init; }
    public DateTimeOffset OpensAt { get; init; }
    public DateTimeOffset ClosesAt { get; init; }

    /// <summary>From when goal events count.</summary>
    public DateTimeOffset CountsFrom { get; init; }
    public MassSendCounts? MassSends { get; init; }
}
