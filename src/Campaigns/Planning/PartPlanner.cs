using System.Text.Json;
using Campaigns.Json;
using Campaigns.Results;
using Campaigns.Segments;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>Plans the parts of a run, one transaction a part: a part's decisions and its done-mark are there together or
/// not at all, and planning again adds nothing. Any number of lanes on any number of nodes do this side by side.</summary>
public sealed class PartPlanner(NpgsqlDataSource dataSource, SegmentStore segments)
{
    /// <summary>Plans parts until none is left to claim.</summary>
    /// <returns>Whether every part of the run is planned; false while another lane still works on one, or when the run is
    /// not being planned any more.</returns>
    public async Task<Result<bool>> PlanAsync(int runKey, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (await RunRow.ReadAsync(connection, runKey) is not { State: "planning" } run)
        {
            return false;
        }

        var statement = await StatementAsync(connection, run, cancellationToken);
        if (statement.Error is { } error)
        {
            return error;
        }

        while (await PlanNextAsync(connection, runKey, statement.Value, cancellationToken)) { }

        return await connection.QuerySingleAsync<bool>(
            "SELECT NOT EXISTS (SELECT FROM run_part WHERE run_key = @runKey AND planned_at IS NULL)",
            new { runKey }
        );
    }

    private async Task<Result<DecisionStatement>> StatementAsync(
        NpgsqlConnection connection,
        RunRow run,
        CancellationToken cancellationToken
    )
    {
        var plan = run.NeedsSettling ? await SettleAsync(connection, run.RunKey, cancellationToken) : run.ReadPlan();
        return plan.TryGet(out var settled, out var error)
            ? await DecisionStatement.CompileAsync(connection, segments, run, settled, cancellationToken)
            : error;
    }

    private static async Task<bool> PlanNextAsync(
        NpgsqlConnection connection,
        int runKey,
        DecisionStatement statement,
        CancellationToken cancellationToken
    )
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync(DecisionStatement.Settings);
        var part = await connection.QuerySingleOrDefaultAsync<(int Part, long Low, long High)?>(
            """
            SELECT p.part, p.low_key, p.high_key
            FROM run_part p JOIN run r USING (run_key)
            WHERE p.run_key = @runKey AND p.planned_at IS NULL AND r.state = 'planning'
            ORDER BY p.part LIMIT 1
            FOR UPDATE OF p SKIP LOCKED
            """,
            new { runKey }
        );
        if (part is not var (number, low, high))
        {
            return false;
        }

        await using var insert = statement.Command(connection, Insert(runKey, statement), low, high);
        var decisions = await insert.ExecuteNonQueryAsync(cancellationToken);
        await connection.ExecuteAsync(
            """
            UPDATE run_part SET planned_at = clock_timestamp(), decisions = @decisions
            WHERE run_key = @runKey AND part = @number
            """,
            new
            {
                runKey,
                number,
                decisions,
            }
        );
        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    /// <summary>The lane that comes first settles the ranking; the others wait for its lock and read what it found.</summary>
    private async Task<Result<RunPlan>> SettleAsync(
        NpgsqlConnection connection,
        int runKey,
        CancellationToken cancellationToken
    )
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync(DecisionStatement.Settings);
        await connection.ExecuteAsync("SELECT FROM run WHERE run_key = @runKey FOR UPDATE", new { runKey });
        var run = (await RunRow.ReadAsync(connection, runKey))!;
        if (!run.NeedsSettling)
        {
            return run.ReadPlan();
        }

        var settled = await Ranking.SettleAsync(connection, segments, run, cancellationToken);
        if (settled.TryGet(out var plan, out _))
        {
            await connection.ExecuteAsync(
                "UPDATE run SET plan = @plan::jsonb, settled_at = clock_timestamp() WHERE run_key = @runKey",
                new { runKey, plan = JsonSerializer.Serialize(plan, ProductJson.Options) }
            );
            await transaction.CommitAsync(cancellationToken);
        }

        return settled;
    }

    internal static string Insert(int runKey, DecisionStatement statement) =>
        $"""
            INSERT INTO {RunTable.Name(runKey)} (
                customer_key, run_key, wave, step, reason, channel, variant{statement.Segments}
            )
            {statement.Decisions}
            """;
}
