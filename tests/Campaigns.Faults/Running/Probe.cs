using System.Diagnostics;

namespace Campaigns.Faults.Running;

/// <summary>Asks for something again and again while something else goes on, and notes how long each took.</summary>
internal sealed class Probe : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private readonly List<(bool Good, TimeSpan Took)> _asked = [];
    private readonly CancellationTokenSource _enough = new();
    private readonly Task _asking;

    private Probe(Func<Task<bool>> ask) => _asking = Task.Run(() => AskAsync(ask));

    public int Count => _asked.Count;

    public int Failed => _asked.Count(one => !one.Good);

    public TimeSpan P99 => Flood.Percentile([.. _asked.Select(one => one.Took)], 0.99);

    /// <param name="ask">Answers whether it went well.</param>
    public static Probe Start(Func<Task<bool>> ask) => new(ask);

    /// <summary>Whether a node says that it is ready.</summary>
    public static Probe OfHealth(Uri node)
    {
        var client = new HttpClient { BaseAddress = node, Timeout = TimeSpan.FromSeconds(10) };
        return new Probe(async () =>
        {
            using var answer = await client.GetAsync("/health");
            return answer.IsSuccessStatusCode;
        });
    }

    /// <summary>Asks no more.</summary>
    public async Task StopAsync()
    {
        await _enough.CancelAsync();
        await _asking;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _enough.Dispose();
    }

    private async Task AskAsync(Func<Task<bool>> ask)
    {
        while (!_enough.IsCancellationRequested)
        {
            var since = Stopwatch.GetTimestamp();
            bool good;
            try
            {
                good = await ask();
            }
            catch (Exception failure)
                when (failure is HttpRequestException or TaskCanceledException or Demo.DemoException)
            {
                good = false;
            }

            _asked.Add((good, Stopwatch.GetElapsedTime(since)));
            await Task.Delay(Pause);
        }
    }
}
