using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Segments;
using Dapper;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Benchmarks;

/// <summary><c>plan.1m</c>: from launch to attached, analysed decisions with their chunks, two lanes; against one session
/// that inserts the run's own decision rows from a prepared table, in their order, into a logged table with the same
/// columns and indexes, analysed. <c>plan.1m.pk</c>: the same with the primary key alone.</summary>
internal static class PlanBenchmark
{
    public static async Task RunAsync(Options options)
    {
        var customers = options.Rows ?? 1_000_000;
        await using var bench = await Bench.StartAsync("api");
        await FillAsync(bench, customers);
        var values = new List<double>();
        var floors = new List<double>();
        var keyFloors = new List<double>();
        long decisions = 0;
        for (var turn = 0; turn <= options.Turns; turn++)
        {
            await bench.ExecuteAsync("CHECKPOINT");
            var runKey = 0;
            var value = await Bench.TimeAsync(async () => runKey = await PlanAsync(bench));
            await bench.ExecuteAsync(
                $"CREATE TABLE prepared AS SELECT * FROM decision WHERE run_key = {runKey} ORDER BY customer_key; CHECKPOINT"
            );
            var floor = await FloorAsync(bench, withTouchIndex: true);
            var keyFloor = await FloorAsync(bench, withTouchIndex: false);
            if (turn == 0)
            {
                decisions = await DescribeAsync(bench, runKey);
            }
            else
            {
                values.Add(value);
                floors.Add(floor);
                keyFloors.Add(keyFloor);
            }

            await bench.ExecuteAsync($"DROP TABLE prepared; DROP TABLE decision_run_{runKey}; TRUNCATE chunk");
        }

        Print("plan.1m", decisions, values, floors);
        Print("plan.1m.pk", decisions, values, keyFloors);
    }

    private static void Print(string name, long decisions, List<double> values, List<double> floors)
    {
        var (ours, floor) = (decisions / Figure.Median(values), decisions / Figure.Median(floors));
        new Figure(name, Math.Round(ours), "decisions/s", Math.Round(floor), Math.Round(ours / floor, 3)).Print();
    }

    private static async Task<int> PlanAsync(Bench bench)
    {
        var run = 0;
        var parts = bench.Services.GetRequiredService<PartPlanner>();
        var launch = await Bench.TimeAsync(async () => run = await CreateAsync(bench));
        var planning = await Bench.TimeAsync(() =>
            Task.WhenAll(Enumerable.Range(0, 2).Select(_ => parts.PlanAsync(run, default)))
        );
        var completion = await Bench.TimeAsync(() =>
            bench.Services.GetRequiredService<RunCompletion>().CompleteAsync(run, default)
        );
        Console.WriteLine($"# launch {launch:0.00} s, parts {planning:0.00} s, completion {completion:0.00} s");
        return run;
    }

    private static async Task<int> CreateAsync(Bench bench)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var number = await connection.QuerySingleAsync<int>("SELECT count(*)::int + 1 FROM run");
        var asOf = new DateTimeOffset(2026, 3, 2, 0, 0, 0, TimeSpan.Zero);
        var created = await RunStore.CreateAsync(connection, 1, number, Plan, Calendar, asOf, default);
        await transaction.CommitAsync();
        return created.Value.RunKey;
    }

    private static async Task<double> FloorAsync(Bench bench, bool withTouchIndex)
    {
        await bench.ExecuteAsync(
            "CREATE TABLE bare (LIKE decision); ALTER TABLE bare ADD PRIMARY KEY (customer_key, step)"
        );
        if (withTouchIndex)
        {
            await bench.ExecuteAsync("CREATE INDEX ON bare (wave, variant, customer_key) WHERE reason = 0");
        }

        await bench.ExecuteAsync("CHECKPOINT");
        var seconds = await Bench.TimeAsync(async () =>
        {
            await bench.ExecuteAsync("INSERT INTO bare SELECT * FROM prepared");
            await bench.ExecuteAsync("ANALYZE bare");
        });
        await bench.ExecuteAsync("DROP TABLE bare");
        return seconds;
    }

    private static async Task<long> DescribeAsync(Bench bench, int runKey)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        var ledger = await Ledgers.ReadAsync(connection, runKey, Plan);
        var sizes = await connection.QuerySingleAsync<string>(
            $"""
            SELECT format('table %s MB, indexes %s MB, %s chunks',
                pg_table_size('decision_run_{runKey}') >> 20, pg_indexes_size('decision_run_{runKey}') >> 20,
                (SELECT count(*) FROM chunk WHERE run_key = {runKey}))
            """
        );
        var reasons = string.Join(", ", ledger.Suppressed.Select(reason => $"{reason.Key} {reason.Value}"));
        Console.WriteLine(
            $"# audience {ledger.Audience}, touches {ledger.Touches}, held out {ledger.HeldOut}; {reasons}; {sizes}"
        );
        return ledger.Audience;
    }

    private static CampaignCalendar Calendar =>
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

    private static RunPlan Plan =>
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
    private static async Task FillAsync(Bench bench, int customers)
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
