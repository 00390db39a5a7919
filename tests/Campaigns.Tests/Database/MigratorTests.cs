using Campaigns.Database;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Database;

public sealed class MigratorTests
{
    private static readonly IReadOnlyList<Migration> Newer =
    [
        .. Migrator.Own,
        new("9999_newer.sql", "ALTER TABLE customer ADD COLUMN newer text"),
    ];

    [Fact]
    public async Task A_migration_gives_way_to_a_long_transaction_and_holds_nobody_up_behind_it()
    {
        await using var database = await Databases.CreateAsync();
        await using var reader = await database.DataSource.OpenConnectionAsync();
        await using var report = await reader.BeginTransactionAsync();
        await reader.QueryAsync("SELECT FROM customer");
        await using var writer = await database.DataSource.OpenConnectionAsync();
        var migrating = Migrator.MigrateAsync(database.DataSource, Newer, default);
        await Eventually.BeAsync(
            () => writer.QuerySingleAsync<long>("SELECT count(*) FROM pg_locks WHERE NOT granted"),
            waiting => waiting > 0,
            "a migration that waits for the report"
        );

        await writer.ExecuteAsync("UPDATE customer SET updated_at = now()", commandTimeout: 5);
        Assert.False(migrating.IsCompleted);
        await report.RollbackAsync();

        Assert.Equal(1, await migrating);
    }

    [Fact]
    public async Task A_node_of_the_version_before_finds_nothing_to_do()
    {
        await using var database = await Databases.CreateAsync();
        await Migrator.MigrateAsync(database.DataSource, Newer, default);

        Assert.Equal(0, await Migrator.MigrateAsync(database.DataSource, default));
    }
}
