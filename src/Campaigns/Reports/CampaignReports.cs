using System.Data;
using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Planning;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>Reports of campaigns.</summary>
public sealed class CampaignReports(NpgsqlDataSource dataSource)
{
    /// <summary>The report of a campaign's latest planned run.</summary>
    /// <returns>404 where there is no such campaign, 409 <c>invalid-state</c> while no run of it has been planned.
    /// </returns>
    public Task<Result<CampaignReport>> OfAsync(string campaignId, CancellationToken cancellationToken) =>
        OfAsync(campaignId, run: null, exact: false, cancellationToken);

    /// <summary>The report of one run.</summary>
    /// <param name="run">Number of the run, from 1; null for the latest that is planned.</param>
    /// <param name="exact">Count every touch again instead of adding up the counters: the same figures, and a cost that
    /// grows with the touches.</param>
    public async Task<Result<CampaignReport>> OfAsync(
        string campaignId,
        int? run,
        bool exact,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        // One snapshot, so that all figures are of one instant: what was committed when the first statement began is in them.
        await using var snapshot = await connection.BeginTransactionAsync(
            IsolationLevel.RepeatableRead,
            cancellationToken
        );
        var found = await FindAsync(connection, campaignId, run, cancellationToken);
        if (!found.TryGet(out var row, out var error))
        {
            return error;
        }

        var ledger = await LedgerAsync(connection, row.RunKey!.Value, cancellationToken);
        var windows = await WindowsAsync(connection, row.RunKey.Value, cancellationToken);
        var counts = exact
            ? await Counts.ExactAsync(connection, row.RunKey.Value, cancellationToken)
            : await Counts.FoldedAsync(connection, row.RunKey.Value, cancellationToken);
        var plan = row.ReadPlan();
        return new ReportComposer(row, plan, ledger, windows, counts).Compose() with
        {
            Change = await NumberChanges.ReadAsync(connection, row.RunKey.Value, plan, exact, cancellationToken),
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

    private static async Task<List<LedgerRow>> LedgerAsync(
        NpgsqlConnection connection,
        int runKey,
        CancellationToken cancellationToken
    ) =>
        (
            await connection.QueryAsync<LedgerRow>(
                new CommandDefinition(
                    """
                    SELECT l.reason, n.name, n.kind, l.channel, l.variant, l.wave, l.customers
                    FROM run_ledger l
                    JOIN decision_reason n USING (reason)
                    WHERE l.run_key = @runKey AND l.step = 1
                    ORDER BY l.reason, l.channel, l.wave
                    """,
                    new { runKey },
                    cancellationToken: cancellationToken
                )
            )
        ).AsList();

    private static async Task<List<PlannedWindow>> WindowsAsync(
        NpgsqlConnection connection,
        int runKey,
        CancellationToken cancellationToken
    ) =>
        (
            await connection.QueryAsync<PlannedWindow>(
                new CommandDefinition(
                    """
                    SELECT w.wave, w.channel, w.opens_at, w.closes_at
                    FROM wave w
                    WHERE w.run_key = @runKey
                    ORDER BY w.opens_at, w.channel, w.wave
                    """,
                    new { runKey },
                    cancellationToken: cancellationToken
                )
            )
        ).AsList();
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
}
