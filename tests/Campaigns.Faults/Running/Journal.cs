using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Dapper;
using Npgsql;

namespace Campaigns.Faults.Running;

/// <summary>What the outside has sent in, and what of it was acknowledged.</summary>
internal sealed class Journal
{
    public const string Source = "core-banking";
    private const int Batch = 50;
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(50);

    /// <summary>Ids of events that were answered with success.</summary>
    public ConcurrentDictionary<string, bool> Acknowledged { get; } = new();

    /// <summary>When the refusal of a customer was acknowledged; business time.</summary>
    public ConcurrentDictionary<int, DateTimeOffset> Refused { get; } = new();

    /// <summary>Requests that were sent, and those answered by 5xx or not at all.</summary>
    public (int Sent, int Failed) Requests => (_sent, _failed);

    /// <summary>From the first failure of a row of them to the next success, at most.</summary>
    public TimeSpan LongestFailure { get; private set; }

    private int _sent;
    private int _failed;

    /// <summary>Sends events until it is told to stop, each batch again until it is acknowledged.</summary>
    public async Task PostEventsAsync(Uri api, string key, string name, int customers, CancellationToken stopping)
    {
        using var client = new HttpClient { BaseAddress = api, Timeout = TimeSpan.FromSeconds(10) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        for (var batch = 0; !stopping.IsCancellationRequested; batch++)
        {
            var ids = Enumerable.Range(0, Batch).Select(i => $"{name}-{batch}-{i}").ToArray();
            var body = new
            {
                events = ids.Select(
                    (id, i) =>
                        new
                        {
                            source = Source,
                            id,
                            customerId = SmallBank.IdOf(1 + (((batch * Batch) + i) % customers)),
                            name = "login",
                            occurredAt = "2025-06-01T10:00:00+08:00",
                        }
                ),
            };
            long? failing = null;
            while (!await PostAsync(client, "/v1/events", body))
            {
                failing ??= Stopwatch.GetTimestamp();
                await Task.Delay(Again, CancellationToken.None);
            }

            if (failing is { } since && Stopwatch.GetElapsedTime(since) is var time && time > LongestFailure)
            {
                LongestFailure = time;
            }

            foreach (var id in ids)
            {
                Acknowledged[id] = true;
            }
        }
    }

    /// <summary>Has customers refuse, and notes when that was acknowledged.</summary>
    public async Task RefuseAsync(Scene scene, IReadOnlyList<int> customers)
    {
        var consents = customers.Select(n => new
        {
            customerId = SmallBank.IdOf(n),
            channel = "all",
            purpose = "marketing",
            granted = false,
            source = "branch",
            occurredAt = "2025-07-01T10:00:00+08:00",
        });
        await scene.Backend.PostAsync<object>("/v1/consents", new { consents }, CancellationToken.None);
        var now = DateTimeOffset.UtcNow + await scene.OffsetAsync();
        foreach (var n in customers)
        {
            Refused[n] = now;
        }
    }

    /// <summary>Those that were acknowledged and are not there.</summary>
    public async Task<IReadOnlyList<string>> LostAsync(NpgsqlDataSource sql)
    {
        await using var connection = await sql.OpenConnectionAsync();
        return
        [
            .. await connection.QueryAsync<string>(
                """
                SELECT id
                FROM unnest(@ids) AS t (id)
                WHERE NOT EXISTS (
                    SELECT
                    FROM event e
                    JOIN event_source s USING (event_source)
                    WHERE e.event_id = t.id AND s.name = @Source
                )
                """,
                new { ids = Acknowledged.Keys.ToArray(), Source }
            ),
        ];
    }

    private async Task<bool> PostAsync(HttpClient client, string path, object body)
    {
        Interlocked.Increment(ref _sent);
        try
        {
            using var answer = await client.PostAsync(path, JsonContent.Create(body, body.GetType()));
            if (answer.IsSuccessStatusCode)
            {
                return true;
            }

            if ((int)answer.StatusCode < 500)
            {
                throw new StuckException($"events were answered with {(int)answer.StatusCode}");
            }
        }
        catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException)
        {
            // As a 5xx: nobody knows whether they were stored.
        }

        Interlocked.Increment(ref _failed);
        return false;
    }
}
