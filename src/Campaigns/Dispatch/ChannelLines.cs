using System.Collections.Concurrent;
using Campaigns.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>This node's lines, one a channel.</summary>
internal sealed class ChannelLines(
    Gateways gateways,
    NpgsqlDataSource dataSource,
    TimeProvider time,
    ILogger<ChannelLines> logger
) : IDisposable
{
    private readonly ConcurrentDictionary<Channel, ChannelLine> _lines = new();

    internal ChannelLine Of(Channel channel) =>
        _lines.GetOrAdd(channel, one => new ChannelLine(gateways, one, dataSource, time, logger));

    public void Dispose()
    {
        foreach (var line in _lines.Values)
        {
            line.Dispose();
        }
    }
}
