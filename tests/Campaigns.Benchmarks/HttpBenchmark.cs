using System.Net.Http.Json;
using System.Text.Json;
using Campaigns.Channels.Aliyun;
using Campaigns.Dispatch;
using Campaigns.Simulator;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Benchmarks;

/// <summary><c>dispatch.http20</c>: the production path over HTTP to the simulator, which answers after 20 ms, a hundred items
/// a call as the provider takes them; against a bare loop of an HttpClient with as many calls at once, whose requests were
/// written before. One call at once a lane, so that the wire is what both wait for; <c>dispatch.http20.four</c>: four, at which
/// both take all cores. <c>dispatch.http20.single</c>: four, one item a call.</summary>
internal static class HttpBenchmark
{
    private static readonly int Lanes = new DispatchOptions().MaxLanes;
    private const int LatencyMs = 20;
    private const string Template = "SMS_1";
    private const string Secret = "simulator";

    public static async Task RunAsync(Options options)
    {
        var customers = options.Rows ?? 200_000;
        await RunAsync("dispatch.http20", customers, new Wire(Calls: 1, Batch: 100), options.Turns);
        await RunAsync("dispatch.http20.four", customers, new Wire(Calls: 4, Batch: 100), options.Turns);
        await RunAsync("dispatch.http20.single", customers / 50, new Wire(Calls: 4, Batch: 1), options.Turns);
    }

    private static async Task RunAsync(string name, int customers, Wire wire, int turns)
    {
        var ledger = Path.GetTempFileName();
        await MeasureAsync(name, customers, wire, turns, ledger);
        File.Delete(ledger);
    }

    private static async Task MeasureAsync(string name, int customers, Wire wire, int turns, string ledger)
    {
        await using var provider = await StartProviderAsync(ledger);
        await using var bench = await Bench.StartAsync("api", Settings(provider, wire));
        await DispatchBank.FillAsync(bench, customers);
        await bench.ExecuteAsync($"UPDATE template_version SET provider_template = '{Template}'");
        using var client = new HttpClient { BaseAddress = new Uri(provider.Urls.First()) };
        await SlowDownAsync(client);
        var (values, floors) = (new List<double>(), new List<double>());
        for (var turn = 0; turn <= turns; turn++)
        {
            await bench.ExecuteAsync("UPDATE contact SET contacts = 0, sms_contacts = 0");
            var run = await DispatchBank.PlanAsync(bench, customers, priority: 5);
            var value = await Bench.TimeAsync(() => DispatchBank.DispatchAsync(bench, run, Lanes));
            await CheckAsync(bench, run, customers);
            var floor = await FloorAsync(client, customers, wire);
            if (turn > 0) // the first warms everything up
            {
                values.Add(value);
                floors.Add(floor);
            }
        }

        Figure.OfSeconds(name, "touches/s", customers, values, floors).Print();
    }

    private static Dictionary<string, string?> Settings(WebApplication provider, Wire wire) =>
        new()
        {
            ["Channels:sms:Gateway"] = AliyunSmsGateway.Name,
            ["Channels:sms:BaseUrl"] = provider.Urls.First(),
            ["Channels:sms:KeyId"] = Secret,
            ["Channels:sms:Secret"] = Secret,
            ["Channels:sms:SignName"] = "示例银行",
            ["Channels:sms:RatePerSecond"] = "100000",
            ["Channels:sms:Concurrency"] = $"{wire.Calls}",
            ["Channels:sms:MaxBatch"] = $"{wire.Batch}",
        };

    private static async Task<WebApplication> StartProviderAsync(string ledger)
    {
        var app = SimulatorHost.Build(["--urls", "http://127.0.0.1:0", "--ledger", ledger]);
        await app.StartAsync();
        return app;
    }

    private static async Task SlowDownAsync(HttpClient client)
    {
        using var script = JsonContent.Create(
            new
            {
                rules = new[] { new { @do = "accept", latencyMs = LatencyMs } },
                receipts = new { sms = new { hold = true } },
            }
        );
        using var answer = await client.PutAsync("/simulator/script", script);
        answer.EnsureSuccessStatusCode();
    }

    private static async Task CheckAsync(Bench bench, int run, int customers)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        var counts = await TouchStates.CountAsync(connection, run);
        if (counts is not [{ State: "accepted" } all] || all.Count != customers)
        {
            var text = string.Join(", ", counts.Select(count => $"{count.State} {count.Reason} {count.Count}"));
            throw new InvalidOperationException($"The figure is void: of {customers} touches {text}.");
        }

        await connection.ExecuteAsync("TRUNCATE attempt, outcome, report_delta");
    }

    private static Task<double> FloorAsync(HttpClient client, int customers, Wire wire)
    {
        var bodies = Enumerable.Range(0, customers / wire.Batch).Select(call => Body(call, wire.Batch)).ToList();
        return Bench.TimeAsync(() =>
            Parallel.ForEachAsync(
                bodies,
                new ParallelOptions { MaxDegreeOfParallelism = Lanes * wire.Calls },
                async (body, token) =>
                {
                    using var content = new FormUrlEncodedContent(body);
                    using var answer = await client.PostAsync("/", content, token);
                    using var read = await JsonDocument.ParseAsync(
                        await answer.Content.ReadAsStreamAsync(token),
                        cancellationToken: token
                    );
                    if (read.RootElement.GetProperty("Code").GetString() != "OK")
                    {
                        throw new InvalidOperationException("The floor is void: a call was refused.");
                    }
                }
            )
        );
    }

    private static Dictionary<string, string> Body(int call, int batch)
    {
        var keys = Enumerable.Range(1 + (call * batch), batch).ToList();
        var parameters = new Dictionary<string, string>
        {
            ["Action"] = "SendBatchSms",
            ["Version"] = "2017-05-25",
            ["Format"] = "JSON",
            ["AccessKeyId"] = Secret,
            ["SignatureMethod"] = "HMAC-SHA1",
            ["SignatureVersion"] = "1.0",
            ["SignatureNonce"] = Guid.NewGuid().ToString("N"),
            ["Timestamp"] = $"{DateTime.UtcNow:yyyy-MM-dd'T'HH:mm:ss'Z'}",
            ["PhoneNumberJson"] = JsonSerializer.Serialize(keys.Select(key => DispatchBank.Phone($"{key}")[3..])),
            ["SignNameJson"] = JsonSerializer.Serialize(keys.Select(_ => "示例银行")),
            ["TemplateCode"] = Template,
            ["TemplateParamJson"] = JsonSerializer.Serialize(keys.Select(key => new { name = $"customer {key}" })),
            ["OutId"] = $"floor-{Guid.NewGuid():N}",
        };
        parameters["Signature"] = AliyunSignature.Of("POST", parameters, Secret);
        return parameters;
    }

    /// <param name="Calls">At once, of each lane.</param>
    /// <param name="Batch">Items a call.</param>
    private sealed record Wire(int Calls, int Batch);
}
