using Campaigns.Channels;
using Campaigns.Results;
using NodaTime;
using NodaTime.TimeZones;

namespace Campaigns.Calendar;

/// <summary>Turns a campaign's calendar into the legal windows of a time zone, preferred slots and channel: campaign,
/// channel hours, quiet hours, working calendar and slots together, the tightest of them at every minute. Windows that
/// touch are one.</summary>
/// <remarks>
/// Constraints meet on the customer's wall clock, and only what they leave becomes instants. Where the clocks change:
/// <list type="bullet">
/// <item>Gap (the clock jumps forward): an edge that does not exist is the instant of the jump. A window that lies wholly
/// in the gap does not open on that day, for no instant is inside its hours; its touches have the next one.</item>
/// <item>Overlap (an hour is shown twice): a window is neither split nor opened twice, and each of its instants reads as
/// a time inside its hours. One that holds the whole overlap lasts through both hours. An end inside the overlap is its
/// first reading; a start inside is its second, unless the window also ends inside: then both are the first.</item>
/// </list>
/// Not for several threads at once: what does not depend on the zone is remembered.
/// </remarks>
public sealed class WindowCalculator
{
    private readonly CampaignCalendar _calendar;
    private readonly Instant _asOf;
    private readonly List<LocalSpan> _forEveryone;
    private readonly Dictionary<(PreferredSlots, Channel), List<LocalSpan>> _known = [];

    private WindowCalculator(CampaignCalendar calendar, DateTimeOffset asOf)
    {
        _calendar = calendar;
        _asOf = Instant.FromDateTimeOffset(asOf);
        var allowed = calendar.WorkingCalendar.Allows(calendar.Days);
        _forEveryone = Narrow(LocalHours.Dates(allowed, calendar.From, calendar.To), calendar.Windows);
        if (calendar.Hours.QuietHours is { } quiet)
            _forEveryone = Narrow(_forEveryone, [quiet.Complement()]);
    }

    /// <summary>Prepares the windows of one run.</summary>
    /// <param name="asOf">No window begins before it; one that is open then begins at it.</param>
    /// <returns>The calculator, or what <see cref="CampaignCalendar.Validate"/> found.</returns>
    public static Result<WindowCalculator> Create(CampaignCalendar calendar, DateTimeOffset asOf) =>
        calendar.Validate() is { } error ? error : new WindowCalculator(calendar, asOf);

    /// <summary>The legal windows of one kind of customer on one channel, ordered and disjoint; none when no time is
    /// left.</summary>
    /// <param name="zone">IANA name; null for the calendar's default.</param>
    /// <returns>422 <c>unknown-timezone</c> for a name that is none.</returns>
    public Result<IReadOnlyList<LegalWindow>> Windows(string? zone, PreferredSlots slots, Channel channel)
    {
        zone ??= _calendar.DefaultZone;
        if (TimeZones.Validate(zone, "timeZone") is { } unknown)
            return unknown;

        var timeZone = TimeZones.Get(zone);
        var windows = new List<LegalWindow>();
        foreach (var span in Spans(slots, channel))
        {
            var (opens, closes) = ToInstants(span, timeZone);
            opens = Instant.Max(opens, _asOf);
            if (opens < closes)
                windows.Add(new(opens.ToDateTimeOffset(), closes.ToDateTimeOffset()));
        }
        return windows;
    }

    private List<LocalSpan> Spans(PreferredSlots slots, Channel channel)
    {
        if (_known.TryGetValue((slots, channel), out var spans))
            return spans;
        spans = Narrow(_forEveryone, _calendar.Hours.Of(slots));
        if (_calendar.Hours.ChannelHours.TryGetValue(channel, out var hours))
            spans = Narrow(spans, hours);
        return _known[(slots, channel)] = spans;
    }

    private List<LocalSpan> Narrow(List<LocalSpan> spans, IReadOnlyList<SendWindow> windows) =>
        windows.Count == 0 ? spans : Narrow(spans, [.. windows.Select(w => w.Compile())]);

    private List<LocalSpan> Narrow(List<LocalSpan> spans, DailyHours[] hours) =>
        LocalHours.Intersect(spans, LocalHours.Of(hours, _calendar.From, _calendar.To));

    private static (Instant Opens, Instant Closes) ToInstants(LocalSpan span, DateTimeZone zone)
    {
        var start = zone.MapLocal(LocalHours.ToLocal(span.From));
        var closes = FirstReading(zone.MapLocal(LocalHours.ToLocal(span.To)));
        var startsInsideOverlap = start.Count == 2 && start.LocalDateTime > start.LateInterval.IsoLocalStart;
        if (startsInsideOverlap && start.Last().ToInstant() < closes)
            return (start.Last().ToInstant(), closes);
        return (FirstReading(start), closes);
    }

    private static Instant FirstReading(ZoneLocalMapping mapping) =>
        mapping.Count == 0 ? mapping.LateInterval.Start : mapping.First().ToInstant();
}
