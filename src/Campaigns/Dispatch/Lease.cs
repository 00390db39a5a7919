using Campaigns.Database;

namespace Campaigns.Dispatch;

/// <summary>Holds a chunk while it is worked: renews it, and knows by a clock that runs on while the process is stopped
/// whether it may still be held.</summary>
internal sealed class Lease : IAsyncDisposable
{
    private readonly ChunkQueue _queue;
    private readonly Chunk _chunk;
    private readonly TimeSpan _length;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _done = new();
    private readonly Task _renewing;
    private long _renewedAt;
    private volatile bool _lost;

    internal Lease(ChunkQueue queue, Chunk chunk, TimeSpan length, TimeProvider time)
    {
        (_queue, _chunk, _length, _time) = (queue, chunk, length, time);
        _renewedAt = time.GetTimestamp();
        _renewing = RenewAsync();
    }

    /// <summary>False some time before another could take the chunk.</summary>
    internal bool IsHeld => !_lost && _time.GetElapsedTime(Volatile.Read(ref _renewedAt)) < _length * 0.75;

    /// <summary>A statement has renewed it.</summary>
    /// <param name="asked">The timestamp before it was sent: who is stopped between its commit and now has not been given
    /// that time.</param>
    internal void Renewed(long asked)
    {
        var before = Volatile.Read(ref _renewedAt);
        while (asked > before && Interlocked.CompareExchange(ref _renewedAt, asked, before) is var now && now != before)
        {
            before = now;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _done.CancelAsync();
        await _renewing;
        _done.Dispose();
    }

    private async Task RenewAsync()
    {
        using var timer = new PeriodicTimer(_length / 4, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_done.Token))
            {
                var asked = _time.GetTimestamp();
                try
                {
                    if (!await _queue.RenewAsync(_chunk, _done.Token))
                    {
                        _lost = true;
                        return;
                    }

                    Renewed(asked);
                }
                catch (Exception failure) when (Transient.Is(failure))
                {
                    // The next tick tries again; until one succeeds the lease runs down.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // worked to its end
        }
    }
}
