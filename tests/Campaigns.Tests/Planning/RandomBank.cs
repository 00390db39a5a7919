using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Segments;
using FsCheck;
using FsCheck.Fluent;

namespace Campaigns.Tests.Planning;

/// <summary>A plan, a calendar and a few customers.</summary>
internal sealed record Case(RunPlan Plan, CampaignCalendar Calendar, Person[] People);

internal static class RandomBank
{
    public static readonly DateTimeOffset AsOf = new(2026, 3, 2, 2, 30, 0, TimeSpan.Zero);
    public static readonly DateOnly Today = new(2026, 3, 2);
    public static readonly string[] Zones = [TimeZones.Bank, "America/New_York", "Europe/London"];

    private static readonly Channel[] AllChannels = Enum.GetValues<Channel>();

    public static Gen<Case> Cases(int people) =>
        from plan in Plans
        from calendar in Calendars
        from bank in People.ArrayOf(people)
        select new Case(plan, calendar, bank);

    private static Gen<T?> Maybe<T>(Gen<T> values)
        where T : struct => Gen.OneOf(Gen.Constant((T?)null), values.Select(v => (T?)v));

    private static Gen<T?> Sometimes<T>(int oneIn, Gen<T> values)
        where T : struct => from yes in OneIn(oneIn) from value in values select yes ? (T?)value : null;

    private static Gen<bool> OneIn(int n) => Gen.Choose(1, n).Select(i => i == 1);

    private static Gen<Channel[]> Some => Gen.SubListOf(AllChannels).Select(c => c.ToArray());

    private static Gen<Channel[]> Ordered => from some in Some from order in Gen.Shuffle(some) select order.ToArray();

    private static Gen<DateOnly> Around(DateOnly day) => Gen.Choose(-2, 2).Select(day.AddDays);

    private static Gen<Person> People =>
        from member in OneIn(8)
        from neighbour in OneIn(2)
        from excluded in OneIn(8)
        from zone in Gen.Elements(Zones)
        from slots in Gen.Choose(0, 7)
        from preferred in Ordered
        from reachable in Gen.OneOf(Some, Gen.Constant(AllChannels))
        from shared in Some
        from isShared in OneIn(4)
        from consented in Gen.OneOf(Some, Gen.Constant(AllChannels))
        from optedOut in Some
        from refused in OneIn(4)
        from birth in Sometimes(4, Gen.OneOf(Around(Today.AddYears(-14)), Around(Today.AddYears(-65))))
        from rating in Maybe(Gen.Choose(1, 5))
        from rated in Maybe(Around(Today))
        from student in OneIn(4)
        from off in OneIn(4)
        from erased in OneIn(15)
        from score in Maybe(Gen.Choose(0, 5).Select(i => i / 2m))
        from contacts in Gen.Choose(0, 8)
            .Zip(Gen.Elements(AllChannels))
            .Select(c => new PastContact(c.Item1, c.Item2))
            .ListOf()
        from month in Gen.Choose(0, 5)
        select new Person
        {
            Member = !member,
            Neighbour = neighbour,
            Excluded = excluded,
            Zone = zone,
            Slots = (PreferredSlots)slots,
            Preferred = preferred,
            Reachable = reachable,
            Shared = isShared ? [.. shared.Intersect(reachable)] : [],
            Consented = [.. consented.Except(refused ? optedOut : [])],
            OptedOut = refused ? optedOut : [],
            BirthDate = birth,
            RiskRating = rating,
            RiskRatedUntil = rated,
            Student = student,
            PersonalisationOff = off,
            Erased = erased,
            Score = score,
            Contacts = [.. contacts.Take(12)],
            WeChatThisMonth = month,
        };

    private static Gen<FrequencyCaps> Caps =>
        from perDay in Sometimes(3, Gen.Choose(1, 3))
        from perWeek in Sometimes(3, Gen.Choose(1, 6))
        from day in Gen.Choose(1, 2)
        from week in Gen.Choose(1, 3)
        from channels in Some
        from month in Maybe(Gen.Choose(1, 4))
        from gap in Sometimes(5, Gen.Choose(1, 72))
        select new FrequencyCaps
        {
            PerDay = perDay,
            PerWeek = perWeek,
            PerChannelPerDay = channels.Take(1).ToDictionary(c => c, _ => day),
            PerChannelPerWeek = channels.Skip(1).ToDictionary(c => c, _ => week),
            WeChatPerMonth = month,
            MinimumGap = gap is { } hours ? TimeSpan.FromHours(hours) : null,
        };

    private static Gen<RunPlan> Plans =>
        from channels in Ordered.Where(c => c.Length > 0)
        from weights in Gen.Choose(0, 5).NonEmptyListOf().Where(w => w.Sum() > 0)
        from servicing in OneIn(5)
        from exclude in OneIn(2)
        from neighbours in OneIn(2)
        from holdout in Gen.Elements(0m, 0.1m, 0.5m)
        from global in Maybe(Gen.Elements(0.05m, 0.3m))
        from risk in Sometimes(4, Gen.Choose(1, 5))
        from credit in OneIn(3)
        from profiling in OneIn(2)
        from elderly in OneIn(2)
        from top in Sometimes(4, Gen.Choose(1, 8))
        from budget in Gen.Choose(1, 5)
        from budgeted in Some
        from caps in Caps
        from salt in Gen.Choose(1, 1_000_000)
        select new RunPlan
        {
            CampaignId = "random",
            CampaignVersion = 1,
            Purpose = servicing ? Purpose.Servicing : Purpose.Marketing,
            Priority = 5,
            Include =
            [
                .. neighbours ? [new SegmentReference("neighbours", 1)] : Array.Empty<SegmentReference>(),
                new SegmentReference("members", 1),
            ],
            Exclude = exclude ? [new SegmentReference("excluded", 1)] : [],
            Channels = channels,
            Variants =
            [
                .. Assignment
                    .VariantBounds(weights.Take(4).Sum() == 0 ? [1] : [.. weights.Take(4)])
                    .Select((upTo, i) => new PlannedVariant((short)(i + 1), $"v{i + 1}", upTo)),
            ],
            Templates = [],
            Goal = new Goal { Event = "opened", Window = TimeSpan.FromDays(14) },
            Caps = caps,
            HoldoutBuckets = Assignment.HoldoutBuckets(holdout),
            HoldoutSalt = $"{salt}:holdout",
            VariantSalt = $"{salt}:variant",
            GlobalHoldout = global is { } share ? new GlobalHoldout(1, $"{salt}:global", share) : null,
            ProductRisk = risk,
            ConsumerCredit = credit,
            AllowsOver65 = elderly,
            UsesProfiling = profiling,
            Top = top is { } n ? new TopN("score", n) : null,
            Budget = budgeted.ToDictionary(c => c, _ => budget),
        };

    private static Gen<CampaignCalendar> Calendars =>
        from start in Gen.Choose(-1, 3)
        from days in Gen.Choose(0, 2)
        from morning in OneIn(2)
        from weekday in Gen.Elements("mon", "tue", "wed")
        select new CampaignCalendar
        {
            From = Today.AddDays(start),
            To = Today.AddDays(start + days + 1),
            Windows = morning
                ? [new SendWindow { From = new(9, 0), To = new(11, 30) }]
                :
                [
                    new SendWindow
                    {
                        Days = [weekday],
                        From = new(9, 0),
                        To = new(12, 0),
                    },
                    new SendWindow { From = new(18, 0), To = new(21, 0) },
                ],
        };
}
