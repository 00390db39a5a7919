using System.Runtime.InteropServices;

namespace Campaigns.Calendar;

/// <summary>An unbroken time in which a touch may go, in UTC: <paramref name="Opens"/> included,
/// <paramref name="Closes"/> excluded and always later.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct LegalWindow(DateTimeOffset Opens, DateTimeOffset Closes)
{
    public bool Contains(DateTimeOffset instant) => Opens <= instant && instant < Closes;
}

/// <summary>Questions to a list of windows that is ordered and disjoint, as <see cref="WindowCalculator"/> makes it.</summary>
public static class LegalWindows
{
    /// <summary>The first instant, not before the one given, at which a touch may go; null when the last window has
    /// passed.</summary>
    public static DateTimeOffset? EarliestLegal(this IReadOnlyList<LegalWindow> windows, DateTimeOffset instant)
    {
        foreach (var window in windows)
        {
            if (instant < window.Closes)
                return instant < window.Opens ? window.Opens : instant;
        }
        return null;
    }

    /// <summary>The first window that opens at the instant or after it, and null when there is none. What does not fit
    /// a window rolls to the next: hand in the <see cref="LegalWindow.Closes"/> of the one that is full.</summary>
    public static LegalWindow? NextAfter(this IReadOnlyList<LegalWindow> windows, DateTimeOffset instant)
    {
        foreach (var window in windows)
        {
            if (window.Opens >= instant)
                return window;
        }
        return null;
    }
}
