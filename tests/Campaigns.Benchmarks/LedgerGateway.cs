using System.Collections.Concurrent;
using Campaigns.Channels;

namespace Campaigns.Benchmarks;

/// <summary>A gateway in the process that answers at once: it checks address and text of every item, and keeps a ledger.
/// </summary>
internal sealed class LedgerGateway : IGateway
{
    public const string Name = "ledger";
    public const int Batch = 500;
    private ConcurrentDictionary<string, string> _accepted = new();
    private long _wrong;
    private long _twice;

    public GatewayDeclaration Declaration { get; } =
        new()
        {
            Name = Name,
            Channel = Channel.Sms,
            Purposes = new HashSet<Purpose> { Purpose.Marketing },
            Variables = true,
            Sender = AddedBy.NotNeeded,
            Refusal = AddedBy.NotNeeded,
            MaxBatch = Batch,
            Dedupe = Dedupe.Key,
            DedupePeriod = TimeSpan.FromDays(1),
        };

    /// <summary>Touches accepted.</summary>
    public int Accepted => _accepted.Count;

    /// <summary>Items with a wrong address or text, and those sent a second time: a figure with one of them is void.
    /// </summary>
    public long Faults => _wrong + _twice;

    public void Forget() => (_accepted, _wrong, _twice) = (new(), 0, 0);

    public Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken)
    {
        var results = new ItemResult[request.Items.Count];
        for (var i = 0; i < results.Length; i++)
        {
            results[i] = Take(request, request.Items[i]);
        }

        return Task.FromResult<SendResult>(new SendResult.Answered(results));
    }

    private ItemResult Take(SendRequest request, SendItem item)
    {
        var text = ProviderWords.Fill(request.Content.Text, item.Variables);
        var key = item.TouchKey[(item.TouchKey.LastIndexOf('-') + 1)..];
        if (item.Address != DispatchBank.Phone(key) || text != DispatchBank.Text(key))
        {
            Interlocked.Increment(ref _wrong);
        }

        if (!_accepted.TryAdd(item.TouchKey, request.Key))
        {
            Interlocked.Increment(ref _twice);
        }

        return new ItemResult(SendState.Accepted, null, request.Key);
    }
}
