using Campaigns.Channels;
using Campaigns.Customers.Import;
using Campaigns.Customers.Inbox;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>The door to customers: fields, customers, consents, authorisations, events, imports and the in-app
/// inbox.</summary>
public static class CustomersModule
{
    /// <summary>Needs an <c>NpgsqlDataSource</c>, a <c>TimeProvider</c>, and <c>Addresses:Keys:{id}</c> and
    /// <c>Addresses:LookupKey</c> in the configuration. Options are <see cref="ConsentOptions"/>.</summary>
    public static IServiceCollection AddCustomers(this IServiceCollection services) =>
        services
            .AddSingleton(provider => AddressVault.From(provider.GetRequiredService<IConfiguration>()))
            .AddSingleton(provider => ConsentOptions.Of(provider.GetRequiredService<IConfiguration>()))
            .AddSingleton<Fields>()
            .AddSingleton<CustomerRegister>()
            .AddSingleton<Consents>()
            .AddSingleton<Testers>()
            .AddSingleton<EventIntake>()
            .AddSingleton<Authorisations>()
            .AddSingleton(provider => new GatewayKind(
                InboxGateway.Name,
                Channel.App,
                settings => new InboxGateway(settings, provider.GetRequiredService<NpgsqlDataSource>()),
                NeedsProvider: false
            ))
            .AddSingleton<ImportMappings>()
            .AddSingleton<CustomerImport>()
            .AddSingleton<ImportMerger>()
            .AddHostedService(provider => provider.GetRequiredService<ImportMerger>())
            .AddSingleton<ConsentTerm>()
            .AddHostedService(provider => provider.GetRequiredService<ConsentTerm>());
}
