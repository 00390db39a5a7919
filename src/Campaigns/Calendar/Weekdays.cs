namespace Campaigns.Calendar;

/// <summary>Weekdays by name, and sets of them as bits.</summary>
internal static class Weekdays
{
    public const int All = 0b111_1111;

    private static readonly string[] Names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

    public static bool Contains(int mask, DayOfWeek day) => (mask & (1 << (int)day)) != 0;

    /// <summary>Every day when there is no name.</summary>
    public static int Mask(IReadOnlyList<string> names) =>
        names.Count == 0 ? All : names.Aggregate(0, (mask, name) => mask | (1 << Array.IndexOf(Names, name)));

    public static void Check(IReadOnlyList<string> names, string path, Faults faults)
    {
        for (var i = 0; i < names.Count; i++)
        {
            if (Array.IndexOf(Names, names[i]) < 0)
                faults.Add($"{path}[{i}]", "Not a weekday: use mon, tue, wed, thu, fri, sat or sun.");
        }
    }
}
