using Campaigns.Database;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>Where the decisions of a run are written. A large run (its key is positive) has a table of its own, filled
/// without indexes and attached as a partition at the end; small runs (negative keys) share one that has its indexes.
/// </summary>
internal static class RunTable
{
    /// <summary>Customers from which a run is large.</summary>
    public const long LargeFrom = 100_000;

    public static bool IsLarge(int runKey) => runKey > 0;

    /// <summary>The table the parts write to.</summary>
    public static string Name(int runKey) => IsLarge(runKey) ? $"decision_run_{runKey}" : "decision_small";

    public static Task<int> NextKeyAsync(NpgsqlConnection connection, long customers) =>
        connection.QuerySingleAsync<int>(
            customers >= LargeFrom ? "SELECT nextval('run_key_large')::int" : "SELECT nextval('run_key_small')::int"
        );

    /// <summary>Makes the table of a large run, with the check that lets it be attached without being read.</summary>
    public static Task CreateAsync(NpgsqlConnection connection, int runKey) =>
        connection.ExecuteAsync(
            $"""
            CREATE TABLE {Name(runKey)} (LIKE decision, CHECK (run_key >= {runKey} AND run_key < {runKey} + 1))
            WITH (autovacuum_enabled = off)
            """
        );

    /// <summary>Indexes, attaches and analyses the filled table of a large run. The indexes are made on two connections side
    /// by side where the pool has many; what an earlier, interrupted call made stays. They do not name the run, which is one:
    /// an index that begins with the same number everywhere takes half as long again to sort. Up to some five million
    /// decisions a parallel sort costs more than it saves.</summary>
    public static async Task AttachAsync(NpgsqlDataSource dataSource, int runKey, CancellationToken cancellationToken)
    {
        var table = Name(runKey);
        string[] indexes =
        [
            $"CREATE UNIQUE INDEX IF NOT EXISTS {table}_pkey ON {table} (customer_key, step)",
            $"""
                CREATE INDEX IF NOT EXISTS {table}_touch ON {table} (touch_place(wave, variant, customer_key))
                WHERE reason = 0
                """,
        ];
        await Parallel.ForEachAsync(
            indexes,
            new ParallelOptions
            {
                MaxDegreeOfParallelism = dataSource.HasMany() ? indexes.Length : 1,
                CancellationToken = cancellationToken,
            },
            async (index, stopping) => await ExecuteAsync(dataSource, index, stopping)
        );
        await ExecuteAsync(dataSource, $"ANALYZE {table}", cancellationToken);
        await ExecuteAsync(
            dataSource,
            $"""
            ALTER TABLE {table} ADD PRIMARY KEY USING INDEX {table}_pkey;
            ALTER TABLE decision ATTACH PARTITION {table} FOR VALUES FROM ({runKey}) TO ({runKey} + 1);
            ALTER TABLE {table} RESET (autovacuum_enabled);
            """,
            cancellationToken
        );
    }

    private static async Task ExecuteAsync(NpgsqlDataSource dataSource, string sql, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync("SET LOCAL min_parallel_table_scan_size = '256MB'");
        await connection.ExecuteAsync(
            new CommandDefinition(sql, commandTimeout: 0, cancellationToken: cancellationToken)
        );
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Whether the table of a large run is a partition already.</summary>
    public static Task<bool> IsAttachedAsync(NpgsqlConnection connection, int runKey) =>
        connection.QuerySingleAsync<bool>(
            "SELECT coalesce((SELECT relispartition FROM pg_class WHERE oid = to_regclass(@table)), false)",
            new { table = Name(runKey) }
        );
}
