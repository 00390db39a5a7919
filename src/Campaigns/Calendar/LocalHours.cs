using System.Runtime.InteropServices;
using NodaTime;

namespace Campaigns.Calendar;

/// <summary>Hours that come again on some weekdays, in minutes from midnight; an end not after the start is the next
/// day's.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct DailyHours(int Weekdays, int From, int To)
{
    public int Length => To > From ? To - From : To + LocalHours.Day - From;
}

/// <summary>Minutes of the local time line, counted from 1970-01-01T00:00 on the wall; the end is excluded.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct LocalSpan(long From, long To);

/// <summary>Sets of local minutes, kept as ordered spans that neither overlap nor touch. They know no time zone, so one
/// set serves all zones.</summary>
internal static class LocalHours
{
    public const int Day = 24 * 60;

    private static readonly int Origin = new DateOnly(1970, 1, 1).DayNumber;
    private static readonly LocalDateTime OriginOnTheWall = new(1970, 1, 1, 0, 0);

    public static int Minutes(TimeOnly time) => time.Hour * 60 + time.Minute;

    public static LocalDateTime ToLocal(long minute) => OriginOnTheWall.PlusMinutes(minute);

    public static void Check(TimeOnly from, TimeOnly to, string path, Faults faults)
    {
        if (from.Ticks % TimeSpan.TicksPerMinute != 0)
            faults.Add($"{path}.from", "Not a whole minute.");
        if (to.Ticks % TimeSpan.TicksPerMinute != 0)
            faults.Add($"{path}.to", "Not a whole minute.");
        if (from == to)
            faults.Add($"{path}.to", "The end equals the start: no hour is left.");
    }

    /// <summary>The hours as they fall from the first date through the last, with what the day before runs over into
    /// it.</summary>
    public static List<LocalSpan> Of(IReadOnlyCollection<DailyHours> hours, DateOnly first, DateOnly last)
    {
        var spans = new List<LocalSpan>();
        for (var date = first.AddDays(-1); date <= last; date = date.AddDays(1))
        {
            foreach (var daily in hours)
            {
                var from = Midnight(date) + daily.From;
                if (Weekdays.Contains(daily.Weekdays, date.DayOfWeek))
                    spans.Add(new(from, from + daily.Length));
            }
        }
        return Merge(spans);
    }

    /// <summary>The whole of each allowed date.</summary>
    public static List<LocalSpan> Dates(Func<DateOnly, bool> allowed, DateOnly first, DateOnly last)
    {
        var spans = new List<LocalSpan>();
        for (var date = first; date <= last; date = date.AddDays(1))
        {
            if (allowed(date))
                spans.Add(new(Midnight(date), Midnight(date) + Day));
        }
        return Merge(spans);
    }

    public static List<LocalSpan> Intersect(List<LocalSpan> left, List<LocalSpan> right)
    {
        var both = new List<LocalSpan>();
        for (int i = 0, j = 0; i < left.Count && j < right.Count; )
        {
            var (from, to) = (Math.Max(left[i].From, right[j].From), Math.Min(left[i].To, right[j].To));
            if (from < to)
                both.Add(new(from, to));
            if (left[i].To < right[j].To)
                i++;
            else
                j++;
        }
        return both;
    }

    private static long Midnight(DateOnly date) => (date.DayNumber - Origin) * (long)Day;

    private static List<LocalSpan> Merge(List<LocalSpan> spans)
    {
        spans.Sort((a, b) => a.From.CompareTo(b.From));
        var merged = new List<LocalSpan>(spans.Count);
        foreach (var span in spans)
        {
            if (merged.Count > 0 && span.From <= merged[^1].To)
                merged[^1] = merged[^1] with { To = Math.Max(merged[^1].To, span.To) };
            else
                merged.Add(span);
        }
        return merged;
    }
}
