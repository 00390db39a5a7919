using Dapper;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Database;

/// <summary>What is said again and again: a connection has it parsed, and mostly planned, once.</summary>
/// <remarks>A plan that was made while a table was empty is kept until the table is analysed. So only statements are
/// prepared that find their rows by keys of tables which planning or import has analysed, or find none, or that are planned
/// by keys whatever the tables hold.</remarks>
internal static class Prepared
{
    private static readonly string[] KeysOnly =
    [
        "SET LOCAL enable_seqscan = off",
        // Else it is planned again each time where the first few calls were smaller than the guess.
        "SET LOCAL plan_cache_mode = force_generic_plan",
    ];

    private static readonly string[] ByDefault =
    [
        "SET LOCAL enable_seqscan TO DEFAULT",
        "SET LOCAL plan_cache_mode TO DEFAULT",
    ];

    /// <summary>Executes the last batch of a transaction and commits with it, for a round trip less.</summary>
    internal static async Task CommitAsync(this NpgsqlBatch batch, CancellationToken cancellationToken)
    {
        batch.BatchCommands.Add(new NpgsqlBatchCommand("COMMIT"));
        await batch.PrepareAsync(cancellationToken);
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Rows of a query, mapped as Dapper does.</summary>
    internal static Task<List<T>> QueryPreparedAsync<T>(
        this NpgsqlConnection connection,
        string sql,
        CancellationToken cancellationToken,
        params ReadOnlySpan<(string Name, object Value)> parameters
    ) => QueryAsync<T>(Batch(connection, [Command(sql, parameters)]), cancellationToken);

    /// <summary>As <see cref="QueryPreparedAsync"/>, within a transaction, for a statement that finds what it reads by keys:
    /// it is planned so however small its tables are then.</summary>
    internal static Task<List<T>> QueryByKeysAsync<T>(
        this NpgsqlConnection connection,
        string sql,
        CancellationToken cancellationToken,
        params ReadOnlySpan<(string Name, object Value)> parameters
    ) => QueryAsync<T>(ByKeys(connection, Command(sql, parameters)), cancellationToken);

    /// <summary>As <see cref="QueryByKeysAsync"/>, for a statement whose answer nobody needs.</summary>
    internal static async Task ExecuteByKeysAsync(
        this NpgsqlConnection connection,
        string sql,
        CancellationToken cancellationToken,
        params (string Name, object Value)[] parameters
    )
    {
        await using var batch = ByKeys(connection, Command(sql, parameters));
        await batch.PrepareAsync(cancellationToken);
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task<List<T>> QueryAsync<T>(NpgsqlBatch unprepared, CancellationToken cancellationToken)
    {
        await using var batch = unprepared;
        await batch.PrepareAsync(cancellationToken);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        return reader.Parse<T>().AsList();
    }

    private static NpgsqlBatch ByKeys(NpgsqlConnection connection, NpgsqlBatchCommand command) =>
        Batch(connection, [.. KeysOnly.Select(Plain), command, .. ByDefault.Select(Plain)]);

    private static NpgsqlBatchCommand Plain(string sql) => new(sql);

    private static NpgsqlBatch Batch(NpgsqlConnection connection, IEnumerable<NpgsqlBatchCommand> commands)
    {
        var batch = new NpgsqlBatch(connection);
        foreach (var command in commands)
        {
            batch.BatchCommands.Add(command);
        }

        return batch;
    }

    private static NpgsqlBatchCommand Command(string sql, ReadOnlySpan<(string Name, object Value)> parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var (name, value) in parameters)
        {
            command.Parameters.Add(Parameter(name, value));
        }

        return command;
    }

    // Npgsql writes no instants but in UTC, and tells the type of an array of them by its first: an empty one's would be
    // another, for which the statement is not prepared.
    private static NpgsqlParameter Parameter(string name, object value) =>
        value switch
        {
            DateTimeOffset at => new(name, at.ToUniversalTime()),
            DateTime[] ats => new(name, NpgsqlDbType.Array | NpgsqlDbType.TimestampTz) { Value = ats },
            _ => new(name, value),
        };
}
