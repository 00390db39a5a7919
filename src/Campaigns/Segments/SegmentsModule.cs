using Campaigns.Customers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;

namespace Campaigns.Segments;

/// <summary>Settings of segments, from the configuration's section <c>Segments</c>.</summary>
public sealed record SegmentOptions
{
    /// <summary>IANA zone in which "today" of a relative date begins and ends; an unknown one stops the start.</summary>
    public string Zone { get; init; } = "Asia/Shanghai";

    internal DateTimeZone DateTimeZone =>
        DateTimeZoneProviders.Tzdb.GetZoneOrNull(Zone)
        ?? throw new InvalidOperationException($"Segments:Zone '{Zone}' is not an IANA time zone.");
}

/// <summary>The module's registration.</summary>
public static class SegmentsModule
{
    /// <summary>Adds <see cref="SegmentStore"/> and <see cref="SegmentMembers"/>.</summary>
    public static IServiceCollection AddSegments(this IServiceCollection services) =>
        services
            .AddSingleton(provider =>
                provider.GetRequiredService<IConfiguration>().GetSection("Segments").Get<SegmentOptions>()
                ?? new SegmentOptions()
            )
            .AddSingleton<FieldUse>(SegmentStore.WhyFieldMustStayAsync)
            .AddSingleton<SegmentStore>()
            .AddSingleton<SegmentMembers>();
}
