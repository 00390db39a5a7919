using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>A gateway's rate, kept by all nodes together: every call has a slot of its own, a gap after the one before,
/// taken from one row of the database. So a node that dies takes nothing along but the slots it held, and nodes need not
/// know of each other. Real time; slots are timestamps of <paramref name="time"/>.</summary>
internal sealed class ChannelPace(NpgsqlDataSource dataSource, string gateway, TimeProvider time)
{
    /// <summary>A call may be so much late for its slot; later than that it takes another.</summary>
    internal static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(4);

    /// <summary>Slots lie so much further apart, a second's together, that calls which reach the provider this much late keep
    /// the rate in every second: the tolerance, and what the wire adds.</summary>
    private static readonly TimeSpan Headroom = TimeSpan.FromMilliseconds(14);

    /// <summary>What a node that has just begun to send takes instead: it is late while it compiles what it runs.</summary>
    private static readonly TimeSpan FirstHeadroom = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan Beginning = TimeSpan.FromSeconds(5);

    /// <summary>A node that is later than that is held up by more than a slower rate would mend.</summary>
    private static readonly TimeSpan MostHeadroom = TimeSpan.FromMilliseconds(100);

    /// <summary>The period in which a rate is kept.</summary>
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    /// <summary>A timer may be so much late or early.</summary>
    private static readonly TimeSpan Coarse = TimeSpan.FromMilliseconds(8);

    private readonly List<long> _spare = [];
    private readonly Lock _lateness = new();
    private TimeSpan _late;
    private long _lateAt;
    private long? _begun;

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
        var waits = Until(slot) > TimeSpan.Zero;
        await UntilAsync(slot, TimeSpan.Zero, cancellationToken);
        var late = -Until(slot);
        if (waits)
        {
            Note(late);
        }

        return late <= Tolerance;
    }

    /// <summary>Waits until the slot is no further away than said.</summary>
    internal async Task UntilAsync(long slot, TimeSpan lead, CancellationToken cancellationToken)
    {
        if (Until(slot) - lead - Coarse is var wait && wait > TimeSpan.Zero)
        {
            await Task.Delay(wait, time, cancellationToken);
        }

        await FineTimer.WaitAsync(Until(slot) - lead);
    }

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
        var gap = (Second + Apart()) / rate;
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
        var asked = time.GetTimestamp();
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var answered = time.GetElapsedTime(asked);
        Note(answered / 2);
        var first = asked + Ticks(answered / 2 + reader.GetFieldValue<TimeSpan>(0));
        return Enumerable.Range(0, count).Select(i => first + Ticks(gap * i));
    }

    /// <summary>As much as calls were late within the last second: whoever was held up at a slot may be held up behind it
    /// too, where nobody can see it.</summary>
    private TimeSpan Apart()
    {
        lock (_lateness)
        {
            _begun ??= time.GetTimestamp();
            var least = time.GetElapsedTime(_begun.Value) < Beginning ? FirstHeadroom : Headroom;
            return time.GetElapsedTime(_lateAt) < Second && _late > least ? _late : least;
        }
    }

    private void Note(TimeSpan late)
    {
        lock (_lateness)
        {
            if (late >= _late || time.GetElapsedTime(_lateAt) >= Second)
            {
                (_late, _lateAt) = (late < MostHeadroom ? late : MostHeadroom, time.GetTimestamp());
            }
        }
    }

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
