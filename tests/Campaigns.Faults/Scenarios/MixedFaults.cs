using System.Net;
using Campaigns.Database;
using Campaigns.Demo;
using Campaigns.Faults.Running;
using Campaigns.Simulator;
using Npgsql;

namespace Campaigns.Faults.Scenarios;

/// <summary>The faults that can be met in any order, at any time, and leave the machine as it was.</summary>
internal sealed class MixedFaults(Play play, Random random)
{
    private static readonly TimeSpan Spell = TimeSpan.FromSeconds(3);
    private readonly Scene _scene = play.Scene;
    private readonly List<Migration> _migrations = [.. Migrator.Own];
    private LossyProxy _proxy = null!;
    private bool _tenfold;

    public IReadOnlyList<(string Name, Func<Task> Do)> All =>
        [
            ("kill -9", KillAsync),
            ("SIGSTOP", StopAsync),
            ("SIGTERM", TerminateAsync),
            ("connection cut", CutAsync),
            ("PostgreSQL crash", CrashAsync),
            ("commit's answer lost", LoseAnswersAsync),
            ("deadlocks and 40001", LoseAsync),
            ("engine wiped", WipeAsync),
            ("engine fires tenfold", TenfoldAsync),
            ("clock two hours off", SkewAsync),
            ("two connections", StarveAsync),
            ("events beyond capacity", FloodAsync),
            ("migration", MigrateAsync),
            ("provider silent", () => BehaveAsync(Act.AcceptThenHang)),
            ("provider drops", () => BehaveAsync(Act.Drop)),
            ("provider slow", () => BehaveAsync(Act.Slow)),
            ("429", () => BehaveAsync(Act.Throttle)),
            ("storm of 503", () => BehaveAsync(Act.ServerError, times: 30)),
            ("partial batch", () => BehaveAsync(Act.Partial, times: 10)),
            (
                "receipts five times over",
                () =>
                    ReceiveAsync(
                        new()
                        {
                            DelaySeconds = 0,
                            Repeat = 5,
                            Shuffle = true,
                            Unknown = 2,
                        }
                    )
            ),
            ("receipts before the record", () => ReceiveAsync(new() { DelaySeconds = 0, BeforeAnswer = true })),
            ("pause", PauseAsync),
            ("refusal", RefuseAsync),
            ("API killed", ApiAsync),
        ];

    /// <summary>Puts beneath the nodes, before they start, what some faults need.</summary>
    public async Task PrepareAsync()
    {
        await Losers.InstallAsync(_scene.Sql);
        _proxy = _scene.Keep(new LossyProxy(_scene.Server.Connection(_scene.Database, "faults")));
        _scene.Connects = database => database.Port = _proxy.Port;
    }

    /// <summary>Ends what has not ended by itself.</summary>
    public async Task HealAsync()
    {
        await _scene.BehaveAsync();
        if (_tenfold)
        {
            await EngineTables.OnceAsync(_scene);
        }
    }

    private async Task LoseAnswersAsync()
    {
        var (before, since) = (_proxy.Lost, DateTimeOffset.UtcNow);
        while (_proxy.Lost < before + 5 && DateTimeOffset.UtcNow - since < Spell)
        {
            _proxy.LoseNext();
            await Task.Delay(TimeSpan.FromMilliseconds(100));
        }

        _proxy.Behave();
    }

    private async Task LoseAsync()
    {
        await Losers.BeginAsync(_scene.Sql);
        await Task.Delay(Spell);
        await Losers.EndAsync(_scene.Sql);
    }

    /// <summary>From now on, or no more.</summary>
    private Task TenfoldAsync() =>
        (_tenfold = !_tenfold) ? EngineTables.TenfoldAsync(_scene) : EngineTables.OnceAsync(_scene);

    private async Task SkewAsync()
    {
        var skewed = await _scene.SkewedWorkerAsync(TimeSpan.FromHours(2));
        await Task.Delay(Spell);
        await skewed.KillAsync();
    }

    private async Task StarveAsync()
    {
        await Worker().TerminateAsync();
        var usual = _scene.Connects;
        _scene.Connects = database =>
        {
            usual(database);
            (database.MaxPoolSize, database.Timeout) = (2, 5);
        };
        await _scene.WorkerAsync();
        _scene.Connects = usual;
    }

    private async Task FloodAsync()
    {
        using var flood = new Flood(_scene, $"flood-{random.Next()}", size: 200, customers: 1_500);
        await flood.RunAsync(batchesPerSecond: 100, Spell);
    }

