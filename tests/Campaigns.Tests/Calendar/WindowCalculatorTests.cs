using Campaigns.Calendar;
using Campaigns.Channels;
using static Campaigns.Tests.Calendar.GivenCalendar;

namespace Campaigns.Tests.Calendar;

public sealed class WindowCalculatorTests
{
    [Theory]
    [InlineData("2026-06-01T07:59:59+08:00", false)]
    [InlineData("2026-06-01T08:00:00+08:00", true)]
    [InlineData("2026-06-01T19:59:59+08:00", true)]
    [InlineData("2026-06-01T20:00:00+08:00", false)]
    public void R14_quiet_hours_hold_to_the_second_at_both_edges(string instant, bool legal)
    {
        var windows = Campaign("2026-06-01", "2026-06-02").LegalWindows();

        Assert.Equal(legal, windows.Any(w => w.Contains(At(instant))));
        Assert.Equal(legal, windows.EarliestLegal(At(instant)) == At(instant));
    }

    [Fact]
    public void What_comes_too_late_today_is_deferred_to_the_morning()
    {
        var windows = Campaign("2026-06-01", "2026-06-02").LegalWindows();

        Assert.Equal(At("2026-06-02T08:00+08:00"), windows.EarliestLegal(At("2026-06-01T20:00+08:00")));
        Assert.Null(windows.EarliestLegal(At("2026-06-02T20:00+08:00")));
    }

    [Fact]
    public void The_tightest_of_campaign_bank_channel_and_customer_wins()
    {
        var calendar = Campaign("2026-06-01", "2026-06-01", Window("07:00", "19:00")) with
        {
            Hours = new()
            {
                ChannelHours = new Dictionary<Channel, IReadOnlyList<SendWindow>>
                {
                    [Channel.App] = [Window("09:30", "11:15")],
                },
            },
        };

        Assert.Equal([Legal("2026-06-01T08:00+08:00", "2026-06-01T19:00+08:00")], calendar.LegalWindows());
        Assert.Equal(
            [Legal("2026-06-01T08:00+08:00", "2026-06-01T12:00+08:00")],
            calendar.LegalWindows(slots: PreferredSlots.Morning)
        );
        Assert.Equal(
            [Legal("2026-06-01T09:30+08:00", "2026-06-01T11:15+08:00")],
            calendar.LegalWindows(slots: PreferredSlots.Morning, channel: Channel.App)
        );
        Assert.Empty(calendar.LegalWindows(slots: PreferredSlots.Evening, channel: Channel.App));
    }

    [Fact]
    public void Several_preferred_slots_mean_any_of_them()
    {
        var calendar = Campaign("2026-06-01", "2026-06-01");

        Assert.Equal(
            [
                Legal("2026-06-01T08:00+08:00", "2026-06-01T12:00+08:00"),
                Legal("2026-06-01T18:00+08:00", "2026-06-01T20:00+08:00"),
            ],
            calendar.LegalWindows(slots: PreferredSlots.Morning | PreferredSlots.Evening)
        );
    }

    [Fact]
    public void Windows_open_on_their_weekdays_alone()
    {
        var calendar = Campaign("2026-06-01", "2026-06-07", Window("09:00", "10:00", "mon", "sun"));

        Assert.Equal(
            [
                Legal("2026-06-01T09:00+08:00", "2026-06-01T10:00+08:00"),
                Legal("2026-06-07T09:00+08:00", "2026-06-07T10:00+08:00"),
            ],
            calendar.LegalWindows()
        );
    }

    [Fact]
    public void A_window_over_midnight_runs_into_the_next_day_and_is_never_turned_round()
    {
        var calendar = AtAnyHour("2026-06-01", "2026-06-03", Window("22:00", "06:00", "mon"));

        Assert.Equal([Legal("2026-06-01T22:00+08:00", "2026-06-02T06:00+08:00")], calendar.LegalWindows());
    }

    [Fact]
    public void A_window_over_midnight_ends_with_the_campaigns_last_day()
    {
        var calendar = AtAnyHour("2026-06-01", "2026-06-01", Window("22:00", "06:00", "mon"));

        Assert.Equal([Legal("2026-06-01T22:00+08:00", "2026-06-02T00:00+08:00")], calendar.LegalWindows());
    }

    [Fact]
    public void Windows_that_touch_or_overlap_are_one()
    {
        var calendar = Campaign(
            "2026-06-01",
            "2026-06-01",
            Window("11:00", "12:00"),
            Window("09:00", "10:00"),
            Window("10:00", "10:30"),
            Window("09:15", "09:45")
        );

        Assert.Equal(
            [
                Legal("2026-06-01T09:00+08:00", "2026-06-01T10:30+08:00"),
                Legal("2026-06-01T11:00+08:00", "2026-06-01T12:00+08:00"),
            ],
            calendar.LegalWindows()
        );
    }

    [Fact]
    public void The_same_local_hours_are_other_instants_in_another_zone()
    {
        var calendar = Campaign("2026-06-01", "2026-06-01", Window("09:00", "10:00"));

        Assert.Equal([Legal("2026-06-01T09:00-04:00", "2026-06-01T10:00-04:00")], calendar.LegalWindows(NewYork));
    }

    [Fact]
    public void A_customer_without_a_known_zone_is_in_the_default_one()
    {
        var calculator = WindowCalculator.Create(Campaign("2026-06-01", "2026-06-01"), At("2026-01-01T00:00Z")).Value;

        Assert.Equal(
            calculator.Windows("Asia/Shanghai", PreferredSlots.Any, Channel.Sms).Value,
            calculator.Windows(null, PreferredSlots.Any, Channel.Sms).Value
        );
    }

    [Theory]
    [InlineData("2026-06-01T07:00+08:00", "2026-06-01T08:00+08:00")]
    [InlineData("2026-06-01T12:34:56.789+08:00", "2026-06-01T12:34:56.789+08:00")]
    [InlineData("2026-06-01T20:00+08:00", null)]
    [InlineData("2026-06-05T09:00+08:00", null)]
    public void A_window_that_is_open_as_of_the_run_begins_then(string asOf, string? opens)
    {
        var windows = Campaign("2026-06-01", "2026-06-01").LegalWindows(asOf: asOf);

        Assert.Equal(opens is null ? [] : [Legal(opens, "2026-06-01T20:00+08:00")], windows);
    }

    [Fact]
    public void What_does_not_fit_a_window_rolls_to_the_next()
    {
        var windows = Campaign("2026-06-01", "2026-06-02", Window("09:00", "10:00"), Window("19:00", "20:00"))
            .LegalWindows();

        Assert.Equal(windows[1], windows.NextAfter(windows[0].Closes));
        Assert.Equal(windows[2], windows.NextAfter(windows[1].Closes));
        Assert.Null(windows.NextAfter(windows[^1].Closes));
    }

    [Fact]
    public void Windows_of_a_zone_that_does_not_exist_are_refused()
    {
        var calculator = WindowCalculator.Create(Campaign("2026-06-01", "2026-06-01"), At("2026-01-01T00:00Z")).Value;

        Assert.False(calculator.Windows("Mars/X", PreferredSlots.Any, Channel.Sms).TryGet(out _, out var error));
        Assert.Equal("unknown-timezone", error.Type);
    }
}
