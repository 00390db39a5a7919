using System.Globalization;
using Campaigns.Demo;
using Campaigns.Faults.Checks;
using Campaigns.Faults.Running;
using Campaigns.Simulator;
using Dapper;

namespace Campaigns.Faults.Scenarios;

/// <summary>A fault of the list, as it is caused here.</summary>
/// <param name="Title">What is done to the product.</param>
internal sealed record Scenario(string Id, string Title, Func<Play, Task> PlayAsync)
{
    /// <summary>In a world of its own, on a disk that can be filled up.</summary>
    public bool OnSmallDisk { get; init; }
}

/// <summary>How often a fault is caused: until it shows, so often that a set stays short, or as the list asks.</summary>
internal enum Amount
{
    Once,
    Brief,
    Whole,
}

/// <summary>A scenario being played: what was done, what was measured, what was found.</summary>
internal sealed class Play(Scene scene, Amount amount, int seed)
{
    private readonly Dictionary<string, int> _faults = [];

    public Scene Scene => scene;

    /// <summary>Where the scenario asked for one.</summary>
    public SmallDisk? Disk { get; init; }
    public int Seed => seed;
    public IReadOnlyDictionary<string, int> Faults => _faults;
    public List<string> Figures { get; } = [];
    public List<Violation> Violations { get; } = [];

    public void Fault(string kind, int count = 1) => _faults[kind] = _faults.GetValueOrDefault(kind) + count;

    public void Figure(FormattableString figure) => Figures.Add(figure.ToString(CultureInfo.InvariantCulture));

    /// <summary>How often.</summary>
    public int Times(int brief, int often) =>
        amount switch
        {
            Amount.Once => Math.Min(1, brief),
            Amount.Brief => brief,
            _ => often,
        };

    /// <summary>How many, where one is no use.</summary>
    public int Size(int brief, int whole) => amount == Amount.Whole ? whole : brief;

    public void Must(bool holds, string invariant, string otherwise)
    {
        if (!holds)
        {
            Violations.Add(new Violation(invariant, otherwise));
        }
    }

    /// <summary>Kills a node as <c>kill -9</c> does; the sessions it leaves end too.</summary>
    public async Task KillAsync(NodeProcess node)
    {
        await node.KillAsync();
        await Gate.EndSessionsAsync(scene.Sql, node.Name);
        Fault("kill -9");
    }

    /// <summary>Waits for a node to come to the gate.</summary>
    public async Task<NodeProcess> AtGateAsync(Gate gate)
    {
        NodeProcess? found = null;
        await Wait.UntilAsync(
            async () =>
            {
                var names = await gate.WaitingAsync();
                found = scene.Nodes.FirstOrDefault(node => !node.HasExited && names.Contains(node.Name));
                return found is not null;
            },
            "a node comes to the gate"
        );
        return found!;
    }

    /// <summary>Waits for a node to hold a lease.</summary>
    public async Task<NodeProcess> HolderAsync()
    {
        NodeProcess? found = null;
        await Wait.UntilAsync(async () => (found = await scene.HolderAsync()) is not null, "a node holds a lease");
        return found!;
    }

    /// <summary>Waits until somebody else has taken over from a node that holds no lease any more.</summary>
    /// <returns>How long after <paramref name="since"/>.</returns>
    public async Task<TimeSpan> TakenOverAsync(NodeProcess from, DateTimeOffset since, int seconds = 90)
    {
        DateTimeOffset? at = null;
        await Wait.UntilAsync(
            async () =>
            {
                await using var connection = await scene.Sql.OpenConnectionAsync();
                at = await connection.QuerySingleAsync<DateTimeOffset?>(
                    "SELECT min(at) FROM faults.claim WHERE held_by = @Name AND at > @since",
                    new { from.Name, since }
                );
                return at is not null;
            },
            $"what {from.Name} held is taken over",
            seconds
        );
        return at!.Value - since;
    }

    /// <summary>The ledger's items by outcome.</summary>
    public async Task<Dictionary<string, int>> OutcomesAsync() =>
        (await ProviderView.LedgerAsync(scene.Provider))
            .GroupBy(line => line.Outcome)
            .ToDictionary(g => g.Key, g => g.Count());

    /// <summary>Every request that has an answer in the database, as states of touches.</summary>
    public async Task<Dictionary<string, int>> StatesAsync(string campaign)
    {
        var facts = await Facts.ReadAsync(scene);
        var run = facts.Runs.Values.Single(one => one.CampaignId == campaign);
        return Oracle
            .StatesOf(facts, run.RunKey)
            .Values.GroupBy(state => state)
            .ToDictionary(g => g.Key, g => g.Count());
    }

    public static Rule Rule(string channel, Act act) => new() { Channel = channel, Do = act };

    public static string Median(IReadOnlyList<TimeSpan> times)
    {
        var sorted = times.Order().ToList();
        return string.Create(
            CultureInfo.InvariantCulture,
            $"median {sorted[sorted.Count / 2].TotalSeconds:0.0} s, worst {sorted[^1].TotalSeconds:0.0} s"
        );
    }
}
