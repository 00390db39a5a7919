using System.Globalization;
using System.Net;

namespace Campaigns.Demo;

/// <summary>What the command line asks for.</summary>
internal sealed record DemoOptions
{
    public const string Help = """
        Runs a bank's campaign from its first customer to its report, on this machine.

          dotnet run --project src/Campaigns.Demo -- [options]

          --customers N       synthetic customers, 100 to 10000000 (50000)
          --file CSV          real customers instead, with --map
          --map FILE          says which column becomes what (JSON)
          --exit              end after the report
          --json FILE         write the figures as JSON
          --help              this text

        With ConnectionStrings__Campaigns set, that database is used and no PostgreSQL is started; it must be
        empty, or have been the demo's before.
        """;

    private const int Fewest = 100;
    private const int Most = 10_000_000;

    public int Customers { get; private init; } = 50_000;
    public string? File { get; private init; }
    public string? Map { get; private init; }
    public bool Exit { get; private init; }
    public string? Json { get; private init; }
    public bool ShowHelp { get; private init; }

    /// <exception cref="UsageException">An option is wrong; the message is one line.</exception>
    public static DemoOptions Parse(IReadOnlyList<string> args)
    {
        var options = new DemoOptions();
        for (var i = 0; i < args.Count; i++)
        {
            options = args[i] switch
            {
                "--customers" => options with { Customers = Count(Value()) },
                "--file" => options with { File = Existing("--file", Value()) },
                "--map" => options with { Map = Existing("--map", Value()) },
                "--json" => options with { Json = Path.GetFullPath(Value()) },
                "--exit" => options with { Exit = true },
                "--help" or "-h" => options with { ShowHelp = true },
                var other => throw new UsageException($"{other} is no option; --help lists them."),
            };

            string Value() =>
                i + 1 < args.Count
                && args[i + 1] is { Length: > 0 } value
                && !value.StartsWith("--", StringComparison.Ordinal)
                    ? args[++i]
                    : throw new UsageException($"{args[i]} needs a value; --help says which.");
        }

        return options.ShowHelp || options.File is null == options.Map is null
            ? options
            : throw new UsageException("--file and --map go together: the map says which column becomes what.");
    }

    private static int Count(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
        && count is >= Fewest and <= Most
            ? count
            : throw new UsageException($"--customers is a whole number from {Fewest} to {Most}, not '{text}'.");

    private static string Existing(string option, string path) =>
        System.IO.File.Exists(path)
            ? Path.GetFullPath(path)
            : throw new UsageException($"{option}: there is no file {path}.");
}

/// <summary>The command line is wrong.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The demo cannot go on; the message is one line for the person who started it.</summary>
internal sealed class DemoException(string message, Exception? inner = null)
    : Exception(message.ReplaceLineEndings(" "), inner)
{
    /// <summary>What the service answered; null where it is not the service that is the matter.</summary>
    public HttpStatusCode? Status { get; init; }
}
