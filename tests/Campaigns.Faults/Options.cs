using System.Globalization;
using Campaigns.Faults.Running;
using Campaigns.Faults.Scenarios;

namespace Campaigns.Faults;

/// <summary>What the command line asks for.</summary>
internal sealed record Options
{
    public const string Help = """
        Breaks the product in every way of the list, and counts what it may not do.

          dotnet run --project tests/Campaigns.Faults -- short            some faults, a few times each
          dotnet run --project tests/Campaigns.Faults -- brief            every fault, a few times each
          dotnet run --project tests/Campaigns.Faults -- all              as often as the list asks
          dotnet run --project tests/Campaigns.Faults -- F3 F7            some; with --whole as often as the list asks
          dotnet run --project tests/Campaigns.Faults -- mix --seed 7 --minutes 30
          dotnet run --project tests/Campaigns.Faults -- planted          three bugs, which have to be found

          --customers N    of the bank (3000)
          --engine NAME    Quartz, or Hangfire where it is compiled in (Quartz)
          --logs           keeps what the nodes wrote, where a scenario found something

        The last line is "faults N, violations N"; the exit code is 1 where there are violations.
        """;

    public IReadOnlyList<string> Scenarios { get; private init; } = [];
    public bool Whole { get; private init; }
    public bool Mix { get; private init; }
    public bool Planted { get; private init; }
    public bool Logs { get; private init; }
    public int Seed { get; private init; } = 1;
    public double Minutes { get; private init; } = 5;
    public int Customers { get; private init; } = 3_000;
    public string Engine { get; private init; } = EngineTables.Quartz;

    /// <summary>Null where the line cannot be understood.</summary>
    public static Options? Parse(IReadOnlyList<string> args)
    {
        var options = new Options();
        for (var i = 0; i < args.Count; i++)
        {
            switch (args[i])
            {
                case "short":
                    options = options with { Scenarios = [.. Catalogue.Short.Select(scenario => scenario.Id)] };
                    break;
                case "brief":
                    options = options with { Scenarios = [.. Catalogue.Brief.Select(scenario => scenario.Id)] };
                    break;
                case "all":
                    options = options with
                    {
                        Scenarios = [.. Catalogue.All.Select(scenario => scenario.Id)],
                        Whole = true,
                    };
                    break;
                case "mix":
                    options = options with { Mix = true };
                    break;
                case "planted":
                    options = options with { Planted = true };
                    break;
                case "--whole":
                    options = options with { Whole = true };
                    break;
                case "--logs":
                    options = options with { Logs = true };
                    break;
                case "--seed" when Number(i + 1) is { } seed:
                    options = options with { Seed = (int)seed };
                    i++;
                    break;
                case "--minutes" when Number(i + 1) is { } minutes:
                    options = options with { Minutes = minutes };
                    i++;
                    break;
                case "--customers" when Number(i + 1) is >= 2_000 and var customers:
                    options = options with { Customers = (int)customers };
                    i++;
                    break;
                case "--engine" when i + 1 < args.Count && args[i + 1] is EngineTables.Quartz or EngineTables.Hangfire:
                    options = options with { Engine = args[++i] };
                    break;
                case var id when Catalogue.All.Any(scenario => scenario.Id == id):
                    options = options with { Scenarios = [.. options.Scenarios, id] };
                    break;
                default:
                    return null;
            }
        }

        return options is { Mix: false, Planted: false, Scenarios.Count: 0 } ? null : options;

        double? Number(int i) =>
            i < args.Count
            && double.TryParse(args[i], NumberStyles.Float, CultureInfo.InvariantCulture, out var n)
            && n > 0
                ? n
                : null;
    }
}
