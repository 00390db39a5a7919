using Campaigns.Results;

namespace Campaigns.Calendar;

/// <summary>Everything that says when a campaign's touches may go. A touch needs all of it at once: the tightest
/// wins.</summary>
public sealed record CampaignCalendar
{
    /// <summary>Most days from the first through the last.</summary>
    public const int MaxDays = 3_660;

    /// <summary>First day, in the customer's zone.</summary>
    public required DateOnly From { get; init; }

    /// <summary>Last day, included, in the customer's zone.</summary>
    public required DateOnly To { get; init; }

    /// <summary>The campaign's own windows; empty for every hour.</summary>
    public required IReadOnlyList<SendWindow> Windows { get; init; }

    /// <summary>What <see cref="Days"/> asks.</summary>
    public WorkingCalendar WorkingCalendar { get; init; } = new();
    public DayKind Days { get; init; } = DayKind.Any;
    public ContactHours Hours { get; init; } = new();

    /// <summary>Where a customer is whose time zone is not known; an IANA name.</summary>
    public string DefaultZone { get; init; } = TimeZones.Bank;

    /// <summary>Null when all is right; else 422 <c>invalid-window</c>, <c>invalid-calendar</c> or
    /// <c>unknown-timezone</c> with every field at fault.</summary>
    public Error? Validate()
    {
        var faults = new Faults("invalid-window");
        CheckPeriod(From, To, "", faults);
        SendWindow.Check(Windows, "windows", faults);
        Hours.Check("hours", faults);
        return faults.ToError()
            ?? WorkingCalendar.Validate("workingCalendar")
            ?? TimeZones.Validate(DefaultZone, "defaultZone");
    }

    /// <summary>Checks the dates of a campaign: null, or 422 <c>invalid-window</c> when the end is before the start, the
    /// period is longer than <see cref="MaxDays"/>, or a year is not between 2000 and 2999.</summary>
    /// <param name="path">The path of what has <c>from</c> and <c>to</c>; empty at the top of a document.</param>
    public static Error? ValidatePeriod(DateOnly from, DateOnly to, string path)
    {
        var faults = new Faults("invalid-window");
        CheckPeriod(from, to, path.Length == 0 ? "" : path + ".", faults);
        return faults.ToError();
    }

    private static void CheckPeriod(DateOnly from, DateOnly to, string prefix, Faults faults)
    {
        if (from.Year is < 2000 or > 2999)
            faults.Add($"{prefix}from", "The year is not between 2000 and 2999.");
        if (to < from)
            faults.Add($"{prefix}to", "The end is before the start.");
        else if (to.DayNumber - from.DayNumber >= MaxDays)
            faults.Add($"{prefix}to", $"A campaign lasts at most {MaxDays} days.");
    }
}
