using NodaTime;

namespace Campaigns.Segments;

/// <summary>Who was born on 29 February has the birthday on 28 February where the year has no 29th.</summary>
internal static class Birthdays
{
    /// <summary>The months and days, as <c>MM-dd</c>, whose birthday is on one of the days from today to so many days later,
    /// both included.</summary>
    public static IEnumerable<string> MonthDays(LocalDate today, int days)
    {
        for (var day = today; day <= today.PlusDays(days); day = day.PlusDays(1))
        {
            yield return day.ToString("MM-dd", null);
            if (day is { Month: 2, Day: 28 } && !CalendarSystem.Iso.IsLeapYear(day.Year))
            {
                yield return "02-29";
            }
        }
    }
}
