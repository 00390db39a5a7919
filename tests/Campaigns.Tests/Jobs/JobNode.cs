using Campaigns.Api.Jobs;
using Campaigns.Database;
using Campaigns.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Tests.Jobs;

/// <summary>One node of the service as far as the job engine sees it.</summary>
internal sealed class JobNode : IAsyncDisposable
{
    private readonly IHost _host;

    private JobNode(IHost host) => _host = host;

    public IJobEngine Engine => _host.Services.GetRequiredService<IJobEngine>();

    public static async Task<JobNode> StartAsync(
        string engine,
        string connectionString,
        JobHandler work,
        JobEngineOptions? options = null
    )
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddConsole().SetMinimumLevel(LogLevel.Warning);
        var handlers = new JobHandlers();
        foreach (var kind in Enum.GetValues<JobKind>())
        {
            handlers.On(kind, work);
        }

        builder.Services.AddSingleton(handlers);
        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(connectionString));
        builder.Services.AddSingleton<BusinessClock>();
        builder.Services.AddJobEngine(engine, connectionString, options ?? new JobEngineOptions { Threads = 4 });
        var node = new JobNode(builder.Build());
        await node._host.StartAsync();
        return node;
    }

    public async Task StopAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await _host.StopAsync(deadline.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
    }
}
