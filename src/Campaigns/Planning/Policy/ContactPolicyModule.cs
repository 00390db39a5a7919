using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Planning;

/// <summary>The door to what binds every campaign.</summary>
public static class ContactPolicyModule
{
    /// <summary>Adds the contact policy and the bank-wide holdout. Needs an <c>NpgsqlDataSource</c>.</summary>
    public static IServiceCollection AddContactPolicy(this IServiceCollection services) =>
        services.AddSingleton<ContactPolicies>().AddSingleton<GlobalHoldouts>();
}
