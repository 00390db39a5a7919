using Campaigns.Results;

namespace Campaigns.Calendar;

/// <summary>Local hours in which a touch may go: a campaign's or a channel's. The start is included and the end is
/// excluded, so 20:00 itself is outside 08:00 to 20:00. An end earlier than the start is the next day's: 22:00 to 06:00
/// runs over midnight. An end equal to the start is refused; a whole day is 00:00 to 12:00 and 12:00 to 00:00.</summary>
/// <remarks>JSON: <c>{"days": ["mon", "thu"], "from": "09:00", "to": "11:30"}</c>. What a change of the clocks does to a
/// window is written at <see cref="WindowCalculator"/>.</remarks>
public sealed record SendWindow
{
    /// <summary>Most windows in one list.</summary>
    public const int MaxCount = 100;

    /// <summary>Days on which the window opens: <c>mon</c> to <c>sun</c>; empty for every day. One over midnight belongs
    /// to the day on which it opens.</summary>
    public IReadOnlyList<string> Days { get; init; } = [];

    /// <summary>When it opens, included; a whole minute.</summary>
    public required TimeOnly From { get; init; }

    /// <summary>When it closes, excluded; a whole minute. 00:00 is the end of the day.</summary>
    public required TimeOnly To { get; init; }

    /// <summary>Checks a list of windows.</summary>
    /// <param name="path">The list's own path, such as <c>schedule.windows</c>.</param>
    /// <returns>Null when all are right; else 422 <c>invalid-window</c> with every field at fault.</returns>
    public static Error? Validate(IReadOnlyList<SendWindow> windows, string path)
    {
        var faults = new Faults("invalid-window");
        Check(windows, path, faults);
        return faults.ToError();
    }

    internal static void Check(IReadOnlyList<SendWindow> windows, string path, Faults faults)
    {
        if (windows.Count > MaxCount)
            faults.Add(path, $"At most {MaxCount} windows.");
        for (var i = 0; i < windows.Count; i++)
            windows[i].Check($"{path}[{i}]", faults);
    }

    internal DailyHours Compile() => new(Weekdays.Mask(Days), LocalHours.Minutes(From), LocalHours.Minutes(To));

    private void Check(string path, Faults faults)
    {
        Weekdays.Check(Days, $"{path}.days", faults);
        LocalHours.Check(From, To, path, faults);
    }
}
