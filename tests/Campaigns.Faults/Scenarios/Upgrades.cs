using Campaigns.Database;
using Campaigns.Faults.Running;
using Dapper;

namespace Campaigns.Faults.Scenarios;

/// <summary>A new version comes while nodes of the old one are at work: first it adds (expand), and when the last old node
/// has gone it takes away (contract).</summary>
internal static class Upgrades
{
    private static readonly (string Table, string Column)[] Columns =
    [
        ("customer", "newer text"),
        ("event", "newer smallint NOT NULL DEFAULT 1"),
        ("campaign", "newer jsonb"),
        ("run", "newer int"),
        ("chunk", "newer timestamptz"),
        ("attempt", "newer text[]"),
        ("outcome", "newer text"),
        ("receipt", "newer text"),
        ("decision", "newer smallint"),
    ];

    private static readonly IReadOnlyList<Migration> Expand =
    [
        .. Columns.Select(
            (c, i) => new Migration($"90{i:00}_expand.sql", $"ALTER TABLE {c.Table} ADD COLUMN {c.Column}")
        ),
        new("9050_expand.sql", "CREATE TABLE newer (id bigint PRIMARY KEY, customer_key bigint NOT NULL)"),
    ];

    private static readonly IReadOnlyList<Migration> Contract =
    [
        .. Columns.Select(
            (c, i) => new Migration($"91{i:00}_contract.sql", $"ALTER TABLE {c.Table} DROP COLUMN newer")
        ),
        new("9150_contract.sql", "DROP TABLE newer"),
    ];

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

        var expanded = await MigrateAsync(scene, [.. Migrator.Own, .. Expand]);
        play.Fault("expand beside old nodes");
        await scene.LaunchAsync(new CampaignSpec("between-sms") { Audience = 600 });
        await Task.WhenAll(scene.WorkerAsync(), scene.WorkerAsync());
        await Task.WhenAll(old.Select(node => node.TerminateAsync()));
        var contracted = await MigrateAsync(scene, [.. Migrator.Own, .. Expand, .. Contract]);
        play.Fault("contract");
        await scene.LaunchAsync(new CampaignSpec("after-app") { Channel = "app", Audience = 600 });
        await scene.ClosedAsync();
        await enough.CancelAsync();
        await events;

        foreach (
            var (what, count) in flood.Others.Append(new("503 overloaded", flood.Shed)).Where(one => one.Value > 0)
        )
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
            $"5xx {flood.Failed} of {flood.Sent} requests, the longest took {flood.Most.TotalSeconds:0.00} s; behind a transaction of {LongTransaction.TotalSeconds:0} s each, expanding took {expanded.TotalSeconds:0.0} s, contracting {contracted.TotalSeconds:0.0} s"
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
