using Campaigns.Database;
using Campaigns.Tests.Support;
using Npgsql;

namespace Campaigns.Tests.Database;

public sealed class SchemaTests
{
    private const string Update = "CAMPAIGNS_UPDATE";

    [Fact]
    public async Task The_migrated_schema_is_the_one_that_is_committed()
    {
        await using var database = await Databases.CreateAsync();
        var migrated = await SchemaText.ReadAsync(database.DataSource);
        var file = Path.Combine(Repository.Root, "src", "Campaigns", "Database", "schema.sql");
        if (Environment.GetEnvironmentVariable(Update) is "1")
        {
            await File.WriteAllTextAsync(file, migrated);
        }

        var committed = (await File.ReadAllTextAsync(file)).ReplaceLineEndings("\n");
        Assert.True(committed == migrated, $"schema.sql is out of date: run the tests once with {Update}=1.");
    }

    [Fact]
    public async Task Migrating_again_applies_nothing()
    {
        await using var database = await Databases.CreateAsync();
        Assert.Equal(0, await Migrator.MigrateAsync(database.DataSource, default));
    }

    [Fact]
    public async Task Nodes_that_start_together_migrate_once()
    {
        await using var database = await Databases.CreateEmptyAsync();
        await using var source = NpgsqlDataSource.Create(database.ConnectionString);
        var applied = await Task.WhenAll(
            Enumerable.Range(0, 4).Select(_ => Migrator.MigrateAsync(source, CancellationToken.None))
        );
        Assert.Equal(1, applied.Count(files => files > 0));
    }
}
