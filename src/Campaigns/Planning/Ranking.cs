using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Results;
using Campaigns.Segments;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>What is global and so settled before the parts, in one statement each: where the top and each channel's budget
/// end.</summary>
internal static class Ranking
{
    /// <summary>The plan with its cuts.</summary>
    public static async Task<Result<RunPlan>> SettleAsync(
        NpgsqlConnection connection,
        SegmentStore segments,
        RunRow run,
        CancellationToken cancellationToken
    )
    {
        var plan = run.ReadPlan();
        if (plan.Top is { } top)
        {
            var compiled = await DecisionStatement.CompileAsync(connection, segments, run, plan, cancellationToken);
            if (!compiled.TryGet(out var statement, out var error))
            {
                return error;
            }

            plan = plan with
            {
                TopCut = await IsSensitiveAsync(connection, top)
                    ? await SensitiveCutAsync(connection, statement, top.Count, cancellationToken)
                    : await TopCutAsync(connection, statement, top.Count, cancellationToken),
            };
        }

        if (plan.Budget.Count > 0)
        {
            var compiled = await DecisionStatement.CompileAsync(connection, segments, run, plan, cancellationToken);
            if (!compiled.TryGet(out var statement, out var error))
            {
                return error;
            }

            plan = plan with { BudgetCuts = await BudgetCutsAsync(connection, plan, statement, cancellationToken) };
        }

        return plan;
    }

    private static Task<bool> IsSensitiveAsync(NpgsqlConnection connection, TopN top) =>
        connection.QuerySingleAsync<bool>("SELECT sensitive FROM field WHERE name = @Field", new { top.Field });

    /// <summary>Of a sensitive field, whoever has not consented to its use has no score, and nobody without one is in the
    /// top, however much room it has.</summary>
    private static async Task<Cut> SensitiveCutAsync(
        NpgsqlConnection connection,
        DecisionStatement statement,
        int count,
        CancellationToken cancellationToken
    )
    {
        await using var command = statement.Command(
            connection,
            $"""
            SELECT score, customer_key
            FROM (
                SELECT score, customer_key FROM ({statement.Gated}) g WHERE early = 0 AND score IS NOT NULL
                ORDER BY score DESC, customer_key LIMIT @count
            ) top
            ORDER BY score, customer_key DESC LIMIT 1
            """,
            long.MinValue,
            long.MaxValue
        );
        command.Parameters.AddWithValue("count", (long)count);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? ReadCut(reader, 0)
            : new Cut(decimal.MaxValue, long.MinValue + 1);
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
