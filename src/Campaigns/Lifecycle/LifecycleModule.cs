using Campaigns.Segments;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Lifecycle;

/// <summary>The module's door.</summary>
public static class LifecycleModule
{
    /// <summary>Adds templates and campaigns. Needs an <c>NpgsqlDataSource</c>, the channels and the segments; options are
    /// <see cref="TemplateOptions"/>.</summary>
    public static IServiceCollection AddLifecycle(this IServiceCollection services) =>
        services
            .AddSingleton(provider =>
                provider.GetRequiredService<IConfiguration>().GetSection("Templates").Get<TemplateOptions>()
                ?? new TemplateOptions()
            )
            .AddSingleton<SegmentUse>(CampaignReferences.WhySegmentMustStayAsync)
            .AddSingleton<Templates>()
            .AddSingleton<TemplatePreviews>()
            .AddSingleton<CampaignRegister>()
            .AddSingleton<CampaignBinding>()
            .AddSingleton<CampaignApprovals>();
}
