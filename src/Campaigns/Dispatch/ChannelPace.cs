using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>A gateway's rate, kept by all nodes together: every call has a slot of its own, a gap after the one before,
/// taken from one row of the database. So a node that dies takes nothing along but the slots it held, and nodes need not
/// know of each other. Real time.</summary>
internal sealed class ChannelPace(NpgsqlDataSource dataSource, string gateway, TimeProvider time) : IDisposable
{
    /// <summary>Slots lie so much further apart that calls which are late by <see cref="Tolerance"/> still keep the rate in
    /// every second.</summary>
    private const double Headroom = 1.01;
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(8);

    /// <summary>Slots taken at once are no more than a twentieth of a second holds.</summary>
    private const double Block = 0.05;

    private readonly SemaphoreSlim _turn = new(1);
    private readonly Queue<long> _slots = new();
    private int _waiting;

    /// <summary>Waits for a slot.</summary>
    /// <param name="rate">Calls a second, by all nodes together.</param>
    internal async Task WaitAsync(double rate, CancellationToken cancellationToken)
    {
        while (!await UntilAsync(await ReserveAsync(rate, cancellationToken), cancellationToken)) { }
    }

    /// <summary>Takes a slot.</summary>
    /// <returns>Its timestamp.</returns>
    internal async Task<long> ReserveAsync(double rate, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _waiting);
        await _turn.WaitAsync(cancellationToken);
        try
        {
            while (_slots.TryPeek(out var next) && Late(next))
            {
                _slots.Dequeue();
            }

            if (_slots.Count == 0)
            {
                await TakeAsync(rate, cancellationToken);
            }

            return _slots.Dequeue();
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
            _turn.Release();
        }
    }

    /// <summary>Waits until the slot has come. False when it has passed: a late call could come too close to the next.
    /// </summary>
    internal async Task<bool> UntilAsync(long slot, CancellationToken cancellationToken)
    {
        var wait = slot - time.GetTimestamp();
        if (wait > 0)
        {
            await Task.Delay(TimeSpan.FromSeconds(wait / (double)time.TimestampFrequency), time, cancellationToken);
        }

        return !Late(slot);
    }

    private bool Late(long slot) => time.GetTimestamp() - slot > Tolerance.TotalSeconds * time.TimestampFrequency;

    private async Task TakeAsync(double rate, CancellationToken cancellationToken)
    {
        await Task.Yield(); // the calls of a round come one after the other: let all be counted
        var gap = TimeSpan.FromSeconds(Headroom / rate);
        var count = Math.Clamp(Volatile.Read(ref _waiting), 1, Math.Max(1, (int)(rate * Block)));
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        // A slot that a crash of the database forgets is in the past when it is back.
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT set_config('synchronous_commit', 'off', true)"));
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand(
                """
                INSERT INTO gateway_pace AS p (gateway, next_at)
                VALUES ($1, clock_timestamp() + $2)
                ON CONFLICT (gateway) DO UPDATE SET next_at = greatest(p.next_at, clock_timestamp()) + $2
                RETURNING next_at - $2 - clock_timestamp()
                """
            )
            {
                Parameters =
                {
                    new() { Value = gateway },
                    new() { Value = gap * count },
                },
            }
        );
        await batch.PrepareAsync(cancellationToken);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var first = time.GetTimestamp() + Ticks(reader.GetFieldValue<TimeSpan>(0));
        for (var i = 0; i < count; i++)
        {
            _slots.Enqueue(first + Ticks(gap * i));
        }
    }

    public void Dispose() => _turn.Dispose();

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
