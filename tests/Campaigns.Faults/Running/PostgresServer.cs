using System.Security.Cryptography;
using System.Text;
using Campaigns.Embedded;
using Npgsql;

namespace Campaigns.Faults.Running;

/// <summary>The harness's own durable PostgreSQL, which can be made to crash.</summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private readonly EmbeddedPostgresOptions _options;
    private EmbeddedPostgresServer _server;

    private PostgresServer(EmbeddedPostgresOptions options, EmbeddedPostgresServer server) =>
        (_options, _server) = (options, server);

    /// <param name="folder">Of its data; null for one of the harness's own.</param>
    public static async Task<PostgresServer> StartAsync(string? folder = null)
    {
        // Two clones on one machine do not share a server.
        var own = SHA256.HashData(Encoding.UTF8.GetBytes(AppContext.BaseDirectory)).AsSpan(0, 4);
        var options = new EmbeddedPostgresOptions
        {
            DataDirectory = folder ?? EmbeddedPostgres.DefaultDirectory($"faults-{Convert.ToHexStringLower(own)}"),
            MaxConnections = 300,
        };
        if (Directory.Exists(Path.Combine(options.DataDirectory, "cluster")))
        {
            // What a killed harness left: its server goes, its databases are of no use.
            await (await EmbeddedPostgres.StartAsync(options)).DisposeAsync();
            Directory.Delete(options.DataDirectory, recursive: true);
        }

        return new PostgresServer(options, await EmbeddedPostgres.StartAsync(options));
    }

    public NpgsqlConnectionStringBuilder Connection(string database, string application) =>
        new(_server.ConnectionString)
        {
            Database = database,
            ApplicationName = application,
            MaxPoolSize = 20,
        };

    /// <summary>As <c>pg_ctl stop -m immediate</c> does, and starts again: the server recovers from its log.</summary>
    public async Task CrashAsync()
    {
        Signals.Send(_server.ProcessId, Signals.Quit);
        await _server.DisposeAsync();
        NpgsqlConnection.ClearAllPools();
        _server = await EmbeddedPostgres.StartAsync(_options);
    }

    /// <summary>Starts it again where it has ended by itself.</summary>
    public async Task RestartWhereGoneAsync()
    {
        if (_server.Exited.IsCompleted)
        {
            await _server.DisposeAsync();
            NpgsqlConnection.ClearAllPools();
            _server = await EmbeddedPostgres.StartAsync(_options);
        }
    }

    /// <param name="template">Nobody may be connected to it.</param>
    public Task CloneAsync(string template, string database) =>
        ExecuteAsync($"CREATE DATABASE {database} TEMPLATE {template}");

    public Task DropAsync(string database) => ExecuteAsync($"DROP DATABASE IF EXISTS {database} WITH (FORCE)");

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_options.DataDirectory, recursive: true);
    }

    private async Task ExecuteAsync(string sql)
    {
        var maintenance = Connection("postgres", "faults");
        maintenance.Pooling = false;
        await using var connection = new NpgsqlConnection(maintenance.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
