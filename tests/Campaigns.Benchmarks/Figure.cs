using System.Text.Json;

namespace Campaigns.Benchmarks;

/// <summary>One line a figure.</summary>
/// <param name="Ratio">Value to floor, more being better.</param>
internal sealed record Figure(string Name, double Value, string Unit, double Floor, double Ratio)
{
    public void Print() => Console.WriteLine(JsonSerializer.Serialize(this, JsonSerializerOptions.Web));

    /// <summary>Of as many things in each of the seconds, medians of both.</summary>
    public static Figure OfSeconds(
        string name,
        string unit,
        double things,
        IEnumerable<double> values,
        IEnumerable<double> floors
    )
    {
        var (ours, floor) = (things / Median(values), things / Median(floors));
        return new Figure(name, Math.Round(ours), unit, Math.Round(floor), Math.Round(ours / floor, 3));
    }

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count % 2 == 1
            ? sorted[sorted.Count / 2]
            : (sorted[(sorted.Count / 2) - 1] + sorted[sorted.Count / 2]) / 2;
    }
}
