using Campaigns.Benchmarks;

var suites = new Dictionary<string, Func<Options, Task>>(StringComparer.Ordinal)
{
    ["import"] = ImportBenchmark.RunAsync,
    ["plan"] = PlanBenchmark.RunAsync,
    ["segment"] = SegmentBenchmark.RunAsync,
    ["dispatch"] = DispatchBenchmark.RunAsync,
    ["dispatch-http"] = HttpBenchmark.RunAsync,
    ["report"] = ReportBenchmark.RunAsync,
    ["ingest"] = IngestBenchmark.RunAsync,
};

if (args.Length == 0 || !suites.TryGetValue(args[0], out var suite))
{
    Console.Error.WriteLine(
        $"usage: Campaigns.Benchmarks {string.Join('|', suites.Keys)} [--rows N] [--turns N] [--peers]"
    );
    return 2;
}

await suite(Options.Parse(args[1..]));
return 0;
