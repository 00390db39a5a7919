using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Segments;

namespace Campaigns.Benchmarks;

/// <summary>A bank of customers as planning finds them, and a campaign that uses most of its gates.</summary>
internal static class PlanBank
{
    public static DateTimeOffset AsOf { get; } = new(2026, 3, 2, 0, 0, 0, TimeSpan.Zero);

    public static CampaignCalendar Calendar =>
        new()
        {
            From = new DateOnly(2026, 3, 2),
            To = new DateOnly(2026, 3, 4),
            Windows =
            [
                new SendWindow { From = new(9, 0), To = new(11, 30) },
                new SendWindow { From = new(18, 0), To = new(20, 0) },
            ],
        };

    public static RunPlan Plan =>
        new()
        {
            CampaignId = "bench",
            CampaignVersion = 1,
            Purpose = Purpose.Marketing,
            Priority = 5,
            Include = [new SegmentReference("balance", 1)],
            Exclude = [new SegmentReference("vip", 1)],
            Channels = [Channel.WeChat, Channel.App, Channel.Sms],
            Variants = [new PlannedVariant(1, "a", 5_000), new PlannedVariant(2, "b", 10_000)],
            Templates = [],
            Goal = new Goal { Event = "opened", Window = TimeSpan.FromDays(14) },
            Caps = new FrequencyCaps { PerDay = 2, PerWeek = 5 },
            HoldoutBuckets = 1_000,
            HoldoutSalt = "bench:holdout",
            VariantSalt = "bench:variant",
        };

    // Three past contacts a customer on the average, packed as dispatch packs them.
    public static async Task FillAsync(Bench bench, int customers)
    {
        await bench.ExecuteAsync(
            """
            INSERT INTO time_zone (name) VALUES ('Asia/Urumqi');
            INSERT INTO field (name, type, sensitive, profiling, updated_at) VALUES ('balance', 'number', false, false, now());
            INSERT INTO segment (segment_id, version) VALUES ('balance', 1), ('vip', 1);
            INSERT INTO segment_version (segment_id, version, name, rule, fields, depth, nodes, created_by, created_at) VALUES
                ('balance', 1, 'Balance', '{"field": "balance", "op": "gte", "value": 3000}', '{balance}', 1, 1, 'b', now()),
                ('vip', 1, 'VIP', '{"tag": "vip"}', '{}', 1, 1, 'b', now());
            INSERT INTO campaign (campaign_id, version, state, updated_at) VALUES ('bench', 1, 'draft', now());
            """
        );
        await bench.ExecuteAsync(
            $"""
            INSERT INTO customer (customer_id, attributes, tags, updated_at)
            SELECT 'C' || i, jsonb_build_object('balance', hashint8(i) & 65535, 'age', 18 + (hashint8(i * 7) & 63),
                    'city', (ARRAY['sh', 'bj', 'gz', 'sz'])[1 + (hashint8(i * 3) & 3)]),
                CASE WHEN hashint8(i * 17) & 7 = 0 THEN ARRAY['vip'] ELSE ARRAY['retail'] END, now()
            FROM generate_series(1, {customers}) i;
            INSERT INTO contact (customer_key, birth_date, reachable, shared, consented, opted_out, zone, preferred_slots,
                preferred_channels, last_day, contacts, personalisation_off)
            SELECT i, date '1950-01-01' + (hashint8(i * 5) & 16383) + (hashint8(i * 5) & 8191),
                CASE WHEN hashint8(i * 19) & 15 = 0 THEN 0 ELSE 1 + (hashint8(i * 19) & 7) % 7 END,
                CASE WHEN hashint8(i * 23) & 31 = 0 THEN hashint8(i * 19) & 1 ELSE 0 END,
                (hashint8(i * 29) & 7) | (hashint8(i * 31) & 7),
                CASE WHEN hashint8(i * 37) & 15 = 0 THEN 7 ELSE 0 END,
                1 + (hashint8(i * 41) & 1), hashint8(i * 43) & 7, CASE WHEN hashint8(i * 47) & 3 = 0 THEN 1 ELSE 0 END,
                (date '2026-03-01' - date '2000-01-01') - (hashint8(i * 53) & 3),
                (hashint8(i * 59) & 1) + 16 * (hashint8(i * 61) & 1) + 256 * (hashint8(i * 67) & 3)
                    + 4096 * (hashint8(i * 71) & 1),
                hashint8(i * 73) & 63 = 0
            FROM generate_series(1, {customers}) i;
            """
        );
        await bench.ExecuteAsync("ANALYZE customer, contact");
    }
}
