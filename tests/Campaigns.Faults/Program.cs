using System.Diagnostics;
using System.Globalization;
using Campaigns.Embedded;
using Campaigns.Faults.Running;
using Campaigns.Faults.Scenarios;

namespace Campaigns.Faults;

internal static class Program
{
    private const int WrongUse = 2;

    private static async Task<int> Main(string[] args)
    {
        if (args is [SkewedNode.Verb, var ahead])
        {
            await SkewedNode.RunAsync(ahead);
            return 0;
        }

        if (Options.Parse(args) is not { } options)
        {
            Console.WriteLine(Options.Help);
            return WrongUse;
        }

        try
        {
            return await RunAsync(options);
        }
        catch (EmbeddedPostgresException failure)
        {
            await Console.Error.WriteLineAsync(failure.Message);
            return 1;
        }
    }

    private static async Task<int> RunAsync(Options options)
    {
        var since = Stopwatch.GetTimestamp();
        await using var world = await World.OpenAsync(options.Engine, options.Customers);
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"a bank of {options.Customers} customers is ready after {Stopwatch.GetElapsedTime(since).TotalSeconds:0.0} s; engine {world.Engine}"
            )
        );
        var runner = new Runner(world, options);
        foreach (var id in options.Scenarios)
        {
            await runner.PlayAsync(Catalogue.Of(id));
        }

        if (options.Mix)
        {
            await runner.PlayAsync(Mix.Of(options.Seed, TimeSpan.FromMinutes(options.Minutes)));
        }

        var missed = 0;
        foreach (var bug in options.Planted ? PlantedBug.All : [])
        {
            missed += await runner.FindsAsync(bug) ? 0 : 1;
        }

        if (missed > 0)
        {
            Console.WriteLine($"{missed} planted bugs were not found");
        }

        Console.WriteLine($"faults {runner.Faults}, violations {runner.Violations}");
        return runner.Violations + missed == 0 ? 0 : 1;
    }
}
