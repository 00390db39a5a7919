using System.Net;
using System.Net.Sockets;

namespace Campaigns.Tests.Support;

/// <summary>A port to tell somebody else of before it is listened on.</summary>
public static class FreePort
{
    public static int Next()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
