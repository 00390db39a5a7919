using System.Text.Json;

namespace Campaigns.Benchmarks;

/// <summary>One line a figure.</summary>
/// <param name="Ratio">Value to floor, more being better.</param>
internal sealed record Figure(string Name, double Value, string Unit, double Floor, double Ratio)
{
    public void Print() => Console.WriteLine(JsonSerializer.Serialize(this, JsonSerializerOptions.Web));

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count % 2 == 1
            ? sorted[sorted.Count / 2]
            : (sorted[(sorted.Count / 2) - 1] + sorted[sorted.Count / 2]) / 2;
    }
}
