namespace Campaigns.Calendar;

/// <summary>Local hours in which a touch may go, start included, end excluded; over midnight where the end is not after
/// the start.</summary>
public sealed record SendWindow
{
    /// <summary>Days on which the window opens: <c>mon</c> to <c>sun</c>; empty for every day.</summary>
    public IReadOnlyList<string> Days { get; init; } = [];
    public required TimeOnly From { get; init; }
    public required TimeOnly To { get; init; }
}

/// <summary>Which days of a working calendar.</summary>
public enum DayKind
{
    Any,
    Working,
    Off,
}
