using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Campaigns.Faults.Running;

/// <summary>A TCP proxy before PostgreSQL. Told to, it cuts a connection the moment the server says that it has committed:
/// the commit stands, and who asked for it never hears of it.</summary>
internal sealed class LossyProxy : IAsyncDisposable
{
    /// <summary>CommandComplete of a COMMIT: type, length, tag.</summary>
    private static readonly byte[] Committed = [(byte)'C', 0, 0, 0, 11, .. "COMMIT\0"u8];
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly IPEndPoint _server;
    private readonly Task _accepting;
    private int _loses;
    private int _lost;

    public LossyProxy(NpgsqlConnectionStringBuilder server)
    {
        _server = new IPEndPoint(IPAddress.Parse(server.Host!), server.Port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Commits whose answer was lost so far.</summary>
    public int Lost => Volatile.Read(ref _lost);

    /// <summary>Loses the answer of the next commit, whosever it is.</summary>
    public void LoseNext() => Volatile.Write(ref _loses, 1);

    /// <summary>Loses nothing any more.</summary>
    public void Behave() => Volatile.Write(ref _loses, 0);

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        var served = new List<Task>();
        try
        {
            while (true)
            {
                served.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_closing.Token)));
            }
        }
        catch (Exception end) when (IsEnd(end))
        {
            await Task.WhenAll(served);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var server = new TcpClient();
        using var cut = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        using (client)
        {
            try
            {
                await server.ConnectAsync(_server, cut.Token);
                (client.NoDelay, server.NoDelay) = (true, true);
                await await Task.WhenAny(
                    PassAsync(client.GetStream(), server.GetStream(), _ => false, cut.Token),
                    PassAsync(server.GetStream(), client.GetStream(), Loses, cut.Token)
                );
            }
            catch (Exception end) when (IsEnd(end))
            {
                // The one side has gone, so the other goes too.
            }

            await cut.CancelAsync();
        }
    }

    private static async Task PassAsync(Stream from, Stream to, Func<Memory<byte>, bool> loses, CancellationToken cut)
    {
        var buffer = new byte[64 * 1024];
        int read;
        while ((read = await from.ReadAsync(buffer, cut)) > 0 && !loses(buffer.AsMemory(0, read)))
        {
            await to.WriteAsync(buffer.AsMemory(0, read), cut);
        }
    }

    /// <summary>An answer in two pieces is let through: the next one will do.</summary>
    private bool Loses(Memory<byte> answer)
    {
        if (answer.Span.IndexOf(Committed) < 0 || Interlocked.Exchange(ref _loses, 0) == 0)
        {
            return false;
        }

        Interlocked.Increment(ref _lost);
        return true;
    }

    // A connection that is gone before anything was asked of it is an InvalidOperationException.
    private static bool IsEnd(Exception end) =>
        end is IOException or SocketException or OperationCanceledException or InvalidOperationException;
}
