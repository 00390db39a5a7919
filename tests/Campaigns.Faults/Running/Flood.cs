using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;

namespace Campaigns.Faults.Running;

/// <summary>Batches of events that come at a rate of their own, whether or not those before have been answered.</summary>
internal sealed class Flood : IDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(20);
    private readonly HttpClient _client;
    private readonly Journal _journal;
    private readonly string _name;
    private readonly int _size;
    private readonly int _customers;
    private readonly ConcurrentBag<TimeSpan> _accepted = [];
    private readonly ConcurrentDictionary<string, int> _others = new();
    private int _next;
    private int _shed;

    /// <param name="size">Events in a batch.</param>
    /// <param name="customers">Theirs are the first so many customers'.</param>
    public Flood(Scene scene, string name, int size, int customers)
    {
        (_journal, _name, _size, _customers) = (scene.Journal, name, size, customers);
        _client = new HttpClient { BaseAddress = scene.Api, Timeout = TimeSpan.FromSeconds(60) };
        _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", scene.Key("backend"));
    }

    public int Sent => Volatile.Read(ref _next);

    /// <summary>Batches that were stored.</summary>
    public int Accepted => _accepted.Count;

    /// <summary>Batches that were refused as the product says that it refuses: 503 <c>overloaded</c>, with Retry-After.
    /// </summary>
    public int Shed => Volatile.Read(ref _shed);

    /// <summary>Batches that were not stored, as far as anybody knows.</summary>
    public int Failed => Shed + _others.Values.Sum();

    /// <summary>Any other answers, and none, by what they were.</summary>
    public IReadOnlyDictionary<string, int> Others => _others;

    /// <summary>What 99 of 100 that were stored took at most.</summary>
    public TimeSpan P99 => Percentile(_accepted, 0.99);

    public TimeSpan Most => _accepted.DefaultIfEmpty().Max();

    public static TimeSpan Percentile(IReadOnlyCollection<TimeSpan> times, double share) =>
        times.Count == 0 ? TimeSpan.Zero : times.Order().ElementAt((int)Math.Min(times.Count - 1, times.Count * share));

    /// <summary>As many batches a second as are stored where so many callers wait for their answers.</summary>
    public async Task<double> CapacityAsync(int callers, TimeSpan time)
    {
        var since = Stopwatch.GetTimestamp();
        await Task.WhenAll(
            Enumerable
                .Range(0, callers)
                .Select(async _ =>
                {
                    while (Stopwatch.GetElapsedTime(since) < time)
                    {
                        await PostAsync();
                    }
                })
        );
        return Accepted / Stopwatch.GetElapsedTime(since).TotalSeconds;
    }

    /// <summary>Posts at a rate for a while; returns when all have been answered.</summary>
    public async Task RunAsync(double batchesPerSecond, TimeSpan time)
    {
        using var enough = new CancellationTokenSource(time);
        await RunAsync(batchesPerSecond, enough.Token);
    }

    /// <summary>Posts at a rate until it is enough; returns when all have been answered.</summary>
    public async Task RunAsync(double batchesPerSecond, CancellationToken enough)
    {
        var posted = new List<Task>();
        var since = Stopwatch.GetTimestamp();
        using var timer = new PeriodicTimer(Tick);
        while (!enough.IsCancellationRequested && await timer.WaitForNextTickAsync(CancellationToken.None))
        {
            while (posted.Count < Stopwatch.GetElapsedTime(since).TotalSeconds * batchesPerSecond)
            {
                posted.Add(PostAsync());
            }
        }

        await Task.WhenAll(posted);
    }

    public void Dispose() => _client.Dispose();

    private async Task PostAsync()
    {
        var batch = Interlocked.Increment(ref _next);
        var ids = Enumerable.Range(0, _size).Select(i => $"{_name}-{batch}-{i}").ToArray();
        var events = ids.Select(
            (id, i) =>
                new
                {
                    source = Journal.Source,
                    id,
                    customerId = SmallBank.IdOf(1 + (((batch * _size) + i) % _customers)),
                    name = "login",
                    occurredAt = "2025-06-01T10:00:00+08:00",
                }
        );
        var since = Stopwatch.GetTimestamp();
        try
        {
            using var content = JsonContent.Create(new { events });
            await content.LoadIntoBufferAsync(); // a body of unknown length is no batch of a client's
            using var answer = await _client.PostAsync("/v1/events", content);
            await TakeAsync(answer, ids, Stopwatch.GetElapsedTime(since));
        }
        catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException)
        {
            _others.AddOrUpdate(failure.GetType().Name, 1, (_, n) => n + 1);
        }
    }

    private async Task TakeAsync(HttpResponseMessage answer, string[] ids, TimeSpan took)
    {
        if (answer.IsSuccessStatusCode)
        {
            _accepted.Add(took);
            foreach (var id in ids)
            {
                _journal.Acknowledged[id] = true;
            }

            return;
        }

        var problem = await answer.Content.ReadFromJsonAsync<Problem>();
        if (
            answer is { StatusCode: HttpStatusCode.ServiceUnavailable, Headers.RetryAfter: not null }
            && problem?.Type == "overloaded"
        )
        {
            Interlocked.Increment(ref _shed);
        }
        else
        {
            _others.AddOrUpdate($"{(int)answer.StatusCode} {problem?.Type}", 1, (_, n) => n + 1);
        }
    }

    private sealed record Problem(string Type);
}
