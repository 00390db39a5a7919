using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Planning;
using Campaigns.Tests.Planning;
using Dapper;

namespace Campaigns.Benchmarks;

/// <summary>Holds random decisions of a run against the planner that decides customer by customer: a figure for wrong
/// decisions is none.</summary>
internal static class PlanCheck
{
    private const int Sample = 20_000;

    /// <exception cref="InvalidOperationException">A decision differs.</exception>
    public static async Task CompareAsync(Bench bench, int runKey, int customers)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        var random = new Random(customers);
        var keys = Enumerable.Range(0, Sample).Select(_ => random.NextInt64(1, customers + 1)).Distinct().ToArray();
        var rows = await connection.QueryAsync<Row>(
            """
            SELECT k.customer_key, z.name AS zone, k.preferred_slots, k.preferred_channels, k.reachable, k.shared, k.consented,
                k.opted_out, k.birth_date, k.personalisation_off, k.last_day, k.contacts,
                (c.attributes ->> 'balance')::numeric >= 3000 AS member, 'vip' = ANY (c.tags) AS excluded,
                d.reason, d.channel, d.variant, w.opens_at
            FROM customer c JOIN contact k USING (customer_key) JOIN time_zone z USING (zone)
            LEFT JOIN decision d ON d.run_key = @runKey AND d.customer_key = k.customer_key
            LEFT JOIN wave w ON w.run_key = @runKey AND w.wave = d.wave
            WHERE k.customer_key = ANY (@keys)
            """,
            new { runKey, keys }
        );
        var sampled = rows.AsList();
        var calculator = WindowCalculator.Create(PlanBank.Calendar, PlanBank.AsOf).Value;
        var naive = new NaivePlanner(PlanBank.Plan, calculator, PlanBank.AsOf);
        var expected = naive.Decide([.. sampled.Select(row => (row.CustomerKey, row.Person))]);
        var actual = sampled.Where(row => row.Reason is not null).Select(row => row.Decided);
        var different = expected.ToHashSet();
        different.SymmetricExceptWith(actual);
        if (different.Count > 0)
        {
            throw new InvalidOperationException(
                $"The figure is void: {different.Count} decisions differ, such as {different.First()}."
            );
        }

        Console.WriteLine($"# {sampled.Count} random customers: {expected.Count} decisions equal the naive planner's");
    }

    private sealed record Row
    {
        public long CustomerKey { get; init; }
        public string Zone { get; init; } = "";
        public short PreferredSlots { get; init; }
        public short PreferredChannels { get; init; }
        public short Reachable { get; init; }
        public short Shared { get; init; }
        public short Consented { get; init; }
        public short OptedOut { get; init; }
        public DateOnly? BirthDate { get; init; }
        public bool PersonalisationOff { get; init; }
        public int LastDay { get; init; }
        public int Contacts { get; init; }
        public bool Member { get; init; }
        public bool Excluded { get; init; }
        public short? Reason { get; init; }
        public short? Channel { get; init; }
        public short? Variant { get; init; }
        public DateTimeOffset? OpensAt { get; init; }

        public Decided Decided =>
            new(CustomerKey, (Reason)Reason!, (Channel?)Channel, OpensAt, Variant, Segments: null);

        public Person Person =>
            new()
            {
                Member = Member,
                Excluded = Excluded,
                Zone = Zone,
                Slots = (PreferredSlots)PreferredSlots,
                Preferred = [.. ChannelChoice.Decode(PreferredChannels)],
                Reachable = Channels(Reachable),
                Shared = Channels(Shared),
                Consented = Channels(Consented),
                OptedOut = Channels(OptedOut),
                BirthDate = BirthDate,
                PersonalisationOff = PersonalisationOff,
                Contacts = [.. Enumerable.Range(0, 7).SelectMany(ContactsOf)],
            };

        private IEnumerable<PastContact> ContactsOf(int age)
        {
            var today = ContactCounters.DayNumber(DateOnly.FromDateTime(PlanBank.AsOf.UtcDateTime));
            var contact = new PastContact(today - LastDay + age, Campaigns.Channels.Channel.Sms);
            return Enumerable.Repeat(contact, (Contacts >> (4 * age)) & 15);
        }

        private static Channel[] Channels(short set) =>
            [.. Enum.GetValues<Channel>().Where(channel => (set & channel.Bit()) != 0)];
    }
}
