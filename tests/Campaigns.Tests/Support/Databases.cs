using Campaigns.Database;
using Campaigns.Embedded;
using Npgsql;

namespace Campaigns.Tests.Support;

/// <summary>
/// Fresh databases on one PostgreSQL per test process: a private one, or the server that CAMPAIGNS_TEST_DB or
/// ConnectionStrings__Campaigns names. The schema is migrated once, into a template.
/// </summary>
public static class Databases
{
    private static readonly Lazy<Task<NpgsqlConnectionStringBuilder>> Server = new(StartAsync);
    private static readonly Lazy<Task<string>> Template = new(MigrateTemplateAsync);

    // Several CREATE DATABASE at once only wait for each other's checkpoints and locks.
    private static readonly SemaphoreSlim Turn = new(2);

    /// <summary>A database of its own with the newest schema, dropped when disposed.</summary>
    public static async Task<TestDatabase> CreateAsync()
    {
        var server = await Server.Value;
        return await CreateAsync(server, await Template.Value);
    }

    /// <summary>A database without any table, dropped when disposed.</summary>
    public static async Task<TestDatabase> CreateEmptyAsync() => await CreateAsync(await Server.Value, "template0");

    /// <summary>Removes what the run left on the server, and the server where it is this process's own.</summary>
    internal static async Task EndAsync()
    {
        if (Template.IsValueCreated && Template.Value.IsCompletedSuccessfully)
        {
            await ExecuteAsync(await Server.Value, $"DROP DATABASE IF EXISTS {await Template.Value}");
        }

        await ThrowawayServer.StopAsync();
    }

    internal static async Task ExecuteAsync(NpgsqlConnectionStringBuilder server, string sql)
    {
        await using var connection = new NpgsqlConnection(server.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<TestDatabase> CreateAsync(NpgsqlConnectionStringBuilder server, string template)
    {
        var name = $"test_{Guid.NewGuid():n}";
        await Turn.WaitAsync();
        try
        {
            await ExecuteAsync(server, $"CREATE DATABASE {name} TEMPLATE {template}");
        }
        finally
        {
            Turn.Release();
        }

        return new TestDatabase(server, name);
    }

    private static async Task<NpgsqlConnectionStringBuilder> StartAsync()
    {
        var external =
            Environment.GetEnvironmentVariable("CAMPAIGNS_TEST_DB")
            ?? Environment.GetEnvironmentVariable("ConnectionStrings__Campaigns");
        var server = string.IsNullOrWhiteSpace(external)
            ? await ThrowawayServer.StartAsync()
            : new NpgsqlConnectionStringBuilder(external);
        server.MaxPoolSize = 4;
        return server;
    }

    private static async Task<string> MigrateTemplateAsync()
    {
        var server = await Server.Value;
        var name = $"template_{Guid.NewGuid():n}";
        await ExecuteAsync(server, $"CREATE DATABASE {name} TEMPLATE template0");
        // Without a pool no connection stays behind, which would forbid to clone.
        var own = new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = name, Pooling = false };
        await using var dataSource = NpgsqlDataSource.Create(own);
        await Migrator.MigrateAsync(dataSource, CancellationToken.None);
        return name;
    }
}

/// <summary>One test's own database.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private readonly NpgsqlConnectionStringBuilder _server;
    private readonly string _name;

    internal TestDatabase(NpgsqlConnectionStringBuilder server, string name)
    {
        _server = server;
        _name = name;
        ConnectionString = new NpgsqlConnectionStringBuilder(server.ConnectionString)
        {
            Database = name,
            MaxPoolSize = 20,
        }.ConnectionString;
        DataSource = NpgsqlDataSource.Create(ConnectionString);
    }

    public NpgsqlDataSource DataSource { get; }

    public string ConnectionString { get; }

    public async ValueTask DisposeAsync()
    {
        await DataSource.DisposeAsync();
        NpgsqlConnection.ClearPool(new NpgsqlConnection(ConnectionString));
        await Databases.ExecuteAsync(_server, $"DROP DATABASE IF EXISTS {_name} WITH (FORCE)");
    }
}
