using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Npgsql;

namespace Campaigns.Benchmarks;

/// <summary>Callers that send until all is acknowledged, over an outage of the database half way.</summary>
internal sealed class IngestDrive(Bench bench, HttpClient client, string path, int callers)
{
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(20);

    private double[] _milliseconds = [];

    public double PerSecond { get; private set; }

    /// <summary>Milliseconds, what was sent again counted from the first time.</summary>
    public double P99 => _milliseconds.Order().ElementAt(_milliseconds.Length * 99 / 100);

    public async Task RunAsync(int requests, Func<int, string> body)
    {
        _milliseconds = new double[requests];
        var next = -1;
        var seconds = await Bench.TimeAsync(() =>
            Task.WhenAll(
                Enumerable
                    .Range(0, callers)
                    .Select(_ =>
                        Task.Run(async () =>
                        {
                            while (Interlocked.Increment(ref next) is var request && request < requests)
                            {
                                if (request == requests / 2)
                                {
                                    await bench.KillAsync();
                                }

                                var clock = Stopwatch.StartNew();
                                var text = body(request);
                                await UntilDoneAsync(() => PostAsync(text));
                                _milliseconds[request] = clock.Elapsed.TotalMilliseconds;
                            }
                        })
                    )
            )
        );
        PerSecond = requests / seconds;
    }

    /// <summary>As whoever must not lose anything does.</summary>
    public static async Task UntilDoneAsync(Func<Task<bool>> work)
    {
        while (true)
        {
            try
            {
                if (await work())
                {
                    return;
                }
            }
            catch (Exception failure)
                when (failure is HttpRequestException or PostgresException { IsTransient: true }
                    || failure is NpgsqlException and not PostgresException
                )
            {
                // Sent again.
            }

            await Task.Delay(Again);
        }
    }

    /// <summary>False where it may be sent again.</summary>
    private async Task<bool> PostAsync(string text)
    {
        using var content = new StringContent(text, Encoding.UTF8, MediaTypeHeaderValue.Parse("application/json"));
        using var response = await client.PostAsync(new Uri(path, UriKind.Relative), content);
        return response.IsSuccessStatusCode
            || (
                (int)response.StatusCode is 429 or >= 500
                    ? false
                    : throw new InvalidOperationException(await response.Content.ReadAsStringAsync())
            );
    }
}

/// <summary>What is sent; the number tells everything.</summary>
internal sealed class IngestBodies(int customers)
{
    private static readonly DateTimeOffset At = DateTimeOffset.UtcNow.AddHours(-1);

    /// <summary>One in five is a conversion.</summary>
    public string Events(int from, int count) =>
        $$"""{"events":[{{string.Join(',', Enumerable.Range(from, count).Select(i => Item(i, i % 5 == 0 ? ReportBank.Goal : "payment")))}}]}""";

    public string Conversion(int number) => $$"""{"conversions":[{{Item(number, ReportBank.Goal)}}]}""";

    private string Item(int i, string name) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"source":"bench","id":"e-{{i}}","customerId":"C{{1 + (i * 7919L % customers)}}","name":"{{name}}","occurredAt":"{{At:O}}","amount":{{i % 1_000}},"currency":"CNY"}"""
        );
}
