using System.Net.Http.Json;
using Campaigns.Demo;

namespace Campaigns.Faults.Running;

/// <summary>What the provider says of itself.</summary>
internal static class ProviderView
{
    private static readonly HttpClient Client = new();

    /// <summary>Items it has been asked for.</summary>
    public static async Task<long> LinesAsync(SimulatorProcess provider) => (await CountsAsync(provider)).Lines;

    /// <summary>Items of one outcome.</summary>
    public static async Task<long> ItemsAsync(SimulatorProcess provider, string outcome) =>
        (await CountsAsync(provider)).Ledger.Where(count => count.Outcome == outcome).Sum(count => count.Items);

    /// <summary>Whether every receipt has been posted and taken.</summary>
    public static async Task<bool> IsQuietAsync(SimulatorProcess provider) =>
        (await CountsAsync(provider)).Receipts is { Retrying: 0, Pending: 0 };

    /// <summary>Posts that the provider has ceased to try.</summary>
    public static async Task<long> GivenUpAsync(SimulatorProcess provider) =>
        (await CountsAsync(provider)).Receipts.GivenUp;

    /// <summary>What became of receipts, in words.</summary>
    public static async Task<string> ReceiptsAsync(SimulatorProcess provider) =>
        $"{(await CountsAsync(provider)).Receipts}";

    /// <summary>The ledger, from its first line on.</summary>
    public static async Task<List<Sent>> LedgerAsync(SimulatorProcess provider)
    {
        var lines = new List<Sent>();
        await foreach (var line in provider.LedgerAsync(CancellationToken.None))
        {
            lines.Add(line);
        }

        return lines;
    }

    private static async Task<Counts> CountsAsync(SimulatorProcess provider) =>
        (await Client.GetFromJsonAsync<Counts>(new Uri(provider.Address, "/simulator/counts")))!;

    private sealed record Counts(long Lines, IReadOnlyList<Count> Ledger, Receipts Receipts);

    private sealed record Count(string Outcome, long Items);

    private sealed record Receipts(long GivenUp, int Retrying, long Pending);
}
