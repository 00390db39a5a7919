using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Dispatch;
using Campaigns.Jobs;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using NpgsqlTypes;

namespace Campaigns.Benchmarks;

/// <summary>Customers to send to, and planned runs of all of them in chunks of 1,000.</summary>
internal static class DispatchBank
{
    private const int ChunkSize = 1_000;

    public static string Phone(string key) => $"+86138{key.PadLeft(8, '0')}";

    public static string Text(string key) => $"Dear customer {key}, your card is ready.";

    /// <summary>Customers with a sealed phone, a name, consent, and as many contacts behind them as a week brings.</summary>
    public static async Task FillAsync(Bench bench, int customers)
    {
        await bench.ExecuteAsync(
            $$"""
            INSERT INTO customer (customer_id, attributes, updated_at)
            SELECT 'C' || i, jsonb_build_object('name', 'customer ' || i, 'balance', i::bigint * 7919 % 100000, 'city', 'Shanghai'), now()
            FROM generate_series(1, {{customers}}) i;
            INSERT INTO event_type (name) VALUES ('opened'), ('login');
            INSERT INTO event_source (name) VALUES ('bench');
            INSERT INTO event (customer_key, occurred_at, recorded_at, event_type, event_source, event_id)
            SELECT 1 + i % {{customers}}, now() - interval '10 days', now(), 1 + (i % 10 <> 0)::int, 1, 'e' || i
            FROM generate_series(1, {{customers}}) i;
            INSERT INTO template_version
                (template_id, version, channel, purpose, language, text, defaults, created_by, created_at)
            VALUES ('bench', 1, 1, 1, 'en', 'Dear {{"{{name}}"}}, your card is ready.', '{}', 'bench', now());
            """
        );
        await SealAsync(bench, customers);
        await NobodyContactedAsync(bench, customers);
        await bench.ExecuteAsync("ANALYZE");
    }

    /// <summary>Nobody has had a message, and nothing is left of earlier turns: an update would leave a dead row a customer,
    /// which a snapshot that is held keeps.</summary>
    public static async Task NobodyContactedAsync(Bench bench, int customers)
    {
        await bench.ExecuteAsync(
            $"""
            TRUNCATE contact;
            INSERT INTO contact (customer_key, reachable, consented) SELECT i, 7, 7 FROM generate_series(1, {customers}) i
            """
        );
        await bench.ExecuteAsync("VACUUM ANALYZE contact");
    }

    /// <summary>A campaign that runs, with a planned run whose only window is open.</summary>
    /// <returns>The run's key.</returns>
    public static async Task<int> PlanAsync(Bench bench, int customers, int priority, bool opensTomorrow = false)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        var run = await RunTable.NextKeyAsync(connection, RunTable.LargeFrom);
        var campaign = await connection.QuerySingleAsync<int>(
            """
            INSERT INTO campaign (campaign_id, version, state, updated_at)
            VALUES (@id, 1, 'draft', now())
            RETURNING campaign_key
            """,
            new { id = $"bench-{run}" }
        );
        foreach (var state in new[] { "submitted", "approved", "running" })
        {
            await connection.ExecuteAsync(
                "UPDATE campaign SET state = @state WHERE campaign_key = @campaign",
                new { state, campaign }
            );
        }

        await connection.ExecuteAsync(
            """
            INSERT INTO run (run_key, campaign_key, number, campaign_version, state, as_of, plan, created_at, planned_at)
            VALUES (@run, @campaign, 1, 1, 'planned', now() - interval '1 hour', @plan::jsonb, now(), now());
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at, touches)
            VALUES (@run, 1, 1, now() + @opens, now() + interval '2 days', @customers);
            INSERT INTO run_calendar (run_key, zone, slots, open_channels, waves, opens, days, months)
            VALUES (@run, 1, 0, 1, '{1,0,0}', '{}', '{}', '{}')
            """,
            new
            {
                run,
                campaign,
                customers,
                opens = opensTomorrow ? TimeSpan.FromHours(20) : TimeSpan.FromMinutes(-1),
                plan = JsonSerializer.Serialize(Plan(priority), ProductJson.Options),
            }
        );
        await RunTable.CreateAsync(connection, run);
        await connection.ExecuteAsync(
            $"""
            INSERT INTO {RunTable.Name(run)} (customer_key, run_key, wave, step, reason, channel, variant)
            SELECT i, @run, 1, 1, 0, 1, 1 FROM generate_series(1, @customers) i
            """,
            new { run, customers }
        );
        await RunTable.AttachAsync(bench.DataSource, run, default);
        await connection.ExecuteAsync(
            """
            INSERT INTO chunk (run_key, chunk, wave, channel, variant, low_key, high_key, touches, due_at)
            SELECT @run, 1 + (low - 1) / @ChunkSize, 1, 1, 1, low, least(low + @ChunkSize - 1, @customers),
                   least(@ChunkSize, @customers - low + 1), opens_at
            FROM generate_series(1, @customers, @ChunkSize) low, wave
            WHERE wave.run_key = @run;
            ANALYZE chunk;
            """,
            new
            {
                run,
                customers,
                ChunkSize,
            }
        );
        return run;
    }

    /// <summary>Works the run's only wave, in so many lanes.</summary>
    public static Task DispatchAsync(Bench bench, int run, int lanes)
    {
        var dispatcher = bench.Services.GetRequiredService<WaveDispatcher>();
        return Task.WhenAll(
            Enumerable
                .Range(1, lanes)
                .Select(lane => new Job($"bench:{run}:{lane}", JobKind.DispatchWave, $"{run}:1:{lane}", "bench"))
                .Select(job => Task.Run(() => dispatcher.RunAsync(job, CancellationToken.None)))
        );
    }

    private static RunPlan Plan(int priority) =>
        new()
        {
            CampaignId = "bench",
            CampaignVersion = 1,
            Purpose = Purpose.Marketing,
            Priority = priority,
            Include = [],
            Exclude = [],
            Channels = [Channel.Sms],
            Variants = [new PlannedVariant(1, "a", 10_000)],
            Templates = [new BoundTemplate(1, Channel.Sms, "bench", 1)],
            Goal = new Goal { Event = "opened", Window = TimeSpan.FromDays(14) },
            Caps = new FrequencyCaps
            {
                PerDay = 3,
                PerWeek = 10,
                PerChannelPerDay = new Dictionary<Channel, int> { [Channel.Sms] = 2 },
            },
            HoldoutBuckets = 1_000,
            HoldoutSalt = "holdout",
            VariantSalt = "variant",
        };

    private static async Task SealAsync(Bench bench, int customers)
    {
        var vault = bench.Services.GetRequiredService<AddressVault>();
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        await using var writer = await connection.BeginBinaryImportAsync(
            "COPY address (customer_key, channel, key_id, ciphertext, lookup) FROM STDIN (FORMAT binary)"
        );
        for (long key = 1; key <= customers; key++)
        {
            var address = vault.Seal(Channel.Sms, Phone($"{key}"));
            await writer.StartRowAsync();
            await writer.WriteAsync(key);
            await writer.WriteAsync((short)Channel.Sms);
            await writer.WriteAsync(address.KeyId);
            await writer.WriteAsync(address.Ciphertext, NpgsqlDbType.Bytea);
            await writer.WriteAsync(address.Lookup, NpgsqlDbType.Bytea);
        }

        await writer.CompleteAsync();
    }
}
