namespace Campaigns.Dispatch;

/// <summary>What the answers to a chunk's requests change in the counters.</summary>
/// <param name="delivered">Touches that an earlier attempt delivered after all: their state holds.</param>
internal sealed class OutcomeCounts(Chunk chunk, HashSet<long> delivered, DateTimeOffset now)
{
    internal Deltas Deltas { get; } = new(chunk);

    internal void Accepted(IReadOnlyCollection<long> customers)
    {
        Taken(customers);
        Deltas.Move("attempted", "accepted", Counted(customers));
    }

    /// <summary>By a gateway that knows it at once.</summary>
    internal void Delivered(IReadOnlyCollection<long> customers)
    {
        Taken(customers);
        Deltas.Add("deliveries", customers.Count, now);
        Deltas.Add("delivered", Counted(customers), now);
        Deltas.Move("attempted", "delivered", Counted(customers));
    }

    internal void Unknown(IEnumerable<long> customers) => Deltas.Move("attempted", "unknown", Counted(customers));

    /// <summary>For good: neither tried again nor by another channel.</summary>
    internal void Failed(IEnumerable<long> customers) => Deltas.Move("attempted", "failed", Counted(customers));

    private void Taken(IReadOnlyCollection<long> customers)
    {
        Deltas.Add("acceptances", customers.Count, now);
        Deltas.Add("accepted", Counted(customers), now);
    }

    private int Counted(IEnumerable<long> customers) => customers.Count(key => !delivered.Contains(key));
}
