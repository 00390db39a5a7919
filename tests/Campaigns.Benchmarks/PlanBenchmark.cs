using System.Diagnostics;
using Campaigns.Jobs;
using Campaigns.Planning;
using Dapper;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Benchmarks;

/// <summary><c>plan.1m</c>: from launch to attached, analysed decisions with their chunks, two lanes; against one session
/// that inserts the run's own decision rows from a prepared table, in their order, into a logged table with the same
/// columns and indexes, analysed. <c>plan.1m.pk</c>: the same with the primary key alone.</summary>
internal static class PlanBenchmark
{
    private const int Enqueued = 20_000;

    public static async Task RunAsync(Options options)
    {
        var customers = options.Rows ?? 1_000_000;
        await using var bench = await Bench.StartAsync("api");
        await PlanBank.FillAsync(bench, customers);
        var values = new List<double>();
        var floors = new List<double>();
        var keyFloors = new List<double>();
        Ledger? ledger = null;
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
                ledger = await DescribeAsync(bench, runKey);
                await PlanCheck.CompareAsync(bench, runKey, customers);
            }
            else
            {
                values.Add(value);
                floors.Add(floor);
                keyFloors.Add(keyFloor);
            }

            await bench.ExecuteAsync($"DROP TABLE prepared; DROP TABLE decision_run_{runKey}; TRUNCATE chunk");
        }

        var name = $"plan.{customers / 1_000_000}m";
        Figure.OfSeconds(name, "decisions/s", ledger!.Audience, values, floors).Print();
        Figure.OfSeconds($"{name}.pk", "decisions/s", ledger.Audience, values, keyFloors).Print();
        await PrintJobsAsync(bench, ledger.Touches / Figure.Median(values));
    }

    /// <summary>What one job a touch would have taken to enqueue alone.</summary>
    private static async Task PrintJobsAsync(Bench bench, double touches)
    {
        var engine = bench.Services.GetRequiredService<IJobEngine>();
        var seconds = await Bench.TimeAsync(() =>
            Parallel.ForEachAsync(
                Enumerable.Range(0, Enqueued),
                new ParallelOptions { MaxDegreeOfParallelism = 8 },
                async (i, token) =>
                    await engine.RunAtAsync(
                        new Job($"bench:{i}", JobKind.DispatchWave, "0", "one touch"),
                        PlanBank.AsOf.AddYears(100),
                        token
                    )
            )
        );
        var jobs = Enqueued / seconds;
        Console.WriteLine($"# jobs: {engine.Name}, {Enqueued} of them");
        new Figure(
            "plan.jobs",
            Math.Round(touches),
            "touches/s",
            Math.Round(jobs),
            Math.Round(touches / jobs, 1)
        ).Print();
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
        using var process = Process.GetCurrentProcess();
        Console.WriteLine(
            $"# launch {launch:0.00} s, parts {planning:0.00} s, completion {completion:0.00} s; host {process.WorkingSet64 >> 20} MB"
        );
        return run;
    }

    private static async Task<int> CreateAsync(Bench bench)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var number = await connection.QuerySingleAsync<int>("SELECT count(*)::int + 1 FROM run");
        var created = await RunStore.CreateAsync(
            connection,
            1,
            number,
            PlanBank.Plan,
            PlanBank.Calendar,
            PlanBank.AsOf,
            default
        );
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
            await bench.ExecuteAsync(
                "CREATE INDEX ON bare (touch_place(wave, variant, customer_key)) WHERE reason = 0"
            );
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

    private static async Task<Ledger> DescribeAsync(Bench bench, int runKey)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        var ledger = await Ledgers.ReadAsync(connection, runKey, PlanBank.Plan);
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
        return ledger;
    }
}
