using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Customers;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Planning;

/// <summary>Puts people straight into the tables that planning reads.</summary>
internal static class PlanningBank
{
    /// <summary>What every bank shares: zones, a score, three segments, a campaign with the key 1.</summary>
    public static async Task PrepareAsync(NpgsqlDataSource dataSource)
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            INSERT INTO time_zone (name) VALUES ('America/New_York'), ('Europe/London');
            INSERT INTO field (name, type, sensitive, profiling, updated_at) VALUES ('score', 'number', false, false, now());
            INSERT INTO segment (segment_id, version) VALUES ('members', 1), ('neighbours', 1), ('excluded', 1);
            INSERT INTO segment_version
                (segment_id, version, name, rule, fields, depth, nodes, created_by, created_at) VALUES
                ('members', 1, 'Members', '{"tag": "member"}', '{}', 1, 1, 'test', now()),
                ('neighbours', 1, 'Neighbours', '{"tag": "neighbour"}', '{}', 1, 1, 'test', now()),
                ('excluded', 1, 'Excluded', '{"tag": "excluded"}', '{}', 1, 1, 'test', now());
            INSERT INTO campaign (campaign_id, version, state, updated_at) VALUES ('random', 1, 'running', now());
            """
        );
    }

    /// <summary>Replaces all customers, and forgets all runs.</summary>
    public static async Task<IReadOnlyList<(long Key, Person Person)>> FillAsync(
        NpgsqlConnection connection,
        IReadOnlyList<Person> people
    )
    {
        var zones = (
            await connection.QueryAsync<(string Name, short Zone)>("SELECT name, zone FROM time_zone")
        ).ToDictionary(z => z.Name, z => z.Zone);
        var keyed = people.Select((person, i) => (Key: 5_000_000_000L + (i * 6151), Person: person)).ToList();
        await connection.ExecuteAsync(
            $"""
            DELETE FROM contact; DELETE FROM customer; DELETE FROM decision; DELETE FROM run; DELETE FROM run_part;
            DELETE FROM run_calendar; DELETE FROM wave;
            INSERT INTO customer (customer_key, customer_id, attributes, tags, updated_at)
            OVERRIDING SYSTEM VALUE
            SELECT customer_key, customer_id, attributes, tags, now()
            FROM jsonb_populate_recordset(NULL::customer, @customers::jsonb);
            INSERT INTO contact ({ContactColumns})
            SELECT {ContactColumns} FROM jsonb_populate_recordset(NULL::contact, @contacts::jsonb);
            """,
            new
            {
                customers = JsonSerializer.Serialize(keyed.Select(c => CustomerRow(c.Key, c.Person))),
                contacts = JsonSerializer.Serialize(keyed.Select(c => ContactRow(c.Key, c.Person, zones))),
            }
        );
        return keyed;
    }

    private static object CustomerRow(long key, Person person)
    {
        string?[] tags =
        [
            person.Member ? "member" : null,
            person.Neighbour ? "neighbour" : null,
            person.Excluded ? "excluded" : null,
        ];
        return new
        {
            customer_key = key,
            customer_id = $"C{key}",
            attributes = person.Score is { } score ? (object)new { score } : new { },
            tags = tags.OfType<string>(),
        };
    }

    // All but the generated one.
    private const string ContactColumns = """
        customer_key, last_contact_at, birth_date, risk_rated_until, last_day, contacts, sms_contacts, wechat_contacts,
        app_contacts, month_contacts, reachable, shared, consented, opted_out, zone, preferred_slots,
        preferred_channels, risk_rating, personalisation_off, sensitive_consent, student, erased
        """;

    private static object ContactRow(long key, Person person, Dictionary<string, short> zones) =>
        new
        {
            customer_key = key,
            last_contact_at = person.LastContact(RandomBank.AsOf),
            birth_date = person.BirthDate,
            risk_rated_until = person.RiskRatedUntil,
            last_day = ContactCounters.DayNumber(RandomBank.Today),
            contacts = Pack(person.Contacts),
            sms_contacts = Pack(person.Contacts.Where(c => c.Channel is Channel.Sms)),
            wechat_contacts = Pack(person.Contacts.Where(c => c.Channel is Channel.WeChat)),
            app_contacts = Pack(person.Contacts.Where(c => c.Channel is Channel.App)),
            month_contacts = (16 * ((12 * RandomBank.Today.Year) + RandomBank.Today.Month)) + person.WeChatThisMonth,
            reachable = ChannelSet.Of(person.Reachable),
            shared = ChannelSet.Of(person.Shared),
            consented = ChannelSet.Of(person.Consented),
            opted_out = ChannelSet.Of(person.OptedOut),
            zone = zones[person.Zone],
            preferred_slots = (short)person.Slots,
            preferred_channels = person.Preferred.Reverse().Aggregate(0, (digits, c) => (8 * digits) + (int)c),
            risk_rating = person.RiskRating,
            personalisation_off = person.PersonalisationOff,
            sensitive_consent = true,
            student = person.Student,
            erased = person.Erased,
        };

    private static int Pack(IEnumerable<PastContact> contacts) =>
        contacts.Where(c => c.DaysAgo < 7).Sum(c => 1 << (4 * c.DaysAgo));
}
