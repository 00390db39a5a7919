using System.Text.Json;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Results;
using static Campaigns.Tests.Calendar.GivenCalendar;

namespace Campaigns.Tests.Calendar;

public sealed class CalendarValidationTests
{
    [Fact]
    public void A_campaign_that_ends_before_it_starts_is_refused()
    {
        var error = CampaignCalendar.ValidatePeriod(Date("2026-06-02"), Date("2026-06-01"), "schedule");

        Assert.Equal((ErrorKind.Invalid, "invalid-window"), (error!.Kind, error.Type));
        Assert.Equal("schedule.to", Assert.Single(error.Fields).Path);
        Assert.Null(CampaignCalendar.ValidatePeriod(Date("2026-06-01"), Date("2026-06-01"), "schedule"));
    }

    [Theory]
    [InlineData("0001-01-01", "0001-01-02", "from")]
    [InlineData("9999-12-30", "9999-12-31", "from")]
    [InlineData("2026-01-01", "2999-01-01", "to")]
    public void A_campaign_beyond_all_bounds_is_refused(string from, string to, string path) =>
        Assert.Equal(path, Assert.Single(CampaignCalendar.ValidatePeriod(Date(from), Date(to), "")!.Fields).Path);

    [Fact]
    public void Every_window_at_fault_is_named_at_once()
    {
        var error = SendWindow.Validate(
            [
                Window("09:00", "10:00"),
                Window("09:00", "09:00"),
                Window("22:00", "06:00", "mon", "Monday"),
                new() { From = new(9, 0, 30), To = new(10, 0, 0, 1) },
            ],
            "schedule.windows"
        );

        Assert.Equal("invalid-window", error!.Type);
        Assert.Equal(
            [
                "schedule.windows[1].to",
                "schedule.windows[2].days[1]",
                "schedule.windows[3].from",
                "schedule.windows[3].to",
            ],
            error.Fields.Select(f => f.Path)
        );
    }

    [Fact]
    public void More_windows_than_anyone_needs_are_refused() =>
        Assert.NotNull(
            SendWindow.Validate([.. Enumerable.Repeat(Window("09:00", "10:00"), SendWindow.MaxCount + 1)], "windows")
        );

    [Theory]
    [InlineData("Mars/X")]
    [InlineData("")]
    [InlineData("asia/shanghai")]
    [InlineData("UTC+08")]
    [InlineData("China Standard Time")]
    public void A_zone_without_an_IANA_name_is_unknown(string zone)
    {
        var error = TimeZones.Validate(zone, "timeZone");

        Assert.Equal((ErrorKind.Invalid, "unknown-timezone"), (error!.Kind, error.Type));
        Assert.Equal("timeZone", Assert.Single(error.Fields).Path);
    }

    [Fact]
    public void A_calendar_that_contradicts_itself_is_refused()
    {
        var error = new WorkingCalendar
        {
            Weekend = ["sat", "someday"],
            DaysOff = [Date("2026-05-01")],
            WorkingDays = [Date("2026-05-09"), Date("2026-05-01")],
        }.Validate();

        Assert.Equal("invalid-calendar", error!.Type);
        Assert.Equal(["weekend[1]", "workingDays[1]"], error.Fields.Select(f => f.Path));
    }

    [Fact]
    public void A_calculator_is_not_made_from_a_wrong_calendar()
    {
        var wrong = Campaign("2026-06-02", "2026-06-01", Window("09:00", "09:00")) with
        {
            Hours = new()
            {
                QuietHours = new() { From = new(8, 0), To = new(8, 0) },
                ChannelHours = new Dictionary<Channel, IReadOnlyList<SendWindow>>
                {
                    [Channel.App] = [Window("07:00", "07:00")],
                },
            },
        };

        Assert.False(WindowCalculator.Create(wrong, At("2026-01-01T00:00Z")).TryGet(out _, out var error));
        Assert.Equal(
            ["to", "windows[0].to", "hours.quietHours.to", "hours.channelHours.App[0].to"],
            error.Fields.Select(f => f.Path)
        );
    }

    [Fact]
    public void A_window_is_written_in_JSON_as_marketers_write_it()
    {
        var window = JsonSerializer.Deserialize<SendWindow>(
            """{"days": ["mon", "thu"], "from": "09:00", "to": "11:30"}""",
            JsonSerializerOptions.Web
        );

        Assert.Equal((Time("09:00"), Time("11:30")), (window!.From, window.To));
        Assert.Equal(["mon", "thu"], window.Days);
    }
}
