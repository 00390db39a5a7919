using System.Text.Json;
using Campaigns.Statistics;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Statistics;

/// <summary>Every vector of the team's shared file, to six digits or better.</summary>
public sealed class PublishedVectorTests
{
    private static readonly Lazy<JsonElement> Vectors = new(() =>
    {
        using var json = JsonDocument.Parse(File.ReadAllText(SharedData.Path("vectors/statistics.json")));
        return json.RootElement.Clone();
    });

    [SharedDataFact]
    public void Newcombe()
    {
        foreach (var vector in All("newcombe_difference"))
        {
            var interval = Proportions.Newcombe(Treated(vector), Control(vector)).Value!.Value;
            Close(Number(vector, "lo"), interval.Low);
            Close(Number(vector, "hi"), interval.High);
        }
    }

    [SharedDataFact]
    public void Miettinen_and_Nurminen()
    {
        foreach (var vector in All("miettinen_nurminen_difference"))
        {
            var interval = Proportions.MiettinenNurminen(Treated(vector), Control(vector)).Value!.Value;
            Close(Number(vector, "lo"), interval.Low);
            Close(Number(vector, "hi"), interval.High);
        }
    }

    [SharedDataFact]
    public void Katz()
    {
        foreach (var vector in All("katz_relative_lift"))
        {
            var interval = Proportions.RelativeLift(Treated(vector), Control(vector)).Value!.Value;
            Close(Number(vector, "lift"), interval.Value);
            Close(Number(vector, "lo"), interval.Low);
            Close(Number(vector, "hi"), interval.High);
        }
    }

    [SharedDataFact]
    public void Sample_ratio()
    {
        foreach (var vector in All("sample_ratio_chi_square"))
        {
            var observed = Numbers(vector, "obs").Select(n => (long)n).ToList();
            var ratio = SampleRatio.Check(observed, Numbers(vector, "w")).Value!.Value;
            Close(Number(vector, "chi2"), ratio.ChiSquare!.Value);
            Close(Number(vector, "p"), ratio.PValue);
        }
    }

    [SharedDataFact]
    public void Holm_and_Benjamini_Hochberg()
    {
        foreach (var vector in All("holm"))
            AllClose(Numbers(vector, "adjusted"), MultipleComparisons.Holm(Numbers(vector, "p")));
        foreach (var vector in All("benjamini_hochberg"))
            AllClose(Numbers(vector, "adjusted"), MultipleComparisons.BenjaminiHochberg(Numbers(vector, "p")));
    }

    [SharedDataFact]
    public void Welch()
    {
        foreach (var vector in All("welch"))
        {
            var result = Means.Welch(Sums(vector, "treated"), Sums(vector, "control")).Value!.Value;
            Close(Number(vector, "difference"), result.Difference.Value);
            Close(Number(vector, "lo"), result.Difference.Low, 5e-8);
            Close(Number(vector, "hi"), result.Difference.High, 5e-8);
            Close(Number(vector, "p"), result.PValue, 5e-8);
        }
    }

    [SharedDataFact]
    public void Cuped()
    {
        foreach (var vector in All("cuped"))
        {
            var (treated, control) = (Pairs(vector, "treated"), Pairs(vector, "control"));
            var adjusted = Means.Cuped(treated, control).Value!.Value;
            var plain = Means.Welch(treated.Y, control.Y).Value!.Value;
            Close(Number(vector, "theta"), adjusted.Theta, 5e-8);
            Close(Number(vector, "difference"), adjusted.Difference.Value, 5e-8);
            Close(Number(vector, "standard_error"), adjusted.StandardError, 5e-8);
            Close(Number(vector, "unadjusted_difference"), plain.Difference.Value);
            Close(Number(vector, "unadjusted_standard_error"), plain.StandardError, 5e-8);
        }
    }

    [SharedDataFact]
    public void Rho()
    {
        foreach (var vector in All("rho_squared_root"))
        {
            var rho = ConfidenceSequence.Rho(Number(vector, "n_star"), Number(vector, "alpha"));
            Close(Number(vector, "rho"), rho, 5e-11);
        }
    }

    [SharedDataFact]
    public void Customers_for_a_power()
    {
        foreach (var vector in All("power"))
        {
            var needed = Power.CustomersPerArm(Number(vector, "p1"), Number(vector, "p2"), Number(vector, "power"));
            Close(Number(vector, "n_per_arm"), needed, Number(vector, "n_per_arm") * 1e-6);
        }
    }

    private static JsonElement.ArrayEnumerator All(string name) => Vectors.Value.GetProperty(name).EnumerateArray();

    private static double Number(JsonElement vector, string name) => vector.GetProperty(name).GetDouble();

    private static List<double> Numbers(JsonElement vector, string name) =>
        [.. vector.GetProperty(name).EnumerateArray().Select(e => e.GetDouble())];

    private static Arm Treated(JsonElement vector) => new((long)Number(vector, "x1"), (long)Number(vector, "n1"));

    private static Arm Control(JsonElement vector) => new((long)Number(vector, "x2"), (long)Number(vector, "n2"));

    private static Moments Sums(JsonElement vector, string arm)
    {
        var sums = vector.GetProperty(arm);
        return Moments.FromSums((long)Number(sums, "n"), Number(sums, "sum"), Number(sums, "sum_squares"));
    }

    private static PairedMoments Pairs(JsonElement vector, string arm) =>
        Samples.Paired(Numbers(vector.GetProperty(arm), "y"), Numbers(vector.GetProperty(arm), "x"));

    private static void Close(double expected, double actual, double within = 1e-9) =>
        Assert.InRange(actual, expected - within, expected + within);

    private static void AllClose(List<double> expected, IReadOnlyList<double> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        Assert.All(expected.Zip(actual), pair => Close(pair.First, pair.Second));
    }
}
