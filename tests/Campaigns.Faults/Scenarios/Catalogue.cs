namespace Campaigns.Faults.Scenarios;

/// <summary>The scenarios there are.</summary>
internal static class Catalogue
{
    private static readonly Scenario DefaultLease = new(
        "F2-defaults",
        "kill between claim and send, with the lease of production",
        Deaths.DefaultLeaseAsync
    );

    /// <summary>Of the gate; in the order of their numbers.</summary>
    public static IReadOnlyList<Scenario> Short { get; } =
    [.. Deaths.All.Concat(Cuts.All).Concat(Answers.All).OrderBy(Number)];

    public static IReadOnlyList<Scenario> All { get; } = [.. Short.Append(DefaultLease).OrderBy(Number)];

    public static Scenario Of(string id) => All.Single(scenario => scenario.Id == id);

    private static int Number(Scenario scenario) =>
        int.Parse(scenario.Id.AsSpan(1).ToString().Split('-')[0], System.Globalization.CultureInfo.InvariantCulture);
}
