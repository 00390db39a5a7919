using Campaigns.Calendar;
using static Campaigns.Tests.Calendar.GivenCalendar;

namespace Campaigns.Tests.Calendar;

/// <summary>New York springs from 02:00 to 03:00 on 2026-03-08 and falls from 02:00 to 01:00 on 2026-11-01.</summary>
public sealed class DaylightSavingTests
{
    [Theory]
    [InlineData("01:30", "02:30", "2026-03-08T01:30-05:00", "2026-03-08T03:00-04:00")]
    [InlineData("02:30", "03:30", "2026-03-08T03:00-04:00", "2026-03-08T03:30-04:00")]
    [InlineData("01:30", "03:30", "2026-03-08T01:30-05:00", "2026-03-08T03:30-04:00")]
    [InlineData("02:00", "03:30", "2026-03-08T03:00-04:00", "2026-03-08T03:30-04:00")]
    [InlineData("01:00", "02:00", "2026-03-08T01:00-05:00", "2026-03-08T03:00-04:00")]
    public void An_edge_in_the_gap_is_the_instant_of_the_jump(string from, string to, string opens, string closes) =>
        Assert.Equal(
            [Legal(opens, closes)],
            AtAnyHour("2026-03-08", "2026-03-08", Window(from, to)).LegalWindows(NewYork)
        );

    [Fact]
    public void A_window_wholly_in_the_gap_waits_for_the_next_day()
    {
        var windows = AtAnyHour("2026-03-07", "2026-03-09", Window("02:15", "02:45")).LegalWindows(NewYork);

        Assert.Equal(
            [
                Legal("2026-03-07T02:15-05:00", "2026-03-07T02:45-05:00"),
                Legal("2026-03-09T02:15-04:00", "2026-03-09T02:45-04:00"),
            ],
            windows
        );
        Assert.Equal(At("2026-03-09T02:15-04:00"), windows.EarliestLegal(At("2026-03-08T00:00-05:00")));
    }

    [Theory]
    [InlineData("00:30", "01:30", "2026-11-01T00:30-04:00", "2026-11-01T01:30-04:00")]
    [InlineData("01:30", "02:30", "2026-11-01T01:30-05:00", "2026-11-01T02:30-05:00")]
    [InlineData("01:15", "01:45", "2026-11-01T01:15-04:00", "2026-11-01T01:45-04:00")]
    [InlineData("00:30", "02:30", "2026-11-01T00:30-04:00", "2026-11-01T02:30-05:00")]
    [InlineData("01:00", "02:30", "2026-11-01T01:00-04:00", "2026-11-01T02:30-05:00")]
    [InlineData("00:30", "01:00", "2026-11-01T00:30-04:00", "2026-11-01T01:00-04:00")]
    [InlineData("02:00", "03:00", "2026-11-01T02:00-05:00", "2026-11-01T03:00-05:00")]
    public void In_the_overlap_a_window_happens_once_and_unbroken(
        string from,
        string to,
        string opens,
        string closes
    ) =>
        Assert.Equal(
            [Legal(opens, closes)],
            AtAnyHour("2026-11-01", "2026-11-01", Window(from, to)).LegalWindows(NewYork)
        );

    [Fact]
    public void Two_windows_in_one_overlap_keep_their_order()
    {
        var calendar = AtAnyHour("2026-11-01", "2026-11-01", Window("01:10", "01:20"), Window("01:30", "02:30"));

        Assert.Equal(
            [
                Legal("2026-11-01T01:10-04:00", "2026-11-01T01:20-04:00"),
                Legal("2026-11-01T01:30-05:00", "2026-11-01T02:30-05:00"),
            ],
            calendar.LegalWindows(NewYork)
        );
    }

    [Fact]
    public void A_daily_window_opens_once_a_day_all_year()
    {
        foreach (var zone in new[] { NewYork, "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca" })
        {
            var windows = Campaign("2026-01-01", "2026-12-31", Window("09:00", "11:30")).LegalWindows(zone);

            Assert.Equal(365, windows.Count);
            Assert.All(windows, w => Assert.Equal(TimeSpan.FromMinutes(150), w.Closes - w.Opens));
        }
    }

    [Fact]
    public void A_day_that_a_zone_skips_has_no_window()
    {
        var windows = Campaign("2011-12-29", "2011-12-31").LegalWindows("Pacific/Apia");

        Assert.Equal(
            [
                Legal("2011-12-29T08:00-10:00", "2011-12-29T20:00-10:00"),
                Legal("2011-12-31T08:00+14:00", "2011-12-31T20:00+14:00"),
            ],
            windows
        );
    }
}
