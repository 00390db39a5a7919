namespace Campaigns.Faults.Scenarios;

/// <summary>The scenarios there are.</summary>
internal static class Catalogue
{
    private static readonly Scenario DefaultLease = new(
        "F2-defaults",
        "kill between claim and send, with the lease of production",
        Deaths.DefaultLeaseAsync
    );

    // Together they kill in every phase, cut the database off, and stop a node in its sleep.
    private static readonly string[] OfTheGate = ["F3", "F4", "F5", "F7", "F9", "F22"];

    /// <summary>One of each fault, in the order of their numbers.</summary>
    public static IReadOnlyList<Scenario> Brief { get; } =
    [
        .. new[]
        {
            Deaths.All,
            Cuts.All,
            Answers.All,
            Storms.All,
            Losses.All,
            Contentions.All,
            Zones.All,
            Upgrades.All,
            Disks.All,
            Pressures.All,
        }
            .SelectMany(all => all)
            .OrderBy(Number),
    ];

    /// <summary>Those that a gate has the time for.</summary>
    public static IReadOnlyList<Scenario> Short { get; } =
    [.. Brief.Where(scenario => OfTheGate.Contains(scenario.Id))];

    public static IReadOnlyList<Scenario> All { get; } =
    [.. Brief.Append(DefaultLease).OrderBy(Number), Contentions.Capped, Paces.Kept];

    public static Scenario Of(string id) => All.Single(scenario => scenario.Id == id);

    private static int Number(Scenario scenario) =>
        int.Parse(scenario.Id.AsSpan(1).ToString().Split('-')[0], System.Globalization.CultureInfo.InvariantCulture);
}
