using Campaigns.Customers;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Changes to the counters that reports are folded from, logged in the transaction that causes them, by the wave,
/// channel and variant that were planned. <c>attempted</c>, <c>accepted</c> and <c>delivered</c> count touches, each once;
/// <c>attempts</c>, <c>acceptances</c> and <c>deliveries</c> count requests. <c>state_…</c> is how many touches are in a
/// state now, on no day: what enters one leaves another, and only those still planned are not counted.</summary>
internal sealed class Deltas(int runKey, int wave, short channel, short variant)
{
    private const string Planned = "planned";

    // The database's -infinity: a state is of now.
    private static readonly DateTimeOffset NoDay = DateTimeOffset.MinValue;

    private const int LockClass = 0x54435354; // "TCST"

    private readonly Dictionary<(string Metric, DateTime At), long> _counts = [];

    internal Deltas(Chunk chunk)
        : this(chunk.RunKey, chunk.PlannedWave, chunk.PlannedChannel, chunk.Variant) { }

    /// <param name="at">Business time; the day that is counted is the bank's.</param>
    internal void Add(string metric, long count, DateTimeOffset at)
    {
        var key = (metric, at.UtcDateTime);
        _counts[key] = _counts.GetValueOrDefault(key) + count;
    }

    /// <summary>Touches pass from one state to another.</summary>
    internal void Move(string from, string to, long count)
    {
        if (from != Planned)
        {
            Add($"state_{from}", -count, NoDay);
        }

        Add($"state_{to}", count, NoDay);
    }

    /// <summary>Touches of the chunk that may no longer go.</summary>
    internal void Withhold(Chunk chunk, IEnumerable<Withheld> reasons)
    {
        foreach (var reason in reasons)
        {
            if (reason is not Customers.Withheld.Moved and not Customers.Withheld.Delivered)
            {
                Move(chunk.Fresh ? Planned : "attempted", StateOf(reason), 1);
            }
        }
    }

    /// <summary>Those of the chunk's touches that an earlier attempt delivered after all. They are counted, and no attempt
    /// changes that; nothing more is delivered so until the transaction ends.</summary>
    internal static async Task<HashSet<long>> DeliveredAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        IEnumerable<long> customers
    )
    {
        long[] keys = chunk.Fresh ? [] : [.. customers];
        if (keys.Length == 0)
        {
            return [];
        }

        await HoldAsync(connection, chunk.RunKey, alone: false);
        var delivered = await connection.QueryAsync<long>(
            "SELECT delivered_touches(@RunKey, @keys)",
            new { chunk.RunKey, keys }
        );
        return [.. delivered];
    }

    /// <summary>Receipts that contradict their gateway's answer hold a run's counters alone, all others together: so a touch
    /// that several attempts concern is counted once.</summary>
    internal static Task HoldAsync(NpgsqlConnection connection, int runKey, bool alone) =>
        connection.ExecuteAsync(
            alone
                ? "SELECT pg_advisory_xact_lock(@LockClass, @runKey)"
                : "SELECT pg_advisory_xact_lock_shared(@LockClass, @runKey)",
            new { LockClass, runKey }
        );

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
                SELECT $1, t.metric, 0, $2, $3, $4, (t.at AT TIME ZONE z.name)::date, sum(t.n)
                FROM time_zone z, unnest($5, $6, $7) AS t (metric, at, n)
                WHERE z.zone = 1
                GROUP BY 2, 7
                """
            )
            {
                Parameters =
                {
                    new() { Value = runKey },
                    new() { Value = channel },
                    new() { Value = variant },
                    new() { Value = wave },
                    new() { Value = changed.Select(count => count.Key.Metric).ToArray() },
                    new() { Value = changed.Select(count => count.Key.At).ToArray() },
                    new() { Value = changed.Select(count => count.Value).ToArray() },
                },
            }
        );
    }

    private static string StateOf(Withheld reason) =>
        reason switch
        {
            Withheld.Expired => "expired",
            Withheld.Cancelled => "cancelled",
            Withheld.TemplateError => "failed",
            Withheld.Unanswered => "unknown",
            _ => "suppressed",
        };
}
