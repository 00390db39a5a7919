using Campaigns.Results;

namespace Campaigns.Calendar;

/// <summary>Which days of a working calendar.</summary>
public enum DayKind
{
    /// <summary>Every day.</summary>
    Any,

    /// <summary>Working days, make-up working days among them.</summary>
    Working,

    /// <summary>Days off: weekends and holidays.</summary>
    Off,
}

/// <summary>Which local dates are worked. A date is off when its weekday is, or when it is listed as off; a make-up
/// working day is worked although its weekday is off. With nothing listed only weekends are off.</summary>
/// <remarks>Each local date is judged by itself: of a window over midnight, the hours after midnight need their own date
/// to be allowed. A make-up working day keeps its weekday: a worked Sunday opens the windows of <c>sun</c>.</remarks>
public sealed record WorkingCalendar
{
    /// <summary>Most dates in each list.</summary>
    public const int MaxDates = 4_000;

    /// <summary>Weekdays that are off, <c>mon</c> to <c>sun</c>; Saturday and Sunday unless said, empty for none.</summary>
    public IReadOnlyList<string> Weekend { get; init; } = ["sat", "sun"];

    /// <summary>Holidays, on whatever weekday.</summary>
    public IReadOnlyList<DateOnly> DaysOff { get; init; } = [];

    /// <summary>Make-up working days.</summary>
    public IReadOnlyList<DateOnly> WorkingDays { get; init; } = [];

    /// <summary>Null when right; else 422 <c>invalid-calendar</c> with every field at fault: a name that is no weekday, a
    /// date listed as off and as worked, too many dates.</summary>
    /// <param name="path">The calendar's own path; empty at the top of a document.</param>
    public Error? Validate(string path = "")
    {
        var faults = new Faults("invalid-calendar");
        var prefix = path.Length == 0 ? "" : path + ".";
        Weekdays.Check(Weekend, $"{prefix}weekend", faults);
        CheckCount(DaysOff, $"{prefix}daysOff", faults);
        CheckCount(WorkingDays, $"{prefix}workingDays", faults);
        var off = DaysOff.ToHashSet();
        for (var i = 0; i < WorkingDays.Count; i++)
        {
            if (off.Contains(WorkingDays[i]))
                faults.Add($"{prefix}workingDays[{i}]", $"{WorkingDays[i]:yyyy-MM-dd} is listed as off, too.");
        }
        return faults.ToError();
    }

    /// <summary>A test of dates, prepared once for many.</summary>
    public Func<DateOnly, bool> Allows(DayKind days)
    {
        if (days == DayKind.Any)
            return _ => true;
        var weekend = Weekend.Count == 0 ? 0 : Weekdays.Mask(Weekend);
        var off = DaysOff.ToHashSet();
        var worked = WorkingDays.ToHashSet();
        bool IsWorked(DateOnly date) =>
            worked.Contains(date) || (!off.Contains(date) && !Weekdays.Contains(weekend, date.DayOfWeek));
        return days == DayKind.Working ? IsWorked : date => !IsWorked(date);
    }

    private static void CheckCount(IReadOnlyList<DateOnly> dates, string path, Faults faults)
    {
        if (dates.Count > MaxDates)
            faults.Add(path, $"At most {MaxDates} dates.");
    }
}
