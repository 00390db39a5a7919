using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Reports;
using Dapper;

namespace Campaigns.Benchmarks;

/// <summary>One sent campaign with a tenth held out: 24 waves over two channels and twelve days, three variants, and three
/// events for every decision (receipts, engagements, conversions).</summary>
internal static class ReportBank
{
    public const string Campaign = "bench";
    public const string Goal = "bought";
    public const int Waves = 24;

    /// <summary>The run's key.</summary>
    public static async Task<int> FillAsync(Bench bench, int rows)
    {
        var run = await PlanAsync(bench, rows);
        await SendAsync(bench, run);
        await RespondAsync(bench, run, rows);
        await bench.ExecuteAsync("VACUUM ANALYZE");
        return run;
    }

    /// <summary>Customers and decisions alone.</summary>
    /// <returns>The run's key.</returns>
    public static async Task<int> PlanAsync(Bench bench, int rows)
    {
        await bench.ExecuteAsync(
            $"""
            INSERT INTO customer (customer_id, updated_at) SELECT 'C' || i, now() FROM generate_series(1, {rows}) i;
            INSERT INTO contact (customer_key) SELECT i FROM generate_series(1, {rows}) i;
            """
        );
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        var run = await RunTable.NextKeyAsync(connection, RunTable.LargeFrom);
        await connection.ExecuteAsync(
            """
            INSERT INTO campaign (campaign_id, version, state, updated_at) VALUES (@Campaign, 1, 'draft', now());
            UPDATE campaign SET state = 'submitted';
            UPDATE campaign SET state = 'approved';
            UPDATE campaign SET state = 'running';
            INSERT INTO run (run_key, campaign_key, number, campaign_version, state, as_of, plan, created_at, planned_at)
            SELECT @run, campaign_key, 1, 1, 'planned', now() - interval '21 days', @plan::jsonb,
                now() - interval '21 days', now() - interval '21 days'
            FROM campaign;
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at)
            SELECT @run, w, 1 + w % 2, date_trunc('day', now()) + (w / 2 - 20) * interval '1 day' + interval '2 hours',
                date_trunc('day', now()) + (w / 2 - 20) * interval '1 day' + interval '10 hours'
            FROM generate_series(1, @Waves) w;
            INSERT INTO counted_run (run_key) VALUES (@run)
            """,
            new
            {
                run,
                Campaign,
                Waves,
                plan = JsonSerializer.Serialize(Plan(), ProductJson.Options),
            }
        );
        await RunTable.CreateAsync(connection, run);
        await connection.ExecuteAsync(
            $"""
            INSERT INTO {RunTable.Name(run)} (customer_key, run_key, wave, step, reason, channel, variant)
            SELECT i, @run, 1 + i % @Waves, 1, CASE WHEN i % 10 = 0 THEN 21 ELSE 0 END, 1 + (1 + i % @Waves) % 2, 1 + i % 3
            FROM generate_series(1, @rows) i
            """,
            new
            {
                run,
                rows,
                Waves,
            },
            commandTimeout: 0
        );
        await RunTable.AttachAsync(bench.DataSource, run, default);
        await connection.ExecuteAsync(
            """
            INSERT INTO run_ledger (run_key, step, reason, channel, variant, wave, customers)
            SELECT run_key, step, reason, channel, variant, wave, count(*) FROM decision WHERE run_key = @run
            GROUP BY 1, 2, 3, 4, 5, 6
            """,
            new { run },
            commandTimeout: 0
        );
        return run;
    }

