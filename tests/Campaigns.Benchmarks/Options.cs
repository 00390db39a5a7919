using System.Globalization;

namespace Campaigns.Benchmarks;

/// <summary>What a benchmark is asked.</summary>
/// <param name="Rows">Size; null for the suite's own.</param>
/// <param name="Turns">How often value and floor take turns; medians are reported.</param>
/// <param name="Peers">Also measure what has to be installed first.</param>
internal sealed record Options(int? Rows, int Turns, bool Peers)
{
    public static Options Parse(string[] args)
    {
        var options = new Options(null, 5, false);
        for (var i = 0; i < args.Length; i++)
        {
            options = args[i] switch
            {
                "--rows" => options with { Rows = int.Parse(args[++i], CultureInfo.InvariantCulture) },
                "--turns" => options with { Turns = int.Parse(args[++i], CultureInfo.InvariantCulture) },
                "--peers" => options with { Peers = true },
                _ => throw new ArgumentException($"Unknown option {args[i]}.", nameof(args)),
            };
        }

        return options;
    }
}
