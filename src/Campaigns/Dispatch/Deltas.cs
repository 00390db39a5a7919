using Campaigns.Customers;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Changes to the counters that reports are folded from, logged in the transaction that causes them: how many
/// touches were ever <c>attempted</c>, <c>accepted</c> and <c>delivered</c>, and how many have ended <c>failed</c>,
/// <c>unknown</c>, <c>suppressed</c>, <c>expired</c> or <c>cancelled</c>; less one where a receipt says otherwise later.
/// </summary>
internal sealed class Deltas(int runKey, int wave, short channel, short variant, DateOnly day)
{
    private readonly Dictionary<string, long> _counts = [];

    internal Deltas(Chunk chunk, DateOnly day)
        : this(chunk.RunKey, chunk.Wave, (short)chunk.Channel, chunk.Variant, day) { }

    internal void Add(string metric, long count) => _counts[metric] = _counts.GetValueOrDefault(metric) + count;

    internal void Withheld(IEnumerable<Withheld> reasons)
    {
        foreach (var reason in reasons)
        {
            if (reason != Customers.Withheld.Moved)
            {
                Add(
                    reason switch
                    {
                        Customers.Withheld.Expired => "expired",
                        Customers.Withheld.Cancelled => "cancelled",
                        Customers.Withheld.TemplateError => "failed",
                        _ => "suppressed",
                    },
                    1
                );
            }
        }
    }

    internal void AppendTo(NpgsqlBatch batch)
    {
        var changed = _counts.Where(count => count.Value != 0).ToList();
        if (changed.Count == 0)
        {
            return;
        }

        batch.BatchCommands.Add(
            new NpgsqlBatchCommand(
                """
                INSERT INTO report_delta (run_key, metric, arm, channel, variant, wave, day, n)
                SELECT $1, metric, 0, $2, $3, $4, $5, n
                FROM unnest($6, $7) AS t (metric, n)
                """
            )
            {
                Parameters =
                {
                    new() { Value = runKey },
                    new() { Value = channel },
                    new() { Value = variant },
                    new() { Value = wave },
                    new() { Value = day },
                    new() { Value = changed.Select(count => count.Key).ToArray() },
                    new() { Value = changed.Select(count => count.Value).ToArray() },
                },
            }
        );
    }
}