    /// <summary>Requests of 1,000, all accepted.</summary>
    private static Task SendAsync(Bench bench, int run) =>
        bench.ExecuteAsync(
            $"""
            CREATE TEMPORARY TABLE request AS
            SELECT row_number() OVER () AS chunk, wave, channel, variant, customers
            FROM (
                SELECT wave, channel, variant, array_agg(customer_key ORDER BY customer_key) AS customers
                FROM (
                    SELECT *, row_number() OVER (PARTITION BY wave, variant ORDER BY customer_key) / 1000 AS block
                    FROM decision
                    WHERE run_key = {run} AND reason = 0
                ) d
                GROUP BY wave, channel, variant, block
            ) r;
            INSERT INTO chunk (run_key, chunk, wave, channel, variant, low_key, high_key, touches, due_at, state, requests)
            SELECT {run}, chunk, wave, channel, variant, customers[1], customers[cardinality(customers)],
                cardinality(customers), now(), 1, 1
            FROM request;
            INSERT INTO attempt (run_key, chunk, request, channel, variant, try, attempted_at, request_key, customer_keys)
            SELECT {run}, r.chunk, 1, r.channel, r.variant, 1, w.opens_at + r.chunk * interval '1 s', 'k-' || chunk, customers
            FROM request r
            JOIN wave w USING (wave);
            INSERT INTO outcome (run_key, chunk, request, answer, recorded_at, states, provider_ids)
            SELECT run_key, chunk, request, 1, attempted_at + interval '1 s', ARRAY[1], ARRAY[request_key] FROM attempt;
            DROP TABLE request
            """
        );

    /// <summary>0.8 receipts, 1.1 openings, 0.5 clicks, 0.3 dismissals and 0.3 conversions a decision.</summary>
    private static Task RespondAsync(Bench bench, int run, int rows) =>
        bench.ExecuteAsync(
            $"""
            INSERT INTO receipt (customer_key, run_key, chunk, request, state, answer, occurred_at, received_at)
            SELECT m.customer_key, run_key, chunk, request, 4, 1, attempted_at + interval '5 s', attempted_at + interval '9 s'
            FROM attempt, unnest(customer_keys) AS m (customer_key)
            WHERE m.customer_key * 7919 % 900 < 800;
            INSERT INTO event_source (name) VALUES ('bench');
            INSERT INTO engagement
                (run_key, wave, variant, customer_key, kind, occurred_at, recorded_at, event_source, event_id)
            SELECT {run}, d.wave, d.variant, d.customer_key,
                CASE WHEN i % 19 < 11 THEN 'opened' WHEN i % 19 < 16 THEN 'clicked' ELSE 'dismissed' END,
                w.opens_at + i % 7 * interval '1 day' + interval '3 hours', now(), 1, 'g' || i
            FROM generate_series(1, {rows} * 19 / 10) i
            JOIN decision d ON d.run_key = {run} AND d.customer_key = 1 + i * 7919::bigint % {rows} AND d.reason = 0
            JOIN wave w ON w.run_key = {run} AND w.wave = d.wave;
            INSERT INTO conversion
                (run_key, wave, variant, customer_key, arm, event_source, event_id, occurred_at, recorded_at, amount, currency,
                counted)
            SELECT {run}, d.wave, d.variant, d.customer_key, CASE d.reason WHEN 0 THEN 0 ELSE 1 END, 1, 'c' || i,
                w.opens_at + i % 7 * interval '1 day', now(), i % 1000, 'CNY', true
            FROM generate_series(1, {rows} * 3 / 10) i
            JOIN decision d ON d.run_key = {run} AND d.customer_key = 1 + i * 7919::bigint % {rows}
            JOIN wave w ON w.run_key = {run} AND w.wave = d.wave;
            ANALYZE;
            INSERT INTO report_cell (run_key, metric, arm, channel, variant, wave, day, n, amount)
            SELECT {run}, metric, arm, channel, variant, wave, day, n, amount
            FROM ({Recount.Cells.Replace("@runKey", $"{run}", StringComparison.Ordinal)}) c
            """
        );

    private static RunPlan Plan() =>
        new()
        {
            CampaignId = Campaign,
            CampaignVersion = 1,
            Purpose = Purpose.Marketing,
            Priority = 5,
            Include = [],
            Exclude = [],
            Channels = [Channel.Sms, Channel.WeChat],
            Variants =
            [
                new PlannedVariant(1, "a", 3_333),
                new PlannedVariant(2, "b", 6_667),
                new PlannedVariant(3, "c", 10_000),
            ],
            Templates = [],
            Goal = new Goal
            {
                Event = Goal,
                Window = TimeSpan.FromDays(30),
                EveryTime = true,
            },
            Caps = new FrequencyCaps(),
            HoldoutBuckets = 1_000,
            HoldoutSalt = "holdout",
            VariantSalt = "variant",
        };
}