    /// <summary>Adds a column to what is used most, or takes the last one away.</summary>
    private async Task MigrateAsync()
    {
        var (own, more) = (Migrator.Own.Count, _migrations.Count);
        var change = (more - own) / 4 % 2 == 0 ? "ADD COLUMN newer smallint NOT NULL DEFAULT 1" : "DROP COLUMN newer";
        string[] tables = ["event", "chunk", "outcome", "customer"];
        _migrations.AddRange(
            tables.Select((table, i) => new Migration($"9{more + i:0000}_mixed.sql", $"ALTER TABLE {table} {change}"))
        );
        await Migrator.MigrateAsync(_scene.Sql, _migrations, CancellationToken.None);
    }

    private Task ReceiveAsync(ReceiptScript receipts) => _scene.BehaveAsync(receipts: receipts, latencyMs: 150);

    private NodeProcess Worker()
    {
        var alive = _scene.Nodes.Where(node => !node.HasExited && node.Address != _scene.Api).ToList();
        return alive[random.Next(alive.Count)];
    }

    public async Task KillAsync()
    {
        var victim = Worker();
        await victim.KillAsync();
        await _scene.WorkerAsync();
    }

    private async Task TerminateAsync()
    {
        await Worker().TerminateAsync();
        await _scene.WorkerAsync();
    }

    private async Task StopAsync()
    {
        var zombie = Worker();
        zombie.Stop();
        await Task.Delay(TimeSpan.FromSeconds(1 + random.Next(7)));
        zombie.Continue();
    }

    private Task CutAsync() =>
        _scene.ExecuteAsync(
            """
            SELECT pg_terminate_backend(pid)
            FROM pg_stat_activity
            WHERE datname = @Database AND application_name LIKE 'campaigns-%'
            """,
            new { _scene.Database }
        );

    private async Task CrashAsync()
    {
        await _scene.Server.CrashAsync();
        _scene.Sql.Clear();
    }

    private Task WipeAsync() => EngineTables.WipeAsync(_scene);

    private Task BehaveAsync(Act act, int times = 3) =>
        _scene.BehaveAsync(
            [
                new Rule
                {
                    Do = act,
                    Times = times,
                    RetryAfter = "2",
                    Failed = 3,
                    Absent = 1,
                },
            ],
            latencyMs: 150
        );

    private async Task PauseAsync()
    {
        var running = await _scene.AskAsync<string?>(
            """
            SELECT min(p.campaign_id)
            FROM campaign p
            JOIN run r USING (campaign_key)
            WHERE p.state = 'running' AND r.state = 'planned'
            """
        );
        if (running is null)
        {
            return;
        }

        try
        {
            await _scene.Operator.PostAsync<object>($"/v1/campaigns/{running}/pause", null, default);
        }
        catch (Exception failure) when (IsUnanswered(failure) || failure is DemoException)
        {
            await ResumeAsync(running); // it has just finished, or is paused and nobody said so
            return;
        }

        var paused = DateTimeOffset.UtcNow;
        var before = await ProviderView.LinesAsync(_scene.Provider);
        await Wait.HoldsAsync(
            async () => await ProviderView.LinesAsync(_scene.Provider) == before,
            TimeSpan.FromSeconds(1 + random.Next(3))
        );
        var late = (await ProviderView.LedgerAsync(_scene.Provider)).Count(line => line.Real > paused);
        play.Must(late == 0, "I6", $"{late} items were sent after the pause of {running} had been answered");
        await ResumeAsync(running);
    }

    /// <summary>Where it is paused.</summary>
    private Task ResumeAsync(string campaign) =>
        AgainAsync(async () =>
        {
            if (
                await _scene.AskAsync<bool>(
                    "SELECT state = 'paused' FROM campaign WHERE campaign_id = @campaign",
                    new { campaign }
                )
            )
            {
                await _scene.Operator.PostAsync<object>(
                    $"/v1/campaigns/{campaign}/resume",
                    new { overdue = "send" },
                    default
                );
            }
        });

    private async Task RefuseAsync()
    {
        int[] customers =
        [
            .. Enumerable.Range(0, 20).Select(_ => 1 + random.Next(1_500)).Where(SmallBank.Agrees).Distinct(),
        ];
        await AgainAsync(() => _scene.Journal.RefuseAsync(_scene, customers));
    }

    /// <summary>The bank asks again what was not answered.</summary>
    private static Task AgainAsync(Func<Task> ask) =>
        Wait.UntilAsync(
            async () =>
            {
                try
                {
                    await ask();
                    return true;
                }
                catch (Exception failure) when (IsUnanswered(failure))
                {
                    return false;
                }
            },
            "the product answers"
        );

    /// <summary>Whether a call may have been done or not.</summary>
    public static bool IsUnanswered(Exception failure) =>
        failure
            is HttpRequestException
                or DemoException { Status: >= HttpStatusCode.InternalServerError }
                or NpgsqlException { IsTransient: true };

    private async Task ApiAsync()
    {
        await _scene.Nodes.Last(node => node.Address == _scene.Api && !node.HasExited).KillAsync();
        await _scene.ApiAsync();
    }
}
