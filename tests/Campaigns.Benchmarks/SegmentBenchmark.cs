using System.Text.Json;
using Campaigns.Access;
using Campaigns.Customers;
using Campaigns.Segments;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Campaigns.Benchmarks;

/// <summary><c>segment.count</c>: a rule of six tests, two of them of events, counted by the product over jsonb attributes;
/// against SQL that somebody who knows the bank would write by hand, over typed columns. The plan of the latter is in
/// <c>segment.count.explain.txt</c>. Where the two differ in what they count the figure is void.</summary>
internal static class SegmentBenchmark
{
    private const int EventsPerCustomer = 10;
    private static readonly DateTimeOffset AsOf = new(2026, 3, 2, 0, 0, 0, TimeSpan.Zero);

    private const string Rule = """
        {"all": [
            {"field": "balance", "op": "gte", "value": 1000},
            {"field": "job", "op": "in", "value": ["management", "retired", "technician"]},
            {"any": [{"tag": "vip"}, {"field": "opened_on", "op": "gte", "value": "today-6y"}]},
            {"event": "payment", "atLeast": 2, "within": "P30D"},
            {"event": "login", "never": true, "within": "P7D"}
        ]}
        """;

    private const string ByHand = """
        SELECT count(*) FROM typed_customer c
        WHERE balance >= 1000 AND job IN ('management', 'retired', 'technician')
            AND (tags @> '{vip}' OR opened_on >= date '2020-03-02')
            AND customer_key IN (
                SELECT customer_key FROM event
                WHERE event_type = 1 AND occurred_at > timestamptz '2026-01-31 00:00Z'
                    AND occurred_at <= timestamptz '2026-03-02 00:00Z'
                GROUP BY customer_key HAVING count(*) >= 2)
            AND NOT EXISTS (
                SELECT FROM event e
                WHERE e.event_type = 2 AND e.customer_key = c.customer_key
                    AND occurred_at > timestamptz '2026-02-23 00:00Z' AND occurred_at <= timestamptz '2026-03-02 00:00Z')
        """;

    public static async Task RunAsync(Options options)
    {
        var customers = options.Rows ?? 1_000_000;
        await using var bench = await Bench.StartAsync("api");
        await FillAsync(bench, customers);
        var (ours, hand) = (new List<double>(), new List<double>());
        for (var turn = 0; turn <= options.Turns; turn++)
        {
            var (counted, expected) = (0L, 0L);
            var value = await Bench.TimeAsync(async () => counted = await CountAsync(bench));
            var floor = await Bench.TimeAsync(async () => expected = await CountByHandAsync(bench));
            if (counted != expected || counted == 0)
            {
                throw new InvalidOperationException($"Counted {counted:#,0}; by hand it is {expected:#,0}.");
            }

            if (turn > 0)
            {
                ours.Add(value);
                hand.Add(floor);
            }
        }

        await ExplainAsync(bench);
        var (rate, handRate) = (customers / Figure.Median(ours), customers / Figure.Median(hand));
        new Figure(
            "segment.count",
            Math.Round(rate),
            "customers/s",
            Math.Round(handRate),
            Math.Round(rate / handRate, 3)
        ).Print();
    }

    private static async Task<long> CountAsync(Bench bench)
    {
        var members = bench.Services.GetRequiredService<SegmentMembers>();
        return (await members.CountAsync("measured", null, AsOf, CancellationToken.None)).Value.Count;
    }

    private static async Task<long> CountByHandAsync(Bench bench)
    {
        await using var connection = await OpenAsync(bench);
        return await connection.ExecuteScalarAsync<long>(ByHand, commandTimeout: 0);
    }

    private static async Task ExplainAsync(Bench bench)
    {
        await using var connection = await OpenAsync(bench);
        var plan = await connection.QueryAsync<string>("EXPLAIN (ANALYZE) " + ByHand, commandTimeout: 0);
        foreach (var line in plan)
        {
            Console.WriteLine($"# {line}");
        }
    }

    private static async Task<NpgsqlConnection> OpenAsync(Bench bench)
    {
        var connection = await bench.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("SET work_mem = '64MB'"); // as much as the product gives itself
        return connection;
    }

    private static async Task FillAsync(Bench bench, int customers)
    {
        var marketer = new Actor("benchmark", Role.Marketer);
        var fields = bench.Services.GetRequiredService<Fields>();
        foreach (
            var field in new Field[]
            {
                new("balance", FieldType.Number),
                new("job", FieldType.Text),
                new("city", FieldType.Text),
                new("housing", FieldType.Boolean),
                new("opened_on", FieldType.Date),
            }
        )
        {
            _ = (await fields.PutAsync(marketer, field, CancellationToken.None)).Value;
        }

        await bench.ExecuteAsync(
            $$"""
            SELECT setseed(0.42);
            INSERT INTO event_type (name) VALUES ('payment'), ('login'), ('transfer'), ('complaint');
            INSERT INTO customer (customer_id, attributes, tags, updated_at)
            SELECT 'C' || i,
                jsonb_build_object(
                    'balance', round((random() * 20000 - 1000)::numeric, 2),
                    'job', (ARRAY['management', 'technician', 'retired', 'blue-collar', 'services', 'student'])[1 + floor(random() * 6)::int],
                    'city', (ARRAY['Shanghai', 'Beijing', 'Shenzhen', 'Chengdu'])[1 + floor(random() * 4)::int],
                    'housing', random() < 0.5,
                    'opened_on', to_char(date '2015-01-01' + floor(random() * 4000)::int, 'YYYY-MM-DD')),
                CASE WHEN random() < 0.1 THEN '{payroll,vip}'::text[] WHEN random() < 0.3 THEN '{payroll}' ELSE '{}' END,
                now()
            FROM generate_series(1, {{customers}}) i;
            INSERT INTO contact (customer_key) SELECT customer_key FROM customer ORDER BY customer_key;
            INSERT INTO event (customer_key, occurred_at, recorded_at, event_type, event_source, event_id, amount)
            SELECT 1 + floor(random() * {{customers}})::bigint,
                timestamptz '2026-03-02 00:00Z' - random() * interval '90 days', now(), 1 + i % 4, 1, 'e' || i,
                round((random() * 5000)::numeric, 2)
            FROM generate_series(1, {{customers}}::bigint * {{EventsPerCustomer}}) i;
            CREATE TABLE typed_customer AS
            SELECT customer_key, (attributes->>'balance')::numeric AS balance, attributes->>'job' AS job,
                attributes->>'city' AS city, (attributes->>'housing')::boolean AS housing,
                (attributes->>'opened_on')::date AS opened_on, tags
            FROM customer ORDER BY customer_key;
            ALTER TABLE typed_customer ADD PRIMARY KEY (customer_key)
            """
        );
        await bench.ExecuteAsync("VACUUM (ANALYZE)");
        using var rule = JsonDocument.Parse(Rule);
        _ = (
            await bench
                .Services.GetRequiredService<SegmentStore>()
                .PutAsync(
                    marketer,
                    "measured",
                    new SegmentDraft("Measured", rule.RootElement),
                    null,
                    CancellationToken.None
                )
        ).Value;
    }
}
