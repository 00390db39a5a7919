using Campaigns.Jobs;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Planning;

/// <summary>Settings of planning, from the configuration's section <c>Planning</c>.</summary>
public sealed record PlanningOptions
{
    /// <summary>Parts of one run planned side by side; 1 to 16. More than the database has processors to spare hurts.
    /// </summary>
    public int Lanes { get; init; } = 2;
}

/// <summary>The module's door.</summary>
public static class PlanningModule
{
    /// <summary>Adds planning. Needs an <c>NpgsqlDataSource</c>, the job engine, operations, segments and
    /// lifecycle.</summary>
    public static IServiceCollection AddPlanning(this IServiceCollection services) =>
        services
            .AddSingleton(provider =>
                provider.GetRequiredService<IConfiguration>().GetSection("Planning").Get<PlanningOptions>()
                ?? new PlanningOptions()
            )
            .AddSingleton<PartPlanner>()
            .AddSingleton<RunCompletion>()
            .AddSingleton<Planner>()
            .AddSingleton<Previews>()
            .AddHostedService<PreviewWorker>()
            .AddSingleton<Explanations>()
            .AddSingleton<Ledgers>();

    /// <summary>Finds planning that should go on and does not, on workers only.</summary>
    public static IServiceCollection AddPlanningWorker(this IServiceCollection services) =>
        services.AddHostedService<PlanningSweep>();

    /// <summary>Declares the work of <see cref="JobKind.PlanPart"/>.</summary>
    /// <param name="planned">Told of every run that has just become ready to be dispatched.</param>
    public static JobHandlers HandlePlanning(
        this JobHandlers handlers,
        IServiceProvider services,
        Func<int, CancellationToken, Task> planned
    ) =>
        handlers.On(
            JobKind.PlanPart,
            async (job, stopping) =>
            {
                if (await services.GetRequiredService<Planner>().RunAsync(job, stopping) is { } runKey)
                {
                    await planned(runKey, stopping);
                }
            }
        );
}
