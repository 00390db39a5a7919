using Campaigns.Results;
using NodaTime;

namespace Campaigns.Calendar;

/// <summary>Time zones by IANA name, such as <c>Asia/Shanghai</c>; names are case-sensitive.</summary>
public static class TimeZones
{
    private static readonly HashSet<string> Names = [.. DateTimeZoneProviders.Tzdb.Ids];

    /// <summary>Where the bank is, and a customer whose own zone is not known.</summary>
    public const string Bank = "Asia/Shanghai";

    public static bool IsKnown(string zone) => Names.Contains(zone);

    /// <summary>Null when the name is known; else 422 <c>unknown-timezone</c>.</summary>
    public static Error? Validate(string zone, string path) =>
        IsKnown(zone)
            ? null
            : Error.Invalid(
                "unknown-timezone",
                path,
                "Not a time zone: use an IANA name with this spelling, such as Asia/Shanghai."
            );

    /// <summary>What the wall clock of a known zone shows at an instant.</summary>
    public static DateTime ToLocal(string zone, DateTimeOffset instant) =>
        Instant.FromDateTimeOffset(instant).InZone(Get(zone)).ToDateTimeUnspecified();

    internal static DateTimeZone Get(string zone) => DateTimeZoneProviders.Tzdb[zone];
}
