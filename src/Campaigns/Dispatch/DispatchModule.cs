using Campaigns.Customers;
using Campaigns.Jobs;
using Campaigns.Lifecycle;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>The module's door.</summary>
public static class DispatchModule
{
    /// <summary>Adds sending. Needs an <c>NpgsqlDataSource</c>, an <see cref="IJobEngine"/>, the channels and the customers;
    /// options are <see cref="DispatchOptions"/>.</summary>
    public static IServiceCollection AddDispatch(this IServiceCollection services) =>
        services
            .AddSingleton(provider => provider.GetRequiredService<IOptions<DispatchOptions>>().Value)
            .AddSingleton<LocalDays>()
            .AddSingleton<WaveContexts>()
            .AddSingleton<ChunkQueue>()
            .AddSingleton<ChunkEnd>()
            .AddSingleton<ChannelLines>()
            .AddSingleton<GatewayLanes>()
            .AddSingleton(provider => new ChannelStates(
                provider.GetRequiredService<NpgsqlDataSource>(),
                provider.GetRequiredService<ChannelLines>()
            ))
            .AddSingleton(provider => new TestSends(
                provider.GetRequiredService<NpgsqlDataSource>(),
                provider.GetRequiredService<CustomerRegister>(),
                provider.GetRequiredService<Templates>(),
                provider.GetRequiredService<AddressVault>(),
                provider.GetRequiredService<ChannelLines>(),
                provider.GetRequiredService<ChannelStates>(),
                provider.GetRequiredService<DispatchOptions>()
            ))
            .AddSingleton<Fallback>()
            .AddSingleton<TouchReader>()
            .AddSingleton<Rivals>()
            .AddSingleton<Admission>()
            .AddSingleton<AttemptFences>()
            .AddSingleton<AttemptGate>()
            .AddSingleton<OutcomeLog>()
            .AddSingleton<ChunkTools>()
            .AddSingleton<ChunkWork>()
            .AddSingleton<RunEnd>()
            .AddSingleton<WaveSchedule>()
            .AddSingleton<WaveDispatcher>()
            .AddSingleton<Sweep>()
            .AddSingleton(provider => new CampaignControl(
                provider.GetRequiredService<NpgsqlDataSource>(),
                provider.GetRequiredService<ChunkEnd>(),
                provider.GetRequiredService<WaveSchedule>(),
                provider.GetRequiredService<TimeProvider>()
            ));

    /// <summary>Says what the jobs of dispatch do; on workers only.</summary>
    public static IServiceCollection AddDispatchWorker(this IServiceCollection services) =>
        services.AddHostedService<SweepService>();

    /// <summary>Declares the work of <see cref="JobKind.DispatchWave"/>, <see cref="JobKind.CloseRun"/> and
    /// <see cref="JobKind.Sweep"/>.</summary>
    public static JobHandlers HandleDispatch(this JobHandlers handlers, IServiceProvider services) =>
        handlers
            .On(
                JobKind.DispatchWave,
                (job, stopping) => services.GetRequiredService<WaveDispatcher>().RunAsync(job, stopping)
            )
            .On(JobKind.CloseRun, (job, stopping) => services.GetRequiredService<RunEnd>().RunAsync(job, stopping))
            .On(JobKind.Sweep, (_, stopping) => services.GetRequiredService<Sweep>().RunAsync(stopping));

    /// <summary>Schedules every wave of a run that has just been planned, at its opening.</summary>
    public static Task ScheduleRunAsync(
        this IServiceProvider services,
        int runKey,
        CancellationToken cancellationToken
    ) => services.GetRequiredService<WaveSchedule>().OfRunAsync(runKey, cancellationToken);
}
