using System.Diagnostics;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Campaigns.Access;
using Campaigns.Api.Hosting;
using Campaigns.Embedded;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Benchmarks;

/// <summary>The product on a durable PostgreSQL of its own, and a clock.</summary>
internal sealed class Bench : IAsyncDisposable
{
    private readonly EmbeddedPostgresServer _server;
    private readonly WebApplication _app;

    private Bench(EmbeddedPostgresServer server, WebApplication app) => (_server, _app) = (server, app);

    public IServiceProvider Services => _app.Services;

    public NpgsqlDataSource DataSource => Services.GetRequiredService<NpgsqlDataSource>();

    public string ConnectionString => _server.ConnectionString;

    /// <summary>Starts a fresh PostgreSQL with the durable settings, printed, and a node of the role.</summary>
    /// <param name="settings">Further configuration.</param>
    /// <param name="configure">Further services.</param>
    /// <param name="map">Further endpoints.</param>
    public static async Task<Bench> StartAsync(
        string role,
        IReadOnlyDictionary<string, string?>? settings = null,
        Action<IServiceCollection>? configure = null,
        Action<WebApplication>? map = null
    )
    {
        var folder = EmbeddedPostgres.DefaultDirectory($"bench-{Environment.ProcessId}");
        var server = await EmbeddedPostgres.StartAsync(new EmbeddedPostgresOptions { DataDirectory = folder });
        var builder = WebApplication.CreateBuilder(
            new WebApplicationOptions { ApplicationName = "Campaigns.Api", ContentRootPath = AppContext.BaseDirectory }
        );
        builder.Configuration.AddInMemoryCollection(
            new Dictionary<string, string?>
            {
                ["ConnectionStrings:Campaigns"] = server.ConnectionString,
                ["Role"] = role,
                ["AdminKeyFile"] = Path.Combine(folder, "admin.key"),
                ["urls"] = "http://127.0.0.1:0",
                ["Addresses:Keys:1"] = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)),
                ["Addresses:LookupKey"] = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)),
            }
        );
        builder.Configuration.AddInMemoryCollection(settings ?? new Dictionary<string, string?>());
        builder.Logging.ClearProviders();
        builder.AddCampaigns();
        configure?.Invoke(builder.Services);
        var app = builder.Build();
        app.MapCampaigns();
        map?.Invoke(app);
        await app.StartAsync();
        var bench = new Bench(server, app);
        await bench.PrintSettingsAsync();
        return bench;
    }

    public async Task ExecuteAsync(string sql)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        // Dapper takes a lone word for a procedure.
        await connection.ExecuteAsync(sql, commandTimeout: 0, commandType: System.Data.CommandType.Text);
    }

    /// <summary>Somebody with a key of this role, over HTTP.</summary>
    public async Task<HttpClient> ClientAsync(Role role)
    {
        var request = new ApiKeyRequest { Name = "bench", Role = role };
        var key = await Services.GetRequiredService<ApiKeys>().CreateAsync(Actor.Service, request, default);
        var addresses = Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        var client = new HttpClient { BaseAddress = new Uri(addresses.First()) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key.Value.Secret);
        return client;
    }

    /// <summary>Kills PostgreSQL: one process that dies by a signal takes all others with it, and what was not written to
    /// the log is gone. It starts again by itself.</summary>
    public async Task KillAsync()
    {
        await using var connection = new NpgsqlConnection($"{_server.ConnectionString};Pooling=false");
        await connection.OpenAsync();
        using var backend = Process.GetProcessById(await connection.QuerySingleAsync<int>("SELECT pg_backend_pid()"));
        backend.Kill();
    }

    /// <summary>Seconds.</summary>
    public static async Task<double> TimeAsync(Func<Task> work)
    {
        var clock = Stopwatch.StartNew();
        await work();
        return clock.Elapsed.TotalSeconds;
    }

    private async Task PrintSettingsAsync()
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        var settings = await connection.QueryAsync<(string, string)>(
            """
            SELECT name, current_setting(name) FROM pg_settings
            WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'work_mem',
                'maintenance_work_mem', 'wal_compression', 'max_wal_size', 'jit')
            """
        );
        var text = string.Join(", ", settings.Select(setting => $"{setting.Item1} {setting.Item2}"));
        Console.WriteLine($"# {Environment.ProcessorCount} processors; PostgreSQL: {text}");
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        await _server.DisposeAsync();
        Directory.Delete(_server.DataDirectory, recursive: true);
    }
}
