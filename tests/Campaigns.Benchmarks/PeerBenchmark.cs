using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Campaigns.Jobs;
using Campaigns.Tests.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Campaigns.Benchmarks;

/// <summary>What a user would have without us, on the same PostgreSQL, enqueued and drained, doing nothing for a touch:
/// <c>dispatch.graphile</c> and <c>dispatch.jobs</c> say how many times as fast the production path is.</summary>
internal static class PeerBenchmark
{
    private const int GraphileJobs = 100_000;
    private const int EngineJobs = 2_000;
    private const double GraphileAtItsBest = 15_000;

    /// <param name="touches">A second, by the production path.</param>
    public static async Task RunAsync(Bench bench, double touches)
    {
        var graphile = await GraphileAsync(bench);
        Print("dispatch.graphile", touches, graphile.Together);
        if (graphile.Drain < GraphileAtItsBest)
        {
            Console.WriteLine($"# dispatch.graphile is void: it drained {graphile.Drain:0} a second, not at its best");
        }

        Print("dispatch.jobs", touches, (await EngineAsync(bench)).Together);
    }

    private static void Print(string name, double touches, double peer) =>
        new Figure(name, Math.Round(touches), "touches/s", Math.Round(peer), Math.Round(touches / peer, 2)).Print();

    /// <summary>Jobs a second.</summary>
    private sealed record Speeds(double Enqueue, double Drain)
    {
        public double Together => 1 / ((1 / Enqueue) + (1 / Drain));
    }

    private static async Task<Speeds> GraphileAsync(Bench bench)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "peers");
        await RunAsync(folder, "npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent");
        await bench.ExecuteAsync("CREATE DATABASE graphile");
        var target = new NpgsqlConnectionStringBuilder(bench.ConnectionString);
        var url =
            $"postgres://{target.Username}:{Uri.EscapeDataString(target.Password ?? "")}@{target.Host}:{target.Port}/graphile";
        var answer = await RunAsync(folder, "node", "graphile-worker.mjs", url, $"{GraphileJobs}");
        using var seconds = JsonDocument.Parse(answer);
        return Describe(
            "graphile-worker",
            GraphileJobs,
            seconds.RootElement.GetProperty("enqueue").GetDouble(),
            seconds.RootElement.GetProperty("drain").GetDouble()
        );
    }

    /// <summary>Our own engine, one job a touch. The node of the bench only asks; another runs them.</summary>
    private static async Task<Speeds> EngineAsync(Bench bench)
    {
        var left = EngineJobs;
        var done = new TaskCompletionSource();
        var engine = bench.Services.GetRequiredService<IJobEngine>();
        var enqueue = await Bench.TimeAsync(() =>
            Parallel.ForEachAsync(
                Enumerable.Range(0, EngineJobs),
                new ParallelOptions { MaxDegreeOfParallelism = 8 },
                async (i, token) =>
                    await engine.RunNowAsync(new Job($"peer:{i}", JobKind.RefreshReports, "0", "one touch"), token)
            )
        );
        var since = Stopwatch.GetTimestamp();
        await using var worker = await JobNode.StartAsync(engine.Name, bench.ConnectionString, WorkAsync);
        await done.Task;
        var drain = Stopwatch.GetElapsedTime(since).TotalSeconds;
        return Describe(engine.Name, EngineJobs, enqueue, drain);

        Task WorkAsync(Job job, CancellationToken stopping)
        {
            if (job.Id.StartsWith("peer:", StringComparison.Ordinal) && Interlocked.Decrement(ref left) == 0)
            {
                done.TrySetResult();
            }

            return Task.CompletedTask;
        }
    }

    private static Speeds Describe(string name, int jobs, double enqueue, double drain)
    {
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"# {name}: {jobs} jobs, enqueued {jobs / enqueue:0} a second, drained {jobs / drain:0} a second"
            )
        );
        return new Speeds(jobs / enqueue, jobs / drain);
    }

    private static async Task<string> RunAsync(string folder, string program, params string[] arguments)
    {
        var info = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        using var process = Process.Start(info)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"{program} ended with {process.ExitCode}; is Node.js installed?");
    }
}
