using Campaigns.Database;
using Campaigns.Faults.Running;
using Dapper;

namespace Campaigns.Faults.Scenarios;

/// <summary>A new version comes while nodes of the old one are at work: first it adds (expand), and when the last old node
/// has gone it takes away (contract).</summary>
internal static class Upgrades
{
    private static readonly Migration Expand = new(
        "9001_expand.sql",
        """
        ALTER TABLE customer ADD COLUMN newer text;
        ALTER TABLE event ADD COLUMN newer smallint NOT NULL DEFAULT 1;
        ALTER TABLE campaign ADD COLUMN newer jsonb;
        ALTER TABLE run ADD COLUMN newer int;
        ALTER TABLE chunk ADD COLUMN newer timestamptz;
        ALTER TABLE attempt ADD COLUMN newer text[];
        ALTER TABLE outcome ADD COLUMN newer text;
        ALTER TABLE receipt ADD COLUMN newer text;
        ALTER TABLE decision ADD COLUMN newer smallint;
        CREATE TABLE newer (id bigint PRIMARY KEY, customer_key bigint NOT NULL)
        """
    );

    private static readonly Migration Contract = new(
        "9002_contract.sql",
        """
        ALTER TABLE customer DROP COLUMN newer;
        ALTER TABLE event DROP COLUMN newer;
        ALTER TABLE campaign DROP COLUMN newer;
        ALTER TABLE run DROP COLUMN newer;
        ALTER TABLE chunk DROP COLUMN newer;
        ALTER TABLE attempt DROP COLUMN newer;
        ALTER TABLE outcome DROP COLUMN newer;
        ALTER TABLE receipt DROP COLUMN newer;
        ALTER TABLE decision DROP COLUMN newer;
        DROP TABLE newer
        """
    );

    /// <summary>That a migration may hold others up: while it waits for its locks, a moment at a time.</summary>
    private static readonly TimeSpan MostHeldUp = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan LongTransaction = TimeSpan.FromSeconds(5);

    public static IEnumerable<Scenario> All =>
        [new("F27", "a migration while old nodes live: expand, then contract", UpgradeAsync)];

    private static async Task UpgradeAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync(latencyMs: 100);
        await scene.StartAsync();
        var old = scene.Nodes.Where(node => node.Address != scene.Api).ToList();
        using var flood = new Flood(scene, "old", size: 20, customers: 2_000);
        using var enough = new CancellationTokenSource();
        var events = flood.RunAsync(batchesPerSecond: 10, enough.Token);
        await scene.LaunchAsync(new CampaignSpec("before-sms") { Audience = play.Size(1_000, 2_500), Variants = 2 });
        await scene.LaunchAsync(new CampaignSpec("before-app") { Channel = "app", Audience = play.Size(1_000, 2_500) });
        await scene.SentAsync(100);

        var expanded = await MigrateAsync(scene, [.. Migrator.Own, Expand]);
        play.Fault("expand beside old nodes");
        await scene.LaunchAsync(new CampaignSpec("between-sms") { Audience = 600 });
        await Task.WhenAll(scene.WorkerAsync(), scene.WorkerAsync());
        await Task.WhenAll(old.Select(node => node.TerminateAsync()));
        var contracted = await MigrateAsync(scene, [.. Migrator.Own, Expand, Contract]);
        play.Fault("contract");
        await scene.LaunchAsync(new CampaignSpec("after-app") { Channel = "app", Audience = 600 });
        await scene.ClosedAsync();
        await enough.CancelAsync();
        await events;

        foreach (var (what, count) in flood.Others)
        {
            play.Must(false, "5xx", $"{count} batches were answered with {what}");
        }

        var failures = scene.Nodes.SelectMany(node => node.Log).Where(IsFailure).ToList();
        play.Must(
            failures.Count == 0,
            "5xx",
            $"nodes wrote {failures.Count} errors, such as: {failures.FirstOrDefault()}"
        );
        play.Must(flood.Most < MostHeldUp, "wait", $"a batch took {flood.Most.TotalSeconds:0.0} s");
        play.Figure(
            $"5xx {flood.Others.Values.Sum() + flood.Shed} of {flood.Sent} requests, the longest took {flood.Most.TotalSeconds:0.00} s; behind a transaction of {LongTransaction.TotalSeconds:0} s each, expanding took {expanded.TotalSeconds:0.0} s, contracting {contracted.TotalSeconds:0.0} s"
        );
    }

    private static bool IsFailure(string line) =>
        line.Contains("cached plan", StringComparison.Ordinal)
        || line.StartsWith("fail:", StringComparison.Ordinal)
        || line.StartsWith("crit:", StringComparison.Ordinal);

    /// <summary>As a new node's start does, while somebody reads in a long transaction what is to be changed.</summary>
    private static async Task<TimeSpan> MigrateAsync(Scene scene, IReadOnlyList<Migration> migrations)
    {
        await using var reader = await scene.Sql.OpenConnectionAsync();
        await using var report = await reader.BeginTransactionAsync();
        await reader.ExecuteAsync("SELECT count(*) FROM event JOIN customer USING (customer_key)");
        var since = System.Diagnostics.Stopwatch.GetTimestamp();
        var migrating = Migrator.MigrateAsync(scene.Sql, migrations, CancellationToken.None);
        await Task.WhenAny(migrating, Task.Delay(LongTransaction));
        await report.RollbackAsync();
        await migrating;
        return System.Diagnostics.Stopwatch.GetElapsedTime(since);
    }
}
