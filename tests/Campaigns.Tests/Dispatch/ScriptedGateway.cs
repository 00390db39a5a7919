using System.Collections.Concurrent;
using Campaigns.Channels;

namespace Campaigns.Tests.Dispatch;

/// <summary>A gateway in the process, with a ledger of what it accepted and a script of what it answers.</summary>
internal sealed class ScriptedGateway(Channel channel, string? name = null) : IGateway
{
    private readonly ConcurrentQueue<LedgerEntry> _ledger = new();
    private readonly ConcurrentDictionary<string, SendResult> _byKey = new();
    private int _requests;

    public GatewayDeclaration Declaration { get; set; } =
        new()
        {
            Name = name ?? $"scripted-{channel}",
            Channel = channel,
            Purposes = new HashSet<Purpose> { Purpose.Marketing, Purpose.Servicing },
            Variables = true,
            Sender = AddedBy.NotNeeded,
            Refusal = AddedBy.NotNeeded,
            MaxBatch = 10,
            Dedupe = Dedupe.Key,
            DedupePeriod = TimeSpan.FromHours(24),
        };

    /// <summary>What became of each item; null to accept all.</summary>
    public Func<SendRequest, Task<SendResult>>? Answer { get; set; }

    public IReadOnlyList<LedgerEntry> Ledger => [.. _ledger];
    public int Requests => _requests;

    public async Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _requests);
        if (Declaration.Dedupe == Dedupe.Key && _byKey.TryGetValue(request.Key, out var before))
        {
            return before;
        }

        return Answer is null ? Accept(request) : await Answer(request);
    }

    /// <summary>Accepts every item into the ledger.</summary>
    public SendResult Accept(SendRequest request)
    {
        var items = request.Items.Select(item => Accept(request, item)).ToArray();
        var result = new SendResult.Answered(items);
        _byKey[request.Key] = result;
        return result;
    }

    /// <summary>Accepts one item into the ledger.</summary>
    public ItemResult Accept(SendRequest request, SendItem item)
    {
        _ledger.Enqueue(new LedgerEntry(request.Key, item.TouchKey, item.Address, item.Variables));
        return new ItemResult(SendState.Accepted, null, $"id-{request.Key}");
    }
}

internal sealed record LedgerEntry(
    string RequestKey,
    string TouchKey,
    string Address,
    IReadOnlyDictionary<string, string> Variables
);
