using System.Diagnostics;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text.Json;
using Campaigns.Simulator;

namespace Campaigns.Demo;

/// <summary>What the product and the provider have to agree upon.</summary>
internal sealed record Credentials(string KeyId, string Secret, string CallbackSecret);

/// <summary>The provider, as a process of its own. It ends with its input, so it never outlives this program.</summary>
internal sealed class SimulatorProcess : IAsyncDisposable
{
    private const string Greeting = "simulator: ";
    private const int Page = 20_000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly HttpClient _client;

    private SimulatorProcess(Process process, Uri address)
    {
        (_process, Address) = (process, address);
        _client = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(10) };
    }

    public Uri Address { get; }
    public int ProcessId => _process.Id;

    /// <param name="ledger">Its file; started afresh.</param>
    /// <param name="callbacks">Root of the service that gets the receipts.</param>
    public static async Task<SimulatorProcess> StartAsync(
        string ledger,
        Uri callbacks,
        Credentials credentials,
        CancellationToken cancellationToken
    )
    {
        File.Delete(ledger);
        var info = new ProcessStartInfo(
            Dotnet(),
            [
                "exec",
                typeof(SimulatorHost).Assembly.Location,
                "--urls",
                "http://127.0.0.1:0",
                "--ledger",
                ledger,
                "--callbacks",
                $"{callbacks}",
                "--endWithInput",
                "true",
            ]
        )
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in Environment(credentials))
        {
            info.Environment[name] = value;
        }

        var process = Process.Start(info)!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        var address = await AddressAsync(process, cancellationToken).WaitAsync(Patience, cancellationToken);
        if (address is null)
        {
            process.Kill();
            throw new DemoException("The simulator of the providers did not start.");
        }

        _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
        return new SimulatorProcess(process, address);
    }

    public Task ScriptAsync(object script, CancellationToken cancellationToken) =>
        PutAsync("/simulator/script", script, cancellationToken);

    /// <summary>Business time there is real time and this.</summary>
    public Task MoveClockAsync(TimeSpan offset, CancellationToken cancellationToken) =>
        PutAsync("/simulator/clock", new ClockSetting(offset.TotalSeconds), cancellationToken);

    /// <summary>Has it post every receipt that it still holds.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        using var answer = await _client.PostAsync("/simulator/receipts/flush", null, cancellationToken);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>Everything it was asked to send, from the first item on.</summary>
    public async IAsyncEnumerable<Sent> LedgerAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        for (long after = 0; ; )
        {
            var before = after;
            await using var lines = await _client.GetStreamAsync(
                $"/simulator/ledger?after={after}&limit={Page}",
                cancellationToken
            );
            using var reader = new StreamReader(lines);
            while (await reader.ReadLineAsync(cancellationToken) is { Length: > 0 } line)
            {
                var sent = JsonSerializer.Deserialize<Sent>(line, JsonSerializerOptions.Web)!;
                after = sent.N;
                yield return sent;
            }

            if (after == before)
            {
                yield break;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        _process.StandardInput.Close();
        try
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private static async Task<Uri?> AddressAsync(Process process, CancellationToken cancellationToken)
    {
        while (await process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.StartsWith(Greeting, StringComparison.Ordinal))
            {
                return new Uri(line[Greeting.Length..]);
            }
        }

        return null;
    }

    private async Task PutAsync(string path, object body, CancellationToken cancellationToken)
    {
        using var content = JsonContent.Create(body, body.GetType(), options: JsonSerializerOptions.Web);
        using var answer = await _client.PutAsync(new Uri(path, UriKind.Relative), content, cancellationToken);
        answer.EnsureSuccessStatusCode();
    }

    // Through the environment, for everyone may read a command line.
    private static IEnumerable<(string Name, string Value)> Environment(Credentials credentials) =>
        [
            ("AliyunKeyId", credentials.KeyId),
            ("AliyunSecret", credentials.Secret),
            ("WeChatAppId", credentials.KeyId),
            ("WeChatSecret", credentials.Secret),
            ("JPushKey", credentials.KeyId),
            ("JPushSecret", credentials.Secret),
            ("CallbackSecret", credentials.CallbackSecret),
            ("WeChatCallbackToken", credentials.CallbackSecret),
        ];

    // The runtime lies in shared/Microsoft.NETCore.App/VERSION beside the host that started it.
    private static string Dotnet()
    {
        var name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        var beside = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../..", name));
        return File.Exists(beside) ? beside : name;
    }
}

/// <summary>A line of the provider's ledger, as far as it is of interest here.</summary>
internal sealed record Sent(
    long N,
    DateTimeOffset At,
    DateTimeOffset Real,
    string Channel,
    string? RequestKey,
    string Address,
    string Outcome,
    string Fate
);
