using System.Globalization;
using Campaigns.Calendar;
using Campaigns.Channels;

namespace Campaigns.Tests.Calendar;

/// <summary>Campaign calendars with every default filled in, and instants as people write them.</summary>
internal static class GivenCalendar
{
    public const string NewYork = "America/New_York";

    public static CampaignCalendar Campaign(string from, string to, params SendWindow[] windows) =>
        new()
        {
            From = Date(from),
            To = Date(to),
            Windows = windows,
        };

    /// <summary>Without the bank's quiet hours.</summary>
    public static CampaignCalendar AtAnyHour(string from, string to, params SendWindow[] windows) =>
        Campaign(from, to, windows) with
        {
            Hours = new() { QuietHours = null },
        };

    public static SendWindow Window(string from, string to, params string[] days) =>
        new()
        {
            From = Time(from),
            To = Time(to),
            Days = days,
        };

    public static IReadOnlyList<LegalWindow> LegalWindows(
        this CampaignCalendar calendar,
        string zone = "Asia/Shanghai",
        PreferredSlots slots = PreferredSlots.Any,
        Channel channel = Channel.Sms,
        string asOf = "2000-01-01T00:00Z"
    ) => WindowCalculator.Create(calendar, At(asOf)).Value.Windows(zone, slots, channel).Value;

    public static DateOnly Date(string text) => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture);

    public static TimeOnly Time(string text) => TimeOnly.ParseExact(text, "HH:mm", CultureInfo.InvariantCulture);

    public static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);

    public static LegalWindow Legal(string opens, string closes) => new(At(opens), At(closes));
}
