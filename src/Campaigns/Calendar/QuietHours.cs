using Campaigns.Results;

namespace Campaigns.Calendar;

/// <summary>Local hours in which no customer is disturbed, every day, in the customer's own time zone. The start is
/// included and the end is excluded: with 20:00 to 08:00, 19:59:59 and 08:00:00 are not quiet. An end earlier than the
/// start is the next day's; an end equal to the start is refused. A bank without quiet hours has null.</summary>
public sealed record QuietHours
{
    /// <summary>20:00 to 08:00, the strictest that a public provider asks for.</summary>
    public static QuietHours Default { get; } = new() { From = new(20, 0), To = new(8, 0) };

    /// <summary>When quiet begins, included; a whole minute.</summary>
    public required TimeOnly From { get; init; }

    /// <summary>When quiet ends, excluded; a whole minute.</summary>
    public required TimeOnly To { get; init; }

    /// <summary>Null when right; else 422 <c>invalid-window</c>.</summary>
    public Error? Validate(string path)
    {
        var faults = new Faults("invalid-window");
        Check(path, faults);
        return faults.ToError();
    }

    internal void Check(string path, Faults faults) => LocalHours.Check(From, To, path, faults);

    /// <summary>The hours that are left.</summary>
    internal DailyHours Complement() => new(Weekdays.All, LocalHours.Minutes(To), LocalHours.Minutes(From));
}
