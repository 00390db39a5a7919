#if FULL_FEED
using System.Text;
using Campaigns.Access;
using Campaigns.Jobs;
using Campaigns.Jobs.Hangfire;
#endif

namespace Campaigns.Api.Jobs;

/// <summary>The engine's own dashboard at <c>/jobs</c>, where the engine has one. A browser asks its user for a key:
/// any name, and the key as the password.</summary>
internal static class JobDashboard
{
    public static void MapJobDashboard(this WebApplication app)
    {
#if FULL_FEED
        if (app.Services.GetRequiredService<IJobEngine>().Name == "Hangfire")
        {
            app.MapHangfireDashboard("/jobs", MayAsync).AllowAnonymous().ExcludeFromDescription();
        }
#endif
    }

#if FULL_FEED
    private static async Task<bool> MayAsync(HttpContext context)
    {
        if (Allows(context.User.IsInRole) || await HasKeyAsync(context))
        {
            return true;
        }

        context.Response.Headers.WWWAuthenticate = "Basic realm=\"jobs\", charset=\"UTF-8\"";
        return false;
    }

    private static async Task<bool> HasKeyAsync(HttpContext context)
    {
        const string Basic = "Basic ";
        var header = context.Request.Headers.Authorization.ToString();
        var credential = new byte[header.Length];
        if (
            !header.StartsWith(Basic, StringComparison.OrdinalIgnoreCase)
            || !Convert.TryFromBase64String(header[Basic.Length..], credential, out var length)
        )
        {
            return false;
        }

        var password = Encoding.UTF8.GetString(credential, 0, length).Split(':', 2)[^1];
        var keys = context.RequestServices.GetRequiredService<ApiKeys>();
        var actor = await keys.AuthenticateAsync(password, context.RequestAborted);
        return actor is not null && Allows(role => role == actor.Role.ToString());
    }

    private static bool Allows(Func<string, bool> isInRole) =>
        isInRole(nameof(Role.Operator)) || isInRole(nameof(Role.Admin));
#endif
}
