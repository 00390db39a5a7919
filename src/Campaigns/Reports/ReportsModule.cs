using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Reports;

/// <summary>The door to reports.</summary>
public static class ReportsModule
{
    /// <summary>Needs an <c>NpgsqlDataSource</c> and dispatch.</summary>
    public static IServiceCollection AddReports(this IServiceCollection services) =>
        services.AddSingleton<CampaignReports>().AddSingleton<CampaignSchedules>().AddSingleton<CustomerDecisions>();
}
