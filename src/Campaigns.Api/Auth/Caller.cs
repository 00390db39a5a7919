using System.Security.Claims;
using Campaigns.Access;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;

namespace Campaigns.Api.Auth;

/// <summary>Marks an endpoint with the roles it is open to.</summary>
internal static class Caller
{
    public const string PartnerClaim = "partner";

    /// <summary>Opens the endpoint to these roles, and to administrators, who have every right. A handler that needs to
    /// know who asks takes an <see cref="Actor"/>.</summary>
    public static TBuilder RequireRole<TBuilder>(this TBuilder endpoints, params Role[] roles)
        where TBuilder : IEndpointConventionBuilder =>
        endpoints
            .WithMetadata(new OpenTo([.. roles.Append(Role.Admin).Distinct().Order()]))
            .RequireAuthorization(policy =>
                policy.RequireRole(roles.Append(Role.Admin).Select(role => role.ToString()))
            );

    /// <summary>Opens the endpoint to everyone with a key.</summary>
    public static TBuilder RequireAnyRole<TBuilder>(this TBuilder endpoints)
        where TBuilder : IEndpointConventionBuilder => endpoints.RequireRole(Enum.GetValues<Role>());

    /// <summary>Opens the endpoint to the people of the bank: everyone but backend and partners.</summary>
    public static TBuilder RequireStaff<TBuilder>(this TBuilder endpoints)
        where TBuilder : IEndpointConventionBuilder =>
        endpoints.RequireRole(Role.Marketer, Role.Approver, Role.Operator, Role.Analyst);

    internal static IServiceCollection AddCallers(this IServiceCollection services)
    {
        services
            .AddAuthentication(ApiKeyHandler.SchemeName)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(ApiKeyHandler.SchemeName, null);
        services.AddAuthorization(options =>
            options.FallbackPolicy = new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build()
        );
        services.AddHttpContextAccessor();
        services.AddScoped(provider => From(provider.GetRequiredService<IHttpContextAccessor>().HttpContext!.User));
        services.AddSingleton<ApiKeys>();
        services.AddSingleton<SigningKey>();
        services.AddSingleton<SignedLinks>();
        return services;
    }

    private static Actor From(ClaimsPrincipal user) =>
        new(
            user.FindFirstValue(ClaimTypes.NameIdentifier)
                ?? throw new InvalidOperationException("An endpoint that is open to all has no actor."),
            Enum.Parse<Role>(user.FindFirstValue(ClaimTypes.Role)!),
            user.FindFirstValue(PartnerClaim)
        );
}

/// <summary>The roles an endpoint is open to, for the documentation and the tests.</summary>
internal sealed record OpenTo(IReadOnlyList<Role> Roles);
