using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>What every round says again: a connection has it parsed, and mostly planned, once.</summary>
/// <remarks>A plan that was made while a table was empty is kept until the table is analysed. So only statements are
/// prepared that find their rows by keys of tables which planning or import has analysed, or find none: none reads attempts
/// or outcomes, which grow from nothing while they are asked.</remarks>
internal static class Prepared
{
    /// <summary>Executes the last batch of a transaction and commits with it, for a round trip less.</summary>
    internal static async Task CommitAsync(this NpgsqlBatch batch, CancellationToken cancellationToken)
    {
        batch.BatchCommands.Add(new NpgsqlBatchCommand("COMMIT"));
        await batch.PrepareAsync(cancellationToken);
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Rows of a query, mapped as Dapper does.</summary>
    internal static async Task<List<T>> QueryPreparedAsync<T>(
        this NpgsqlConnection connection,
        string sql,
        CancellationToken cancellationToken,
        params (string Name, object Value)[] parameters
    )
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        await command.PrepareAsync(cancellationToken);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return reader.Parse<T>().AsList();
    }
}
