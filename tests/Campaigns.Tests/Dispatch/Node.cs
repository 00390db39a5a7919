using System.Collections.Concurrent;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Jobs;
using Campaigns.Receipts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Tests.Dispatch;

/// <summary>One node of dispatch, whose lanes the test drives.</summary>
internal sealed class Node : IAsyncDisposable
{
    private readonly ServiceProvider _services;

    /// <param name="gateways">Of two for one channel the second serves servicing.</param>
    internal Node(
        NpgsqlDataSource dataSource,
        IReadOnlyList<IGateway> gateways,
        Action<DispatchOptions>? configure = null,
        Action<GatewaySettings>? channels = null,
        TimeProvider? time = null
    )
    {
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Warning));
        services.AddSingleton(dataSource);
        services.AddSingleton(time ?? TimeProvider.System);
        services.AddSingleton<IJobEngine>(Engine);
        services.AddSingleton<Gateways>();
        services.AddSingleton(GivenRun.Vault);
        foreach (var gateway in gateways)
        {
            var (name, channel) = (gateway.Declaration.Name, gateway.Declaration.Channel);
            services.AddSingleton(new GatewayKind(name, channel, _ => gateway, NeedsProvider: false));
            services
                .AddOptions<ChannelSettings>(Gateways.Section(channel))
                .Configure(settings =>
                {
                    var own = new GatewaySettings { RatePerSecond = 100_000, Concurrency = 4 };
                    channels?.Invoke(own);
                    settings.Gateways[name] = own;
                    if (settings.Gateway.Length == 0)
                    {
                        settings.Gateway = name;
                    }
                    else
                    {
                        settings.ServicingGateway = name;
                    }
                });
        }

        services.AddOptions<DispatchOptions>().Configure(options => configure?.Invoke(options));
        services.AddDispatch();
        services.AddReceipts();
        _services = services.BuildServiceProvider();
    }

    internal RecordingEngine Engine { get; } = new();

    internal T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    internal CampaignControl Control => Get<CampaignControl>();

    /// <summary>Runs one lane of the wave until it ends.</summary>
    internal Task LaneAsync(int runKey, int wave = 1, int lane = 1, CancellationToken stopping = default) =>
        Task.Run(() =>
            Get<WaveDispatcher>()
                .RunAsync(
                    new Job(
                        $"dispatch:{runKey}:{wave}:{lane}",
                        JobKind.DispatchWave,
                        $"{runKey}:{wave}:{lane}",
                        "a lane"
                    ),
                    stopping
                )
        );

    internal Task SweepAsync() => Get<Sweep>().RunAsync(CancellationToken.None);

    public ValueTask DisposeAsync() => _services.DisposeAsync();
}

/// <summary>Remembers what was asked; the test runs what it wants to.</summary>
internal sealed class RecordingEngine : IJobEngine
{
    private readonly ConcurrentDictionary<string, (Job Job, DateTimeOffset? At, int Order)> _asked = new();
    private int _order;

    public string Name => "Recording";
    internal IReadOnlyCollection<(Job Job, DateTimeOffset? At)> Asked =>
        [.. _asked.Values.Select(asked => (asked.Job, asked.At))];

    /// <summary>The job that has waited longest of those that may run; null when none may.</summary>
    internal Job? TakeDue()
    {
        var due = _asked.Where(one => one.Value.At is not { } at || at <= DateTimeOffset.UtcNow);
        var next = due.OrderBy(one => one.Value.Order).FirstOrDefault();
        return next.Key is not null && _asked.TryRemove(next) ? next.Value.Job : null;
    }

    public Task RunNowAsync(Job job, CancellationToken cancellationToken)
    {
        _asked[job.Id] = (job, null, Interlocked.Increment(ref _order));
        return Task.CompletedTask;
    }

    public Task RunAtAsync(Job job, DateTimeOffset at, CancellationToken cancellationToken)
    {
        _asked[job.Id] = (job, at, Interlocked.Increment(ref _order));
        return Task.CompletedTask;
    }

    public Task RunEveryAsync(Job job, string cron, string zone, CancellationToken cancellationToken) =>
        Task.CompletedTask;

    public Task ForgetAsync(string jobId, CancellationToken cancellationToken)
    {
        _asked.TryRemove(jobId, out _);
        return Task.CompletedTask;
    }

    public Task ClockMovedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
