using System.Diagnostics;
using Dapper;
using Npgsql;

namespace Campaigns.Database;

/// <summary>A numbered SQL file.</summary>
internal sealed record Migration(string File, string Sql);

/// <summary>Brings a database to the newest schema: numbered SQL files, each applied once, in order, under one advisory
/// lock, so that any number of nodes may start together, and beside nodes of the version before: a file may only add what
/// those can leave alone (expand); what they still use goes with a later version (contract).</summary>
public static class Migrator
{
    private const long LockKey = 0x43414D50_4D494752; // "CAMPMIGR"
    private const string Folder = "Campaigns.Database.Migrations.";

    // Whoever waits for a table behind somebody's long transaction has all others wait behind it.
    private const string LockTimeout = "SET LOCAL lock_timeout = '500ms'";
    private static readonly TimeSpan AgainAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>What this version has.</summary>
    internal static IReadOnlyList<Migration> Own { get; } =
    [
        .. typeof(Migrator)
            .Assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(Folder, StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(name => new Migration(name[Folder.Length..], Text(name))),
    ];

    /// <summary>Applies what is missing, each file in a transaction of its own, which gives way to the work that goes on:
    /// one that does not get its locks within half a second is tried again, for ten minutes.</summary>
    /// <returns>How many files were applied.</returns>
    /// <exception cref="PostgresException">A file failed; the earlier ones stay.</exception>
    public static Task<int> MigrateAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken) =>
        MigrateAsync(dataSource, Own, cancellationToken);

    internal static async Task<int> MigrateAsync(
        NpgsqlDataSource dataSource,
        IReadOnlyList<Migration> migrations,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await LockAsync(connection, cancellationToken);
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
            var missing = migrations.Where(migration => !applied.Contains(migration.File)).ToList();
            foreach (var migration in missing)
            {
                await ApplyAsync(connection, migration, cancellationToken);
            }

            return missing.Count;
        }
        finally
        {
            await connection.ExecuteAsync("SELECT pg_advisory_unlock(@LockKey)", new { LockKey });
        }
    }

    // As long as the node takes that migrates.
    private static Task LockAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        connection.ExecuteAsync(
            new CommandDefinition(
                "SELECT pg_advisory_lock(@LockKey)",
                new { LockKey },
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );

    private static async Task ApplyAsync(
        NpgsqlConnection connection,
        Migration migration,
        CancellationToken cancellationToken
    )
    {
        for (var since = Stopwatch.GetTimestamp(); ; )
        {
            try
            {
                await ApplyOnceAsync(connection, migration, cancellationToken);
                return;
            }
            catch (PostgresException failure)
                when (failure.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected
                    && Stopwatch.GetElapsedTime(since) < Patience
                )
            {
                await Task.Delay(AgainAfter, cancellationToken);
            }
        }
    }

    private static async Task ApplyOnceAsync(
        NpgsqlConnection connection,
        Migration migration,
        CancellationToken cancellationToken
    )
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync(LockTimeout);
        await using var command = new NpgsqlCommand(migration.Sql, connection, transaction) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken);
        await connection.ExecuteAsync("INSERT INTO schema_migration (file) VALUES (@File)", new { migration.File });
        await transaction.CommitAsync(cancellationToken);
    }

    private static string Text(string resource)
    {
        using var stream = typeof(Migrator).Assembly.GetManifestResourceStream(resource)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
