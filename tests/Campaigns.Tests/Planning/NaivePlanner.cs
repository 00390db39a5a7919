using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Planning;

namespace Campaigns.Tests.Planning;

/// <summary>What a run decides for one customer.</summary>
internal sealed record Decided(
    long CustomerKey,
    Reason Reason,
    Channel? Channel,
    DateTimeOffset? Opens,
    short? Variant,
    long? Segments
);

/// <summary>The planner as one would write it first: a loop over customers, with dates and lists instead of packed words
/// and tables. The set-based planner must agree with it decision by decision.</summary>
internal sealed class NaivePlanner(RunPlan plan, WindowCalculator calculator, DateTimeOffset asOf)
{
    private readonly DateOnly _today = DateOnly.FromDateTime(TimeZones.ToLocal(TimeZones.Bank, asOf));

    private sealed record Candidate(
        long Key,
        Person Person,
        Reason? Early,
        Channel? Channel,
        DateTimeOffset? Opens,
        bool Capped
    );

    public IReadOnlyList<Decided> Decide(IReadOnlyList<(long Key, Person Person)> bank)
    {
        var audience = bank.Where(c => IsMember(c.Person)).Select(c => Gate(c.Key, c.Person));
        var ranked = audience.OrderByDescending(c => c.Person.Score ?? decimal.MinValue).ThenBy(c => c.Key).ToList();
        if (plan.Top is null)
        {
            ranked = [.. ranked.OrderBy(c => c.Key)];
        }

        var decided = new List<Decided>();
        var inTop = 0;
        var spent = new Dictionary<Channel, int>();
        foreach (var candidate in ranked)
        {
            decided.Add(
                candidate.Early is { } early
                    ? new(candidate.Key, early, null, null, null, Segments(candidate.Person))
                    : Late(candidate)
            );
        }

        return decided;

        Decided Late(Candidate c)
        {
            var channel = c.Channel!.Value;
            Reason reason;
            short? variant = null;
            if (plan.Top is { } top && inTop++ >= top.Count)
                reason = Reason.NotInTop;
            else if (plan.Budget.TryGetValue(channel, out var budget) && Spend(channel) > budget)
                reason = Reason.OverBudget;
            else if (c.Capped)
                reason = Reason.FrequencyCap;
            else if (
                plan.GlobalHoldout is { } global
                && IsHeldOut(c.Key, global.Salt, Assignment.HoldoutBuckets(global.Share))
            )
                reason = Reason.HeldOutGlobal;
            else if (IsHeldOut(c.Key, plan.HoldoutSalt, plan.HoldoutBuckets))
                reason = Reason.HeldOut;
            else
            {
                reason = Reason.Touch;
                var bucket = Assignment.Bucket(c.Key, Assignment.Salt32(plan.VariantSalt));
                variant = plan.Variants.First(v => bucket < v.UpTo).Number;
            }

            return new(c.Key, reason, channel, c.Opens, variant, Segments(c.Person));
        }

        int Spend(Channel channel) => spent[channel] = spent.GetValueOrDefault(channel) + 1;
    }

    private bool IsMember(Person person) =>
        !person.Erased && (person.Member || (plan.Include.Count > 1 && person.Neighbour));

    // Neighbours are named first.
    private long? Segments(Person person) =>
        plan.Include.Count > 1 ? (person.Neighbour ? 1 : 0) + (person.Member ? 2 : 0) : null;

    private static bool IsHeldOut(long key, string salt, int buckets) =>
        Assignment.Bucket(key, Assignment.Salt32(salt)) < buckets;

    private Candidate Gate(long key, Person person)
    {
        Candidate Suppressed(Reason reason) => new(key, person, reason, null, null, false);
        var marketing = plan.Purpose is Purpose.Marketing;
        if (plan.Exclude.Count > 0 && person.Excluded)
            return Suppressed(Reason.Excluded);
        if (person.BirthDate is { } born && born.AddYears(14) > _today)
            return Suppressed(Reason.Minor);
        if (IsUnsuitable(person))
            return Suppressed(Reason.Unsuitable);
        if (plan.UsesProfiling && person.PersonalisationOff)
            return Suppressed(Reason.PersonalisationOff);

        var reachable = plan.Channels.Intersect(person.Reachable).ToList();
        var left = (reachable.Count > 0 ? reachable : [.. plan.Channels]).Except(person.Shared).ToList();
        if (left.Count == 0)
            return Suppressed(Reason.DuplicateAddress);
        if (marketing)
        {
            left = [.. left.Except(person.OptedOut)];
            if (left.Count == 0)
                return Suppressed(Reason.OptedOut);
            left = [.. left.Intersect(person.Consented)];
            if (left.Count == 0)
                return Suppressed(Reason.NoConsent);
        }

        if (reachable.Count == 0)
            return Suppressed(Reason.Unreachable);
        var windows = left.ToDictionary(c => c, c => calculator.Windows(person.Zone, person.Slots, c).Value);
        left = [.. left.Where(c => windows[c].Count > 0)];
        if (left.Count == 0)
            return Suppressed(Reason.NoWindow);

        var open = marketing ? left.Where(c => !IsChannelCapped(person, c, windows[c][0])).ToList() : left;
        var channel = person.Preferred.Concat(plan.Channels).First((open.Count > 0 ? open : left).Contains);
        var window = windows[channel][0];
        var capped = marketing && (open.Count == 0 || IsCapped(person, window));
        return new(key, person, null, channel, window.Opens, capped);
    }

    private bool IsUnsuitable(Person person) =>
        (plan.ProductRisk is { } risk && !(person.RiskRating >= risk && !(person.RiskRatedUntil < _today)))
        || (plan.ConsumerCredit && person.Student)
        || (
            plan is { AllowsOver65: false } and ({ ProductRisk: not null } or { ConsumerCredit: true })
            && person.BirthDate?.AddYears(65) <= _today
        );

    private bool IsChannelCapped(Person person, Channel channel, LegalWindow window)
    {
        var day = LocalDay(person, window);
        var contacts = person.Contacts.Where(c => c.Channel == channel).ToList();
        return (plan.Caps.PerChannelPerDay.TryGetValue(channel, out var perDay) && On(contacts, day) >= perDay)
            || (plan.Caps.PerChannelPerWeek.TryGetValue(channel, out var perWeek) && InWeekTo(contacts, day) >= perWeek)
            || (
                channel is Channel.WeChat
                && plan.Caps.WeChatPerMonth is { } perMonth
                && (day.Year, day.Month) == (_today.Year, _today.Month)
                && person.WeChatThisMonth >= perMonth
            );
    }

    private bool IsCapped(Person person, LegalWindow window)
    {
        var day = LocalDay(person, window);
        return On(person.Contacts, day) >= (plan.Caps.PerDay ?? int.MaxValue)
            || InWeekTo(person.Contacts, day) >= (plan.Caps.PerWeek ?? int.MaxValue)
            || (plan.Caps.MinimumGap is { } gap && person.LastContact(asOf) is { } last && last > window.Opens - gap);
    }

    private static DateOnly LocalDay(Person person, LegalWindow window) =>
        DateOnly.FromDateTime(TimeZones.ToLocal(person.Zone, window.Opens));

    private int On(IEnumerable<PastContact> contacts, DateOnly day) =>
        contacts.Count(c => _today.AddDays(-c.DaysAgo) == day);

    private int InWeekTo(IEnumerable<PastContact> contacts, DateOnly day) =>
        contacts.Count(c => _today.AddDays(-c.DaysAgo) is var on && on > day.AddDays(-7) && on <= day);
}
