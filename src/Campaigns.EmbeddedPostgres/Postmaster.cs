using System.Diagnostics;

namespace Campaigns.Embedded;

/// <summary>A running postmaster, child of a thread of its own that lives as long as it does.</summary>
internal sealed class Postmaster
{
    private const int LinesKept = 20;

    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan SignalPause = TimeSpan.FromMilliseconds(500);

    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<string> _lines = new();
    private volatile int _pid;

    public Postmaster(Command command) =>
        new Thread(() => Run(command)) { IsBackground = true, Name = "PostgreSQL" }.Start();

    public int ProcessId => _pid;

    public Task Exited => _exited.Task;

    public string LastLine
    {
        get
        {
            lock (_lines)
            {
                return _lines.LastOrDefault(l => !string.IsNullOrWhiteSpace(l)) ?? "it said nothing";
            }
        }
    }

    /// <exception cref="StartFailedException">It ended, or did not become ready in a minute.</exception>
    public async Task ReadyAsync(CancellationToken cancellationToken)
    {
        try
        {
            var first = await Task.WhenAny(_ready.Task, _exited.Task).WaitAsync(StartPatience, cancellationToken);
            if (first != _exited.Task && !_exited.Task.IsCompleted)
            {
                return;
            }
        }
        catch (TimeoutException)
        {
            await StopAsync();
        }
        catch (OperationCanceledException)
        {
            await StopAsync();
            throw;
        }

        if (_exited.Task.IsFaulted)
        {
            await _exited.Task;
        }

        throw Failure();
    }

    /// <summary>Ends sessions and waits for the shutdown checkpoint; after 30 s without either.</summary>
    public async Task StopAsync()
    {
        await Task.WhenAny(_started.Task, _exited.Task);
        var since = Stopwatch.StartNew();
        while (!_exited.Task.IsCompleted)
        {
            // Again and again: a program that has not yet become PostgreSQL may ignore it.
            SignalIfRunning(
                since.Elapsed < StopPatience ? Native.SigInt
                : since.Elapsed < 2 * StopPatience ? Native.SigQuit
                : Native.SigKill
            );
            await Task.WhenAny(_exited.Task, Task.Delay(SignalPause));
        }
    }

    public void SignalIfRunning(int signal)
    {
        if (_pid != 0 && !_exited.Task.IsCompleted)
        {
            Native.Signal(_pid, signal);
        }
    }

    private void Run(Command command)
    {
        try
        {
            using var process = Process.Start(command.StartInfo())!;
            _pid = process.Id;
            _started.SetResult();
            process.StandardInput.Close();
            process.OutputDataReceived += (_, e) => Take(e.Data);
            process.ErrorDataReceived += (_, e) => Take(e.Data);
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            process.WaitForExit();
            _exited.SetResult();
        }
        catch (Exception e)
        {
            _exited.SetException(new IOException(e.Message, e));
        }
    }

    private void Take(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_lines)
        {
            _lines.Enqueue(line);
            if (_lines.Count > LinesKept)
            {
                _lines.Dequeue();
            }
        }

        if (line.Contains("database system is ready to accept connections", StringComparison.Ordinal))
        {
            _ready.TrySetResult();
        }
    }

    private StartFailedException Failure()
    {
        lock (_lines)
        {
            var reason = _lines.Select(CommandResult.Complaint).FirstOrDefault(c => c is not null) ?? LastLine;
            return new StartFailedException(reason, string.Join('\n', _lines));
        }
    }
}

/// <summary>The postmaster ended before it was ready.</summary>
internal sealed class StartFailedException(string reason, string output) : Exception(reason)
{
    public string Output { get; } = output;
}
