namespace Campaigns.Statistics;

/// <summary>Adjusts the p-values of several comparisons with the control arm; the result is in the order given.</summary>
public static class MultipleComparisons
{
    /// <summary>Holm's step-down: bounds the chance of any false alarm in the family.</summary>
    public static IReadOnlyList<double> Holm(IReadOnlyList<double> pValues) =>
        Adjust(pValues, Enumerable.Range(0, pValues.Count), rank => pValues.Count - rank, Math.Max);

    /// <summary>Benjamini and Hochberg's step-up: bounds the share of false alarms among the alarms.</summary>
    public static IReadOnlyList<double> BenjaminiHochberg(IReadOnlyList<double> pValues) =>
        Adjust(
            pValues,
            Enumerable.Range(0, pValues.Count).Reverse(),
            rank => (double)pValues.Count / (rank + 1),
            Math.Min
        );

    /// <summary>Multiplies each p by the factor of its rank, smallest first, and carries the bound along the ranks.
    /// </summary>
    private static double[] Adjust(
        IReadOnlyList<double> pValues,
        IEnumerable<int> ranks,
        Func<int, double> factor,
        Func<double, double, double> carry
    )
    {
        var byRank = Enumerable.Range(0, pValues.Count).OrderBy(i => pValues[i]).ToArray();
        var adjusted = new double[pValues.Count];
        double? bound = null;
        foreach (var rank in ranks)
        {
            var own = Math.Min(1, pValues[byRank[rank]] * factor(rank));
            bound = bound is { } carried ? carry(carried, own) : own;
            adjusted[byRank[rank]] = bound.Value;
        }
        return adjusted;
    }
}
