using Campaigns.Customers;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>The module's door.</summary>
public static class ReceiptsModule
{
    /// <summary>Adds what takes in receipts and replies. Needs dispatch, channels and customers.</summary>
    public static IServiceCollection AddReceipts(this IServiceCollection services) =>
        services
            .AddSingleton(provider => new ReceiptIntake(
                provider.GetRequiredService<NpgsqlDataSource>(),
                provider.GetRequiredService<AddressVault>()
            ))
            .AddSingleton<Replies>()
            .AddSingleton<ParkedReceipts>()
            .AddSingleton<PushReceipts>()
            .AddSingleton<ReceiptSweep>();

    /// <summary>Sweeps for receipts; on workers only.</summary>
    public static IServiceCollection AddReceiptsWorker(this IServiceCollection services) =>
        services.AddHostedService(provider => provider.GetRequiredService<ReceiptSweep>());
}
