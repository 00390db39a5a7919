using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Campaigns.Faults.Running;

/// <summary>A node of the product: a process of its own, which dies with this one.</summary>
internal sealed class NodeProcess : IAsyncDisposable
{
    private const string Setpriv = "/usr/bin/setpriv";
    private static readonly HttpClient Asker = new() { Timeout = TimeSpan.FromSeconds(3) };
    private readonly TaskCompletionSource<Process> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<string> _log = [];
    private Process _process = null!;

    private NodeProcess(string name, int port) =>
        (Name, Address) = (name, new Uri($"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}"));

    /// <summary>As the database's sessions and leases name it.</summary>
    public string Name { get; }

    public Uri Address { get; }

    public int ProcessId => _process.Id;

    public bool HasExited => _exited.Task.IsCompleted;

    public Task Exited => _exited.Task;

    /// <summary>What it has written so far, line by line.</summary>
    public IReadOnlyList<string> Log
    {
        get
        {
            lock (_log)
            {
                return [.. _log];
            }
        }
    }

    /// <summary>A port to tell somebody else of before it is listened on.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Starts it and returns when it answers.</summary>
    /// <param name="program">Of the node, with its arguments.</param>
    /// <param name="settings">Configuration; credentials among it, so by the environment.</param>
    public static async Task<NodeProcess> StartAsync(
        string name,
        int port,
        IReadOnlyList<string> program,
        IReadOnlyDictionary<string, string> settings
    )
    {
        var node = new NodeProcess(name, port);
        // The child of a thread that lives as long as it does: it is told when that thread is gone, and with it we.
        new Thread(() => node.Run(Info(program, settings, node.Address))) { IsBackground = true, Name = name }.Start();
        node._process = await node._started.Task;
        await Wait.UntilAsync(node.AnswersAsync, $"node {name} answers", seconds: 240);
        return node;
    }

    /// <summary>As <c>kill -9</c> does.</summary>
    public Task KillAsync() => SignalAsync(Signals.Kill);

    /// <summary>As <c>kill</c> does; waits for its end.</summary>
    public Task TerminateAsync() => SignalAsync(Signals.Terminate);

    public void Stop() => Signals.Send(_process.Id, Signals.Stop);

    public void Continue() => Signals.Send(_process.Id, Signals.Continue);

    public async ValueTask DisposeAsync()
    {
        if (!HasExited)
        {
            await KillAsync();
        }

        _process.Dispose();
    }

    private static ProcessStartInfo Info(
        IReadOnlyList<string> program,
        IReadOnlyDictionary<string, string> settings,
        Uri address
    )
    {
        string[] line = [Dotnet(), "exec", .. program];
        line = File.Exists(Setpriv) ? [Setpriv, "--pdeathsig", "KILL", "--", .. line] : line;
        var info = new ProcessStartInfo(line[0], line[1..])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = AppContext.BaseDirectory,
        };
        foreach (var (key, value) in settings)
        {
            info.Environment[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        }

        info.Environment["ASPNETCORE_URLS"] = address.ToString();
        // Several nodes share few processors.
        info.Environment["DOTNET_TieredPGO"] = "0";
        info.Environment["DOTNET_gcServer"] = "0";
        return info;
    }

    private async Task SignalAsync(int signal)
    {
        if (!HasExited)
        {
            Signals.Send(_process.Id, signal);
            await _exited.Task;
        }
    }

    private void Run(ProcessStartInfo info)
    {
        try
        {
            var process = Process.Start(info)!;
            process.OutputDataReceived += (_, line) => Take(line.Data);
            process.ErrorDataReceived += (_, line) => Take(line.Data);
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            _started.SetResult(process);
            process.WaitForExit();
        }
        catch (Exception failure) when (failure is IOException or System.ComponentModel.Win32Exception)
        {
            _started.TrySetException(failure);
        }

        _exited.SetResult();
    }

    private void Take(string? line)
    {
        if (line is not null)
        {
            lock (_log)
            {
                _log.Add(line);
            }
        }
    }

    private async Task<bool> AnswersAsync()
    {
        if (HasExited)
        {
            throw new StuckException($"node {Name} ended: {Log.LastOrDefault(line => line.Length > 0)}");
        }

        try
        {
            using var answer = await Asker.GetAsync(new Uri(Address, "/health"));
            return answer.IsSuccessStatusCode;
        }
        catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException)
        {
            return false;
        }
    }

    // The runtime lies in shared/Microsoft.NETCore.App/VERSION beside the host that started it.
    private static string Dotnet()
    {
        var beside = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../..", "dotnet"));
        return File.Exists(beside) ? beside : "dotnet";
    }
}
