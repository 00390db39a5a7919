using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Quartz;

namespace Campaigns.Jobs.Quartz;

/// <summary>Registers Quartz as the job engine.</summary>
public static class QuartzEngineServices
{
    internal const string DataSourceKey = "Campaigns.Jobs.Quartz";
    internal const string Schema = "quartz";

    /// <summary>Registers <see cref="IJobEngine"/> on Quartz, clustered over PostgreSQL, with tables in the schema
    /// <c>quartz</c> that the first node makes. Needs <see cref="JobHandlers"/> and <c>BusinessClock</c>.</summary>
    /// <param name="services">Where to register.</param>
    /// <param name="connectionString">The product's database; the engine keeps a small pool of its own there, so that a
    /// busy product does not stop its heartbeat.</param>
    /// <param name="options">Whether and how widely this node runs jobs.</param>
    public static IServiceCollection AddQuartzEngine(
        this IServiceCollection services,
        string connectionString,
        JobEngineOptions options
    )
    {
        services.AddKeyedSingleton<DbDataSource>(DataSourceKey, (_, _) => DataSource(connectionString, options));
        services.AddQuartz(quartz => Configure(quartz, options));
        services.AddSingleton(options);
        services.AddSingleton<QuartzEngine>();
        services.AddSingleton<IJobEngine>(provider => provider.GetRequiredService<QuartzEngine>());
        services.AddHostedService(provider => provider.GetRequiredService<QuartzEngine>());
        return options.Worker ? services.AddHostedService<ClockWatcher>() : services;
    }

    private static NpgsqlDataSource DataSource(string connectionString, JobEngineOptions options) =>
        NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(connectionString)
            {
                ApplicationName = "campaigns-jobs",
                MinPoolSize = 0,
                MaxPoolSize = options.Worker ? options.Threads + 4 : 4,
            }
        );

    private static void Configure(IQuartzBuilder quartz, JobEngineOptions options)
    {
        quartz.ConfigureScheduler(scheduler =>
        {
            scheduler.InstanceName = "Campaigns";
            scheduler.IdleWaitTime = TimeSpan.FromSeconds(1); // how soon a job that another node asked for is seen
            scheduler.ShutdownJobInterruption = ShutdownJobInterruption.Always;
        });
        quartz.UseDefaultThreadPool(options.Threads);
        quartz.UseDefaultRetryPolicy(
            RetryPolicy.Exponential(
                int.MaxValue,
                TimeSpan.FromSeconds(1),
                factor: 2,
                maxDelay: TimeSpan.FromMinutes(1),
                jitter: 0.2
            )
        );
        quartz.UsePersistentStore(store =>
        {
            store.UsePostgres(source => source.DataSourceServiceKey = DataSourceKey);
            store.ConfigureStore(tables =>
            {
                tables.TablePrefix = Schema + ".qrtz_";
                tables.RecoverFiringsCancelledByShutdown = true;
            });
            store.ProvisionSchema();
            // The instance id stays unset: Quartz then gives every node one of its own.
            store.UseClustering(cluster =>
            {
                cluster.CheckinInterval = TimeSpan.FromSeconds(2);
                cluster.CheckinMisfireThreshold = TimeSpan.FromSeconds(4);
            });
        });
    }
}
