using System.Globalization;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Database;
using Campaigns.Jobs;
using Campaigns.Lifecycle;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>What launching came to.</summary>
/// <param name="Run">1 for the campaign's first.</param>
/// <param name="Parts">How many parts are being planned.</param>
public sealed record Launched(string CampaignId, int Run, int Parts);

/// <summary>A run that is being planned.</summary>
/// <param name="Parts">Of these, <paramref name="Planned"/> are done.</param>
internal sealed record PlanningRun(int RunKey, string CampaignId, int Parts, int Planned);

/// <summary>Launches campaigns: makes the run and has the job engine plan it, part by part.</summary>
public sealed class Planner(
    NpgsqlDataSource dataSource,
    PartPlanner parts,
    RunCompletion completion,
    IJobEngine engine,
    Gateways gateways,
    PlanningOptions options
)
{
    /// <summary>Launches an approved campaign, exactly as it was approved.</summary>
    /// <returns>404; 409 <c>invalid-state</c>, <c>assessment-missing</c>; 422 <c>no-window-left</c>.</returns>
    public async Task<Result<Launched>> LaunchAsync(string campaignId, Actor actor, CancellationToken cancellationToken)
    {
        var launched = await CreateAsync(campaignId, actor, cancellationToken);
        if (launched.TryGet(out var run, out _))
        {
            await WakeAsync(
                new PlanningRun(run.RunKey, campaignId, run.Launched.Parts, Planned: 0),
                tries: 1,
                cancellationToken
            );
        }

        return launched.Map(made => made.Launched);
    }

    private async Task<Result<(int RunKey, Launched Launched)>> CreateAsync(
        string campaignId,
        Actor actor,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (!(await CampaignApprovals.ApprovedAsync(connection, campaignId)).TryGet(out var approved, out var error))
        {
            return error;
        }

        var now = await BusinessClock.NowAsync(connection);
        await CampaignStates.LaunchAsync(connection, approved.CampaignKey, actor, now);
        var (plan, calendar) = await RunBinder.BindAsync(
            connection,
            campaignId,
            approved.Version,
            approved.Bound,
            gateways,
            approved.Approval.AllowsOver65
        );
        plan = plan with { Origin = OriginOf(approved.Approval, actor) };
        var number = await NextNumberAsync(connection, approved.CampaignKey);
        var created = await RunStore.CreateAsync(
            connection,
            approved.CampaignKey,
            number,
            plan,
            calendar,
            now,
            cancellationToken
        );
        if (!created.TryGet(out var run, out error))
        {
            return error;
        }

        await transaction.CommitAsync(cancellationToken);
        return (run.RunKey, new Launched(campaignId, number, run.Parts));
    }

    /// <summary>The work of <see cref="JobKind.PlanPart"/>: plans parts until none is left, and completes the run when
    /// this lane was the last.</summary>
    /// <returns>The run when it has just become ready to be dispatched; else null.</returns>
    public async Task<int?> RunAsync(Job job, CancellationToken cancellationToken)
    {
        var runKey = int.Parse(job.Argument, CultureInfo.InvariantCulture);
        var planned = await parts.PlanAsync(runKey, cancellationToken);
        if (planned.Error is { } error)
        {
            await StopAsync(runKey, $"{error.Type}: {error.Detail}", cancellationToken);
            return null;
        }

        if (!planned.Value)
        {
            return null;
        }

        if (await OutsideApprovalAsync(runKey, cancellationToken) is { } drift)
        {
            await StopAsync(runKey, drift, cancellationToken);
            return null;
        }

        return await completion.CompleteAsync(runKey, cancellationToken) ? runKey : null;
    }

    /// <summary>Runs that are being planned.</summary>
    internal async Task<IReadOnlyList<PlanningRun>> WaitingAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var runs = await connection.QueryAsync<PlanningRun>(
            """
            SELECT r.run_key, c.campaign_id, p.parts, p.planned
            FROM run r
            JOIN campaign c USING (campaign_key)
            CROSS JOIN LATERAL (
                SELECT count(*)::int AS parts, count(p.planned_at)::int AS planned
                FROM run_part p
                WHERE p.run_key = r.run_key
            ) p
            WHERE r.state = 'planning'
            ORDER BY r.run_key
            """
        );
        return runs.AsList();
    }

    /// <summary>Wakes the planning lanes of a run as soon as the engine can.</summary>
    /// <param name="tries">From 1; see <see cref="Job.IdOf"/>.</param>
    internal async Task WakeAsync(PlanningRun run, int tries, CancellationToken cancellationToken)
    {
        for (var lane = 1; lane <= Math.Clamp(run.Parts, 1, options.Lanes); lane++)
        {
            await engine.RunNowAsync(
                new Job(
                    Job.IdOf($"plan:{run.RunKey}:{lane}", tries),
                    JobKind.PlanPart,
                    run.RunKey.ToString(CultureInfo.InvariantCulture),
                    string.Create(CultureInfo.InvariantCulture, $"{run.CampaignId} · planning · {run.Parts:N0} parts")
                ),
                cancellationToken
            );
        }
    }

    private static RunOrigin OriginOf(Approval approval, Actor launcher) =>
        new()
        {
            Hash = approval.Hash,
            SubmittedBy = approval.SubmittedBy,
            SubmittedAt = approval.SubmittedAt,
            ApprovedBy = approval.DecidedBy!,
            ApprovedAt = approval.DecidedAt!.Value,
            LaunchedBy = launcher.Id,
        };

    private async Task<string?> OutsideApprovalAsync(int runKey, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if ((await RunRow.ReadAsync(connection, runKey))?.ReadPlan().Approved is not { } approved)
        {
            return null;
        }

        var audience = await connection.QuerySingleAsync<long>(
            "SELECT coalesce(sum(decisions), 0)::bigint FROM run_part WHERE run_key = @runKey",
            new { runKey }
        );
        return audience >= approved.Low && audience <= approved.High
            ? null
            : $"audience-drift: {audience:N0} customers, approved were {approved.Low:N0} to {approved.High:N0}; "
                + "the campaign is a draft again: preview it, and submit it with the size of today";
    }

    private static Task<int> NextNumberAsync(NpgsqlConnection connection, int campaignKey) =>
        connection.QuerySingleAsync<int>(
            "SELECT coalesce(max(number), 0) + 1 FROM run WHERE campaign_key = @campaignKey",
            new { campaignKey }
        );

    // A run that cannot be planned, or is outside what was approved, stops, and its campaign is a draft again.
    private async Task StopAsync(int runKey, string failure, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // The campaign first, as whoever cancels it holds them.
        var campaignKey = await connection.QuerySingleAsync<int>(
            """
            SELECT c.campaign_key FROM run r JOIN campaign c USING (campaign_key)
            WHERE r.run_key = @runKey FOR UPDATE OF c
            """,
            new { runKey }
        );
        var stopped = await connection.ExecuteAsync(
            "UPDATE run SET state = 'stopped', failure = @failure WHERE run_key = @runKey AND state = 'planning'",
            new { runKey, failure }
        );
        if (stopped == 1)
        {
            await CampaignStates.StopAsync(connection, campaignKey, failure, await BusinessClock.NowAsync(connection));
        }

        await transaction.CommitAsync(cancellationToken);
    }
}
