using Dapper;

namespace Campaigns.Tests.Support;

public sealed class DatabasesTests
{
    [Fact]
    public async Task Each_test_gets_a_migrated_database_of_its_own()
    {
        await using var one = await Databases.CreateAsync();
        await using var other = await Databases.CreateAsync();
        await using var connection = await one.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("CREATE TABLE mine (id int)");

        await using var elsewhere = await other.DataSource.OpenConnectionAsync();
        Assert.True(await elsewhere.ExecuteScalarAsync<int>("SELECT count(*)::int FROM schema_migration") > 0);
        Assert.Null(await elsewhere.ExecuteScalarAsync<string>("SELECT to_regclass('mine')::text"));
    }

    [Fact]
    public async Task A_database_is_gone_when_its_test_is_over()
    {
        await using var witness = await Databases.CreateAsync();
        var database = await Databases.CreateAsync();
        var name = new Npgsql.NpgsqlConnectionStringBuilder(database.ConnectionString).Database;
        await database.DisposeAsync();

        await using var connection = await witness.DataSource.OpenConnectionAsync();
        Assert.Equal(
            0,
            await connection.ExecuteScalarAsync<int>(
                "SELECT count(*)::int FROM pg_database WHERE datname = @name",
                new { name }
            )
        );
    }

    [Fact]
    public async Task Many_databases_can_be_made_at_once()
    {
        var databases = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Databases.CreateAsync()));
        foreach (var database in databases)
        {
            await database.DisposeAsync();
        }
    }
}
