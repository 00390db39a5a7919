using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;
using Campaigns.Simulator;
using Campaigns.Tests.Support;
using Microsoft.AspNetCore.Builder;

namespace Campaigns.Tests.Channels;

/// <summary>The real simulator on a port of its own, spoken to over HTTP.</summary>
public sealed class RunningSimulator : IAsyncDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    private readonly WebApplication _app;
    private readonly HttpClient _client;
    private readonly TemporaryDirectory? _folder;

    private RunningSimulator(WebApplication app, string ledgerPath, TemporaryDirectory? folder)
    {
        (_app, LedgerPath, _folder) = (app, ledgerPath, folder);
        Url = new Uri(app.Urls.First());
        _client = new HttpClient { BaseAddress = Url };
    }

    public Uri Url { get; }

    public string LedgerPath { get; }

    /// <summary>Starts one with a ledger of its own, or with one that an earlier left.</summary>
    public static async Task<RunningSimulator> StartAsync(string? ledger = null, Uri? callbacks = null)
    {
        var folder = ledger is null ? new TemporaryDirectory() : null;
        ledger ??= folder!.Below("ledger.jsonl");
        string[] where = ["--urls", "http://127.0.0.1:0", "--ledger", ledger];
        var app = SimulatorHost.Build(callbacks is null ? where : [.. where, "--callbacks", $"{callbacks}"]);
        await app.StartAsync();
        return new RunningSimulator(app, ledger, folder);
    }

    public Task ScriptAsync(params Rule[] rules) => ScriptAsync(new Script { Rules = rules });

    public async Task ScriptAsync(Script script)
    {
        using var answer = await _client.PutAsJsonAsync("/simulator/script", script, Json);
        answer.EnsureSuccessStatusCode();
    }

    public async Task MoveClockAsync(TimeSpan offset)
    {
        using var answer = await _client.PutAsJsonAsync(
            "/simulator/clock",
            new ClockSetting(offset.TotalSeconds),
            Json
        );
        answer.EnsureSuccessStatusCode();
    }

    public async Task<ReceiptCounts> FlushAsync()
    {
        using var answer = await _client.PostAsync("/simulator/receipts/flush", null);
        return (await answer.Content.ReadFromJsonAsync<ReceiptCounts>(Json))!;
    }

    public Task<HttpResponseMessage> PostAsync(string path, object? body = null) =>
        _client.PostAsJsonAsync(path, body, Json);

    public async Task<SimulatorCounts> CountsAsync() =>
        (await _client.GetFromJsonAsync<SimulatorCounts>("/simulator/counts", Json))!;

    public async Task<IReadOnlyList<LedgerEntry>> LedgerAsync(long after = 0, int limit = 100_000)
    {
        var lines = await _client.GetStringAsync($"/simulator/ledger?after={after}&limit={limit}");
        return
        [
            .. lines
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => JsonSerializer.Deserialize<LedgerEntry>(line, Json)!),
        ];
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _folder?.Dispose();
    }
}
