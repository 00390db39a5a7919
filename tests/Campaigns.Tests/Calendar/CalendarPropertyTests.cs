using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Tests.Support;
using FsCheck;
using FsCheck.Fluent;
using NodaTime;

namespace Campaigns.Tests.Calendar;

public sealed class CalendarPropertyTests
{
    private static readonly string[] Zones =
    [
        "America/New_York",
        "Europe/London",
        "Asia/Shanghai",
        "Australia/Lord_Howe", // moves by half an hour
        "America/Havana", // moves at midnight
        "Antarctica/Troll", // moves by two hours
        "America/St_Johns", // moved a minute after midnight until 2011
        "Pacific/Apia", // skipped a day
        "Asia/Kathmandu",
    ];

    [Fact]
    public void The_windows_are_the_legal_minutes_of_any_calendar_in_any_zone() =>
        Seeded.ForAll(
            Cases(),
            400,
            given =>
            {
                var naive = new NaiveCalendar(given.Calendar, given.Zone, given.Slots, Channel.App);

                Assert.Equal(naive.Windows(given.AsOf, given.End), given.Windows());
            }
        );

    [Fact]
    public void Windows_are_ordered_disjoint_and_apart() =>
        Seeded.ForAll(
            Cases(),
            2_000,
            given =>
            {
                var windows = given.Windows();

                Assert.All(windows, w => Assert.True(w.Opens < w.Closes));
                Assert.All(windows.Zip(windows.Skip(1)), p => Assert.True(p.First.Closes < p.Second.Opens));
            }
        );

    [Fact]
    public void The_earliest_legal_instant_is_in_a_window_and_nothing_legal_lies_before_it() =>
        Seeded.ForAll(
            Cases(),
            1_000,
            given =>
            {
                var windows = given.Windows();
                var instant = given.AsOf.ToDateTimeOffset().AddHours(30);
                var earliest = windows.EarliestLegal(instant);

                Assert.Equal(earliest is not null, windows.Any(w => w.Closes > instant));
                if (earliest is not { } legal)
                    return;
                Assert.Contains(windows, w => w.Contains(legal));
                Assert.DoesNotContain(windows, w => w.Closes > instant && w.Opens < legal && w.Closes <= legal);
                Assert.True(legal == instant || windows.Any(w => w.Opens == legal));
            }
        );

    private sealed record Case(CampaignCalendar Calendar, DateTimeZone Zone, PreferredSlots Slots, Instant AsOf)
    {
        /// <summary>After the last local day in every zone.</summary>
        public Instant End => Midnight(Calendar.To).Plus(Duration.FromDays(3));

        public IReadOnlyList<LegalWindow> Windows() =>
            WindowCalculator.Create(Calendar, AsOf.ToDateTimeOffset()).Value.Windows(Zone.Id, Slots, Channel.App).Value;
    }

    private static Instant Midnight(DateOnly date) => Instant.FromUtc(date.Year, date.Month, date.Day, 0, 0);

    private static Gen<Case> Cases() =>
        from zone in Gen.Elements(Zones).Select(DateTimeZoneProviders.Tzdb.GetZoneOrNull)
        from first in FirstDays(zone)
        from days in Gen.Choose(0, 5)
        from campaign in WindowLists()
        from channel in WindowLists()
        from quiet in Gen.OneOf(Gen.Constant<QuietHours?>(null), Hours().Select(h => (QuietHours?)Quiet(h)))
        from slots in Gen.Choose(0, 7)
        from evening in Hours()
        from calendar in WorkingCalendars(first)
        from kind in Gen.Elements(DayKind.Any, DayKind.Any, DayKind.Working, DayKind.Off)
        from asOf in Gen.Choose(-2 * 1440, 3 * 1440)
        select new Case(
            new CampaignCalendar
            {
                From = first,
                To = first.AddDays(days),
                Windows = campaign,
                WorkingCalendar = calendar,
                Days = kind,
                Hours = new()
                {
                    QuietHours = quiet,
                    ChannelHours = new Dictionary<Channel, IReadOnlyList<SendWindow>> { [Channel.App] = channel },
                    Slots = new Dictionary<PreferredSlots, SendWindow>(new ContactHours().Slots)
                    {
                        [PreferredSlots.Evening] = evening,
                    },
                },
            },
            zone,
            (PreferredSlots)slots,
            Midnight(first).Plus(Duration.FromMinutes(asOf))
        );

    /// <summary>Mostly some days before the clocks change, where there is something to get wrong.</summary>
    private static Gen<DateOnly> FirstDays(DateTimeZone zone)
    {
        var changes = zone.GetZoneIntervals(Instant.FromUtc(2008, 1, 1, 0, 0), Instant.FromUtc(2027, 1, 1, 0, 0))
            .Where(i => i.HasStart && i.Start.InUtc().Year >= 2008)
            .Select(i => i.Start.InUtc().Date.ToDateOnly())
            .Append(new DateOnly(2026, 6, 4))
            .ToArray();
        return from change in Gen.Elements(changes) from before in Gen.Choose(0, 5) select change.AddDays(-before);
    }

    private static Gen<IReadOnlyList<SendWindow>> WindowLists() =>
        from count in Gen.Choose(0, 3)
        from windows in Hours().ListOf(count)
        select (IReadOnlyList<SendWindow>)windows;

    /// <summary>Often small hours, where the clocks change.</summary>
    private static Gen<SendWindow> Hours() =>
        from start in Gen.OneOf(Gen.Choose(0, 16).Select(q => q * 15), Gen.Choose(0, 1439))
        from length in Gen.OneOf(Gen.Choose(1, 12).Select(q => q * 15), Gen.Choose(1, 1439))
        from days in Gen.OneOf(
            Gen.Constant<IReadOnlyList<string>>([]),
            Gen.SubListOf("mon", "tue", "wed", "thu", "fri", "sat", "sun").Select(d => (IReadOnlyList<string>)d)
        )
        select new SendWindow
        {
            Days = days,
            From = TimeOnly.MinValue.AddMinutes(start),
            To = TimeOnly.MinValue.AddMinutes(start + length),
        };

    private static QuietHours Quiet(SendWindow hours) => new() { From = hours.From, To = hours.To };

    private static Gen<WorkingCalendar> WorkingCalendars(DateOnly first) =>
        from kinds in Gen.Choose(0, 2).ListOf(8)
        let dates = kinds.Select((kind, i) => (kind, date: first.AddDays(i - 1))).ToLookup(d => d.kind, d => d.date)
        select new WorkingCalendar { DaysOff = [.. dates[1]], WorkingDays = [.. dates[2]] };
}
