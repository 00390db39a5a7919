using System.Collections.Concurrent;
using Campaigns.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>This node's lines, one a gateway.</summary>
internal sealed class ChannelLines(
    Gateways gateways,
    NpgsqlDataSource dataSource,
    TimeProvider time,
    ILogger<ChannelLines> logger
)
{
    private readonly ConcurrentDictionary<(Channel, string), ChannelLine> _lines = new();

    /// <summary>The line by which messages of the purpose go now; it may be another the next time.</summary>
    internal ChannelLine Of(Channel channel, Purpose purpose) => Of(channel, gateways.NameOf(channel, purpose));

    private ChannelLine Of(Channel channel, string gateway) =>
        _lines.GetOrAdd(
            (channel, gateway),
            one => new ChannelLine(gateways, one.Item1, one.Item2, dataSource, time, logger)
        );
}
