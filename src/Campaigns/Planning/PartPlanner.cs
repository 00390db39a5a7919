using Campaigns.Channels;
using Campaigns.Database;
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
            ? await CompileAsync(connection, run, settled, cancellationToken)
            : error;
    }

    private Task<Result<DecisionStatement>> CompileAsync(
        NpgsqlConnection connection,
        RunRow run,
        RunPlan plan,
        CancellationToken cancellationToken
    ) =>
        DecisionStatement.CompileAsync(
            connection,
            segments,
            plan,
            run.RunKey,
            run.AsOf,
            run.EarlierRuns,
            cancellationToken
        );

    private static async Task<bool> PlanNextAsync(
        NpgsqlConnection connection,
        int runKey,
        DecisionStatement statement,
        CancellationToken cancellationToken
    )
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
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

        await using var insert = statement.Command(
            connection,
            $"""
            INSERT INTO {RunTable.Name(runKey)} (customer_key, run_key, wave, step, reason, channel, variant)
            {statement.Decisions}
            """,
            low,
            high
        );
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

    /// <summary>Settles what is global before the parts: where the top and each budget end. The lane that comes first
    /// does it; the others wait for its lock and read what it found.</summary>
    private async Task<Result<RunPlan>> SettleAsync(
        NpgsqlConnection connection,
        int runKey,
        CancellationToken cancellationToken
    )
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync("SELECT FROM run WHERE run_key = @runKey FOR UPDATE", new { runKey });
        var run = (await RunRow.ReadAsync(connection, runKey))!;
        if (!run.NeedsSettling)
        {
            return run.ReadPlan();
        }

        var plan = run.ReadPlan();
        if (plan.Top is { } top)
        {
            var compiled = await CompileAsync(connection, run, plan, cancellationToken);
            if (!compiled.TryGet(out var statement, out var error))
            {
                return error;
            }

            plan = plan with { TopCut = await TopCutAsync(connection, statement, top.Count, cancellationToken) };
        }

        if (plan.Budget.Count > 0)
        {
            var compiled = await CompileAsync(connection, run, plan, cancellationToken);
            if (!compiled.TryGet(out var statement, out var error))
            {
                return error;
            }

            plan = plan with { BudgetCuts = await BudgetCutsAsync(connection, plan, statement, cancellationToken) };
        }

        await connection.ExecuteAsync(
            "UPDATE run SET plan = @plan::jsonb, settled_at = clock_timestamp() WHERE run_key = @runKey",
            new { runKey, plan = StoredJson.Write(plan) }
        );
        await transaction.CommitAsync(cancellationToken);
        return plan;
    }

    private static async Task<Cut?> TopCutAsync(
        NpgsqlConnection connection,
        DecisionStatement statement,
        int count,
        CancellationToken cancellationToken
    )
    {
        await using var command = statement.Command(
            connection,
            $"""
            SELECT score, customer_key FROM ({statement.Gated}) g WHERE early = 0
            ORDER BY {DecisionSql.Rank} DESC, customer_key OFFSET @place LIMIT 1
            """,
            long.MinValue,
            long.MaxValue
        );
        command.Parameters.AddWithValue("place", (long)count - 1);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? ReadCut(reader, 0) : null;
    }

    private static async Task<IReadOnlyDictionary<Channel, Cut>> BudgetCutsAsync(
        NpgsqlConnection connection,
        RunPlan plan,
        DecisionStatement statement,
        CancellationToken cancellationToken
    )
    {
        var budgets = Enum.GetValues<Channel>()
            .Select(channel => plan.Budget.TryGetValue(channel, out var budget) ? (long?)budget : null);
        await using var command = statement.Command(
            connection,
            $"""
            SELECT channel, score, customer_key
            FROM (
                SELECT channel, score, customer_key,
                    row_number() OVER (PARTITION BY channel ORDER BY {DecisionSql.Rank} DESC, customer_key) AS place
                FROM ({statement.Gated}) g
                WHERE early = 0 {(plan.Top is null ? "" : $"AND NOT {DecisionSql.BehindTop}")}
            ) ranked
            WHERE place = (@budgets::bigint[])[channel]
            """,
            long.MinValue,
            long.MaxValue
        );
        command.Parameters.AddWithValue("budgets", budgets.ToArray());
        var cuts = new Dictionary<Channel, Cut>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            cuts.Add((Channel)reader.GetInt16(0), ReadCut(reader, 1));
        }

        return cuts;
    }

    private static Cut ReadCut(NpgsqlDataReader reader, int column) =>
        new(reader.IsDBNull(column) ? null : reader.GetDecimal(column), reader.GetInt64(column + 1));
}
