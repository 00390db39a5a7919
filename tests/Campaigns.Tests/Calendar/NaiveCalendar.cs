using Campaigns.Calendar;
using Campaigns.Channels;
using NodaTime;

namespace Campaigns.Tests.Calendar;

/// <summary>Decides minute by minute whether a touch may go, from the rules as they are written and from nothing that
/// the product computes.</summary>
internal sealed class NaiveCalendar(CampaignCalendar calendar, DateTimeZone zone, PreferredSlots slots, Channel channel)
{
    /// <summary>The legal minutes of [from, to), joined where they follow each other.</summary>
    public List<LegalWindow> Windows(Instant from, Instant to)
    {
        var windows = new List<LegalWindow>();
        for (var minute = from; minute < to; minute += Duration.FromMinutes(1))
        {
            if (!IsLegal(minute))
                continue;
            var (opens, closes) = (minute.ToDateTimeOffset(), minute.ToDateTimeOffset().AddMinutes(1));
            if (windows.Count > 0 && windows[^1].Closes == opens)
                windows[^1] = windows[^1] with { Closes = closes };
            else
                windows.Add(new(opens, closes));
        }
        return windows;
    }

    private bool IsLegal(Instant instant)
    {
        var local = instant.InZone(zone).LocalDateTime;
        if (!ReadsWell(local))
            return false;
        var readings = zone.MapLocal(local);
        return readings.Count < 2 || Counts(readings, local, isFirst: readings.First().ToInstant() == instant);
    }

    /// <summary>Of a time that is shown twice: the second reading counts where the window lasts through the overlap; the
    /// first does, unless the window began after the overlap did.</summary>
    private bool Counts(NodaTime.TimeZones.ZoneLocalMapping readings, LocalDateTime local, bool isFirst)
    {
        var overlapFrom = readings.LateInterval.IsoLocalStart;
        var overlapTo = readings.EarlyInterval.IsoLocalEnd;
        var lastsThrough = Every(local, overlapTo);
        return isFirst ? !lastsThrough || Every(overlapFrom, local) : lastsThrough;
    }

    private bool Every(LocalDateTime from, LocalDateTime to)
    {
        for (var minute = from; minute < to; minute = minute.PlusMinutes(1))
        {
            if (!ReadsWell(minute))
                return false;
        }
        return true;
    }

    private bool ReadsWell(LocalDateTime local)
    {
        var (date, time) = (local.Date.ToDateOnly(), local.TimeOfDay.ToTimeOnly());
        var hours = calendar.Hours;
        return calendar.From <= date
            && date <= calendar.To
            && IsRightKind(date)
            && IsIn(calendar.Windows, date, time)
            && (hours.QuietHours is not { } quiet || !IsBetween(quiet.From, time, quiet.To))
            && (!hours.ChannelHours.TryGetValue(channel, out var open) || IsIn(open, date, time))
            && IsPreferred(date, time);
    }

    private bool IsRightKind(DateOnly date)
    {
        var days = calendar.WorkingCalendar;
        var isWeekend = days.Weekend.Contains(Name(date));
        var isOff = days.DaysOff.Contains(date) || (isWeekend && !days.WorkingDays.Contains(date));
        return calendar.Days == DayKind.Any || isOff == (calendar.Days == DayKind.Off);
    }

    private bool IsPreferred(DateOnly date, TimeOnly time) =>
        slots == PreferredSlots.Any
        || calendar.Hours.Slots.Any(slot => slots.HasFlag(slot.Key) && IsIn([slot.Value], date, time));

    private static bool IsIn(IReadOnlyList<SendWindow> windows, DateOnly date, TimeOnly time) =>
        windows.Count == 0 || windows.Any(w => IsIn(w, date, time));

    private static bool IsIn(SendWindow window, DateOnly date, TimeOnly time)
    {
        var openedToday = Opens(window, date);
        var openedYesterday = Opens(window, date.AddDays(-1));
        return window.From < window.To
            ? openedToday && window.From <= time && time < window.To
            : (openedToday && window.From <= time) || (openedYesterday && time < window.To);
    }

    private static bool Opens(SendWindow window, DateOnly date) =>
        window.Days.Count == 0 || window.Days.Contains(Name(date));

    private static bool IsBetween(TimeOnly from, TimeOnly time, TimeOnly to) =>
        from < to ? from <= time && time < to : from <= time || time < to;

    private static string Name(DateOnly date) => date.DayOfWeek.ToString()[..3].ToLowerInvariant();
}
