using System.Text.Json;
using Campaigns.Calendar;
using Campaigns.Tests.Support;
using static Campaigns.Tests.Calendar.GivenCalendar;

namespace Campaigns.Tests.Calendar;

public sealed class WorkingCalendarTests
{
    private static readonly WorkingCalendar SpringFestival = new()
    {
        DaysOff = [Date("2026-02-16"), Date("2026-02-17")],
        WorkingDays = [Date("2026-02-14"), Date("2026-02-28")],
    };

    [Theory]
    [InlineData("2026-02-13", true)] // Friday
    [InlineData("2026-02-14", true)] // Saturday, worked
    [InlineData("2026-02-15", false)] // Sunday
    [InlineData("2026-02-16", false)] // Monday, holiday
    [InlineData("2026-02-18", true)] // Wednesday
    public void A_holiday_is_off_and_a_make_up_day_is_worked(string date, bool worked)
    {
        Assert.Equal(worked, SpringFestival.Allows(DayKind.Working)(Date(date)));
        Assert.Equal(!worked, SpringFestival.Allows(DayKind.Off)(Date(date)));
        Assert.True(SpringFestival.Allows(DayKind.Any)(Date(date)));
    }

    [Fact]
    public void A_campaign_on_working_days_uses_the_make_up_day_and_no_holiday()
    {
        var calendar = Campaign("2026-02-13", "2026-02-17", Window("09:00", "10:00")) with
        {
            WorkingCalendar = SpringFestival,
            Days = DayKind.Working,
        };

        Assert.Equal(
            [
                Legal("2026-02-13T09:00+08:00", "2026-02-13T10:00+08:00"),
                Legal("2026-02-14T09:00+08:00", "2026-02-14T10:00+08:00"),
            ],
            calendar.LegalWindows()
        );
        Assert.Equal(
            [
                Legal("2026-02-15T09:00+08:00", "2026-02-15T10:00+08:00"),
                Legal("2026-02-16T09:00+08:00", "2026-02-16T10:00+08:00"),
                Legal("2026-02-17T09:00+08:00", "2026-02-17T10:00+08:00"),
            ],
            (calendar with { Days = DayKind.Off }).LegalWindows()
        );
    }

    [Fact]
    public void The_hours_after_midnight_need_their_own_date_to_be_allowed()
    {
        var calendar = AtAnyHour("2026-06-04", "2026-06-08", Window("22:00", "06:00", "thu", "fri")) with
        {
            Days = DayKind.Working,
        };

        Assert.Equal(
            [
                Legal("2026-06-04T22:00+08:00", "2026-06-05T06:00+08:00"),
                Legal("2026-06-05T22:00+08:00", "2026-06-06T00:00+08:00"),
            ],
            calendar.LegalWindows()
        );
    }

    [Fact]
    public void A_bank_may_rest_on_other_weekdays_or_on_none()
    {
        var friday = new WorkingCalendar { Weekend = ["fri"] };

        Assert.False(friday.Allows(DayKind.Working)(Date("2026-06-05")));
        Assert.True(friday.Allows(DayKind.Working)(Date("2026-06-06")));
        Assert.True(new WorkingCalendar { Weekend = [] }.Allows(DayKind.Working)(Date("2026-06-06")));
    }

    [SharedDataFact]
    public void The_published_calendar_of_2026_has_33_days_off_and_6_make_up_days()
    {
        var calendar = ReadPublished("data/china-holidays-2026.json");
        var year = Enumerable.Range(0, 365).Select(Date("2026-01-01").AddDays).ToList();
        var weekends = year.Count(d => d.DayOfWeek is DayOfWeek.Saturday or DayOfWeek.Sunday);
        var holidaysOnWeekdays = calendar.DaysOff.Count(d =>
            d.DayOfWeek is not (DayOfWeek.Saturday or DayOfWeek.Sunday)
        );

        Assert.Equal((33, 6), (calendar.DaysOff.Count, calendar.WorkingDays.Count));
        Assert.Equal(weekends - 6 + holidaysOnWeekdays, year.Count(calendar.Allows(DayKind.Off)));
        var windows = (
            Campaign("2026-02-09", "2026-03-01", Window("09:00", "10:00")) with
            {
                WorkingCalendar = calendar,
                Days = DayKind.Working,
            }
        ).LegalWindows();
        Assert.Equal(
            [9, 10, 11, 12, 13, 14, 24, 25, 26, 27, 28],
            windows.Select(w => w.Opens.ToOffset(TimeSpan.FromHours(8)).Day)
        );
    }

    private static WorkingCalendar ReadPublished(string file)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(SharedData.Path(file)));
        var days = json
            .RootElement.GetProperty("days")
            .EnumerateArray()
            .ToLookup(d => d.GetProperty("isOffDay").GetBoolean(), d => Date(d.GetProperty("date").GetString()!));
        return new() { DaysOff = [.. days[true]], WorkingDays = [.. days[false]] };
    }
}
