using Hangfire;
using Hangfire.Dashboard;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Jobs.Hangfire;

/// <summary>Registers Hangfire as the job engine.</summary>
public static class HangfireEngineServices
{
    /// <summary>Registers <see cref="IJobEngine"/> on Hangfire over PostgreSQL, with tables in the schema
    /// <c>hangfire</c> that the first node makes. Needs <see cref="JobHandlers"/> and <c>BusinessClock</c>.</summary>
    /// <param name="services">Where to register.</param>
    /// <param name="connectionString">The product's database; the engine keeps a pool of its own there, so that a busy
    /// product does not stop its heartbeat.</param>
    /// <param name="options">Whether and how widely this node runs jobs.</param>
    public static IServiceCollection AddHangfireEngine(
        this IServiceCollection services,
        string connectionString,
        JobEngineOptions options
    )
    {
        services.AddSingleton(options);
        services.AddSingleton(_ => new HangfireStore(connectionString, options));
        services.AddSingleton<HangfireEngine>();
        services.AddSingleton<IJobEngine>(provider => provider.GetRequiredService<HangfireEngine>());
        services.AddHostedService(provider => provider.GetRequiredService<HangfireEngine>());
        // What the dashboard looks for. AddHangfire would bring it too, with process-wide settings beside it.
        services.AddSingleton<IGlobalConfiguration>(_ => GlobalConfiguration.Configuration);
        services.AddSingleton(_ => DashboardRoutes.Routes);
        return options.Worker ? services.AddHostedService<ClockWatcher>() : services;
    }

    /// <summary>Maps Hangfire's own dashboard: the campaigns' timetable, and what runs. It only shows; what changes a
    /// campaign goes through the API. Open to whomever the returned endpoint is opened to.</summary>
    /// <param name="endpoints">Where to map.</param>
    /// <param name="path">Such as <c>/jobs</c>.</param>
    public static IEndpointConventionBuilder MapHangfireDashboard(this IEndpointRouteBuilder endpoints, string path)
    {
        var dashboard = new DashboardOptions
        {
            Authorization = [],
            DashboardTitle = "Campaigns",
            DisplayStorageConnectionString = false,
            IsReadOnlyFunc = _ => true,
        };
        var store = endpoints.ServiceProvider.GetRequiredService<HangfireStore>();
        return endpoints.MapHangfireDashboard(path, dashboard, store.Storage);
    }
}
