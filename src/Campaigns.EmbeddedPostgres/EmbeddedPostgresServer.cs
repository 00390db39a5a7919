namespace Campaigns.Embedded;

/// <summary>
/// A running private PostgreSQL. It stops when this is disposed, and also when the program ends in any other way,
/// by <c>kill -9</c> too.
/// </summary>
public sealed class EmbeddedPostgresServer : IAsyncDisposable
{
    private readonly DataDirectory _directory;
    private readonly Postmaster _postmaster;
    private readonly Action<string>? _log;
    private int _disposed;

    internal EmbeddedPostgresServer(
        DataDirectory directory,
        Postmaster postmaster,
        string connectionString,
        Action<string>? log
    )
    {
        _directory = directory;
        _postmaster = postmaster;
        _log = log;
        ConnectionString = connectionString;
        AppDomain.CurrentDomain.ProcessExit += OnProcessExit;
        _ = WatchAsync();
    }

    /// <summary>Of the database <c>campaigns</c>, as its owner and a superuser. Holds the password: never log it.</summary>
    public string ConnectionString { get; }

    /// <summary>As given in the options, in full.</summary>
    public string DataDirectory => _directory.Root;

    /// <summary>Of the postmaster.</summary>
    public int ProcessId => _postmaster.ProcessId;

    /// <summary>Completes when it has ended, be it by itself.</summary>
    public Task Exited => _postmaster.Exited;

    /// <summary>Stops the server and keeps its data. A second call does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        AppDomain.CurrentDomain.ProcessExit -= OnProcessExit;
        await _postmaster.StopAsync();
        _directory.Dispose();
    }

    private void OnProcessExit(object? sender, EventArgs e) => _postmaster.SignalIfRunning(Native.SigInt);

    private async Task WatchAsync()
    {
        await _postmaster.Exited;
        if (Volatile.Read(ref _disposed) == 0)
        {
            _log?.Invoke($"PostgreSQL on {DataDirectory} stopped by itself: {_postmaster.LastLine}");
        }
    }
}
