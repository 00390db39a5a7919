#if FULL_FEED
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Jobs;
using Campaigns.Jobs.Hangfire;
#endif

namespace Campaigns.Api.Jobs;

/// <summary>The engine's own dashboard at <c>/jobs</c>, where the engine has one.</summary>
internal static class JobDashboard
{
    public static void MapJobDashboard(this WebApplication app)
    {
#if FULL_FEED
        if (app.Services.GetRequiredService<IJobEngine>().Name == "Hangfire")
        {
            app.MapHangfireDashboard("/jobs")
                .RequireRole(Role.Operator)
                .WithMetadata(KeyAsPassword.Instance)
                .ExcludeFromDescription();
        }
#endif
    }
}
