using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>A gateway's rate, kept by all nodes together: every call has a slot of its own, a gap after the one before,
/// taken from one row of the database. So a node that dies takes nothing along but the slots it held, and nodes need not
/// know of each other. Real time; slots are timestamps of <paramref name="time"/>.</summary>
internal sealed class ChannelPace(NpgsqlDataSource dataSource, string gateway, TimeProvider time)
{
    /// <summary>Slots lie so much further apart that calls which are late by <see cref="Tolerance"/> still keep the rate in
    /// every second.</summary>
    private const double Headroom = 1.012;

    internal static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(8);

    /// <summary>Timers are no finer.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(1);

    private readonly List<long> _spare = [];

    /// <summary>Takes slots, in their order.</summary>
    /// <param name="rate">Calls a second, by all nodes together.</param>
    /// <param name="lead">None of them comes sooner than so long from now.</param>
    internal async Task<long[]> TakeAsync(double rate, int count, TimeSpan lead, CancellationToken cancellationToken)
    {
        var spare = TakeSpare(count, lead);
        return spare.Length == count
            ? spare
            : [.. spare, .. await TakeNewAsync(rate, count - spare.Length, lead, cancellationToken)];
    }

    /// <summary>They are not needed: whoever comes next on this node may have them.</summary>
    internal void GiveBack(IEnumerable<long> slots)
    {
        lock (_spare)
        {
            _spare.AddRange(slots);
            _spare.Sort();
        }
    }

    /// <summary>Waits until the slot has come. False when it has passed: a late call could come too close to the next.
    /// </summary>
    internal async Task<bool> UntilAsync(long slot, CancellationToken cancellationToken)
    {
        await UntilAsync(slot, TimeSpan.Zero, cancellationToken);
        return Until(slot) >= -Tolerance;
    }

    /// <summary>Waits until the slot is no further away than said.</summary>
    internal Task UntilAsync(long slot, TimeSpan lead, CancellationToken cancellationToken) =>
        Until(slot) - lead is var wait && wait > Moment
            ? Task.Delay(wait, time, cancellationToken)
            : Task.CompletedTask;

    /// <summary>How long from now; negative where it has passed.</summary>
    internal TimeSpan Until(long slot) =>
        TimeSpan.FromSeconds((slot - time.GetTimestamp()) / (double)time.TimestampFrequency);

    private long[] TakeSpare(int count, TimeSpan lead)
    {
        lock (_spare)
        {
            _spare.RemoveAll(slot => Until(slot) < TimeSpan.Zero);
            var first = _spare.FindIndex(slot => Until(slot) >= lead);
            if (first < 0)
            {
                return [];
            }

            var taken = _spare.GetRange(first, Math.Min(count, _spare.Count - first));
            _spare.RemoveRange(first, taken.Count);
            return [.. taken];
        }
    }

    private async Task<IEnumerable<long>> TakeNewAsync(
        double rate,
        int count,
        TimeSpan lead,
        CancellationToken cancellationToken
    )
    {
        var gap = TimeSpan.FromSeconds(Headroom / rate);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        // A slot that a crash of the database forgets is in the past when it is back.
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT set_config('synchronous_commit', 'off', true)"));
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand(
                """
                INSERT INTO gateway_pace AS p (gateway, next_at)
                VALUES ($1, clock_timestamp() + $3 + $2)
                ON CONFLICT (gateway) DO UPDATE SET next_at = greatest(p.next_at, clock_timestamp() + $3) + $2
                RETURNING next_at - $2 - clock_timestamp()
                """
            )
            {
                Parameters =
                {
                    new() { Value = gateway },
                    new() { Value = gap * count },
                    new() { Value = lead },
                },
            }
        );
        await batch.PrepareAsync(cancellationToken);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var first = time.GetTimestamp() + Ticks(reader.GetFieldValue<TimeSpan>(0));
        return Enumerable.Range(0, count).Select(i => first + Ticks(gap * i));
    }

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
