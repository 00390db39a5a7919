using Campaigns.Jobs;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Outcomes;

/// <summary>The door to outcomes: engagements, inboxes, conversions, and the counters that reports add up.</summary>
public static class OutcomesModule
{
    /// <summary>Needs an <c>NpgsqlDataSource</c> and the customers.</summary>
    public static IServiceCollection AddOutcomes(this IServiceCollection services) =>
        services
            .AddSingleton<EarlyEvents>()
            .AddSingleton<Fold>()
            .AddSingleton<FollowUps>()
            .AddSingleton<Engagements>()
            .AddSingleton<Inboxes>()
            .AddSingleton<FewEvents>();

    /// <summary>Folds counters and looks for early events every second, and for follow-ups every ten; on workers only.
    /// </summary>
    public static IServiceCollection AddOutcomesWorker(this IServiceCollection services) =>
        services
            .AddHostedService<FoldService>()
            .AddHostedService<EarlyEventService>()
            .AddHostedService<FollowUpService>();

    /// <summary>Declares the work of <see cref="JobKind.RefreshReports"/>.</summary>
    public static JobHandlers HandleOutcomes(this JobHandlers handlers, IServiceProvider services) =>
        handlers.On(JobKind.RefreshReports, (_, stopping) => services.GetRequiredService<Fold>().RunAsync(stopping));
}
