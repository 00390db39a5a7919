using Dapper;
using Npgsql;

namespace Campaigns.Database;

/// <summary>Brings a database to the newest schema: numbered SQL files, each applied once, in order, under one advisory
/// lock, so that any number of nodes may start together.</summary>
public static class Migrator
{
    private const long LockKey = 0x43414D50_4D494752; // "CAMPMIGR"
    private const string Folder = "Campaigns.Database.Migrations.";

    /// <summary>Applies what is missing, each file in a transaction of its own.</summary>
    /// <returns>How many files were applied.</returns>
    /// <exception cref="PostgresException">A file failed; the earlier ones stay.</exception>
    public static async Task<int> MigrateAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await connection.ExecuteAsync("SELECT pg_advisory_lock(@LockKey)", new { LockKey });
        try
        {
            await connection.ExecuteAsync(
                """
                CREATE TABLE IF NOT EXISTS schema_migration (
                    file text PRIMARY KEY,
                    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
                )
                """
            );
            var applied = (await connection.QueryAsync<string>("SELECT file FROM schema_migration")).ToHashSet();
            var missing = Files().Where(file => !applied.Contains(file)).ToList();
            foreach (var file in missing)
            {
                await ApplyAsync(connection, file, cancellationToken);
            }

            return missing.Count;
        }
        finally
        {
            await connection.ExecuteAsync("SELECT pg_advisory_unlock(@LockKey)", new { LockKey });
        }
    }

    private static async Task ApplyAsync(NpgsqlConnection connection, string file, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Text(file), connection, transaction);
        await command.ExecuteNonQueryAsync(cancellationToken);
        await connection.ExecuteAsync("INSERT INTO schema_migration (file) VALUES (@file)", new { file }, transaction);
        await transaction.CommitAsync(cancellationToken);
    }

    private static IEnumerable<string> Files() =>
        typeof(Migrator)
            .Assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(Folder, StringComparison.Ordinal))
            .Select(name => name[Folder.Length..])
            .Order(StringComparer.Ordinal);

    private static string Text(string file)
    {
        using var stream = typeof(Migrator).Assembly.GetManifestResourceStream(Folder + file)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
