using Campaigns.Jobs;
using Campaigns.Jobs.Quartz;
#if FULL_FEED
using Campaigns.Jobs.Hangfire;
#endif

namespace Campaigns.Api.Jobs;

/// <summary>The one place that chooses the job engine.</summary>
internal static class JobEngineServices
{
#if FULL_FEED
    internal const string Default = "Hangfire";
#else
    internal const string Default = "Quartz";
#endif

    /// <summary>Registers the engine by its name; the default is Hangfire where it is compiled in, else Quartz.</summary>
    /// <exception cref="InvalidOperationException">The engine is unknown, or not compiled in.</exception>
    public static IServiceCollection AddJobEngine(
        this IServiceCollection services,
        string? engine,
        string connectionString,
        JobEngineOptions options
    ) =>
        (engine ?? Default) switch
        {
            "Quartz" => services.AddQuartzEngine(connectionString, options),
#if FULL_FEED
            "Hangfire" => services.AddHangfireEngine(connectionString, options),
#else
            "Hangfire" => throw new InvalidOperationException(
                "Engine is Hangfire, but this build has none: Hangfire.Core was not on its package feed."
            ),
#endif
            var other => throw new InvalidOperationException($"Engine is '{other}'; it can be Hangfire or Quartz."),
        };
}
