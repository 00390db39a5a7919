using Campaigns.Channels;
using Campaigns.Dispatch;

namespace Campaigns.Receipts;

/// <summary>A receipt that is stored.</summary>
internal sealed class ReceiptRow
{
    public int RunKey { get; init; }
    public int Chunk { get; init; }
    public int Request { get; init; }
    public long CustomerKey { get; init; }
    public ReceiptState State { get; init; }
    public DateTimeOffset OccurredAt { get; init; }
    internal (int, int, int, long) AttemptId => (RunKey, Chunk, Request, CustomerKey);
    internal (int, long) TouchId => (RunKey, CustomerKey);
}

/// <summary>What receipts change in the counters.</summary>
/// <param name="known">All receipts of the same touches that were stored before.</param>
/// <param name="refused">Where touches stand of which a refused attempt is now said to be delivered.</param>
/// <param name="now">Business time.</param>
internal sealed class ReceiptCounts(
    IReadOnlyList<ReceiptRow> known,
    IReadOnlyDictionary<(int, long), TouchStanding> refused,
    DateTimeOffset now
)
{
    private readonly Dictionary<(int, int, short, short), Deltas> _deltas = [];
    private readonly HashSet<(int, int, int, long)> _failed =
    [
        .. known.Where(row => row.State == ReceiptState.Failed).Select(row => row.AttemptId),
    ];

    /// <summary>When a touch was delivered first.</summary>
    private readonly Dictionary<(int, long), DateTimeOffset> _delivered = refused
        .Where(touch => touch.Value.DeliveredAt is not null)
        .Select(touch => (touch.Key, At: touch.Value.DeliveredAt!.Value))
        .Concat(
            known
                .Where(row => row.State == ReceiptState.Delivered)
                .Select(row => (Key: row.TouchId, At: row.OccurredAt))
        )
        .GroupBy(one => one.Key)
        .ToDictionary(touch => touch.Key, touch => touch.Min(one => one.At));

    internal IEnumerable<Deltas> Deltas => _deltas.Values;

    /// <summary>Of one attempt, failed comes before delivered.</summary>
    internal void Count(ReceiptMatch match, ReceiptRow row)
    {
        var deltas = Of(match);
        if (row.State == ReceiptState.Delivered)
        {
            Delivered(deltas, match, row);
        }
        else if (_failed.Add(row.AttemptId) && !match.Refused && !_delivered.ContainsKey(row.TouchId))
        {
            deltas.Move(Answered(match), "failed", 1);
        }
    }

    private void Delivered(Deltas deltas, ReceiptMatch match, ReceiptRow row)
    {
        deltas.Add("deliveries", 1, row.OccurredAt);
        deltas.Add("acceptances", match.Answer == (short)SendState.Accepted ? 0 : 1, now);
        if (_delivered.TryGetValue(row.TouchId, out var first))
        {
            if (row.OccurredAt < first)
            {
                deltas.Add("delivered", -1, first);
                deltas.Add("delivered", 1, row.OccurredAt);
                _delivered[row.TouchId] = row.OccurredAt;
            }

            return;
        }

        _delivered[row.TouchId] = row.OccurredAt;
        var standing = Before(match, row);
        deltas.Add("delivered", 1, row.OccurredAt);
        deltas.Add("accepted", standing.Accepted ? 0 : 1, now);
        deltas.Move(standing.State, "delivered", 1);
    }

    /// <summary>What a provider refused was tried again perhaps; after any other answer nothing was.</summary>
    private TouchStanding Before(ReceiptMatch match, ReceiptRow row)
    {
        if (match.Refused)
        {
            return refused[row.TouchId];
        }

        var answered = Answered(match);
        return new TouchStanding
        {
            State = _failed.Contains(row.AttemptId) ? "failed" : answered,
            Accepted = answered == "accepted",
        };
    }

    private static string Answered(ReceiptMatch match) =>
        match.Answer == (short)SendState.Accepted ? "accepted" : "unknown";

    private Deltas Of(ReceiptMatch match)
    {
        var cell = (match.RunKey, match.Wave, match.Channel, match.Variant);
        if (!_deltas.TryGetValue(cell, out var deltas))
        {
            _deltas[cell] = deltas = new Deltas(match.RunKey, match.Wave, match.Channel, match.Variant);
        }

        return deltas;
    }
}
