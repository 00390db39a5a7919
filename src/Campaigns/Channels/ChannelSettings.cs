using Microsoft.Extensions.Configuration;

namespace Campaigns.Channels;

/// <summary>Which gateway serves a channel, for which purpose: configuration section <c>Channels:sms</c>,
/// <c>Channels:wechat</c> or <c>Channels:app</c>. May change while running; requests on the wire end under the settings
/// they began with.</summary>
/// <remarks>Settings of a gateway stand in the section of its name, such as <c>Channels:sms:aliyun-sms</c>. Those of
/// <see cref="Gateway"/>'s provider may stand in the channel's section itself, where they hold for every gateway of that
/// provider as far as its own section says nothing else. A gateway whose settings stay is asked, and believed, about what
/// went out by it before another took its place.</remarks>
public sealed class ChannelSettings
{
    /// <summary>Name of the gateway: <c>aliyun-sms</c>, <c>bank-sms</c>, <c>wechat-mass</c>, <c>wechat-template</c>,
    /// <c>wechat-subscribe</c>, <c>jpush</c> or <c>inbox</c>; empty where the channel is not served.</summary>
    public string Gateway { get; set; } = "";

    /// <summary>Name of the gateway of servicing messages, where it is another than <see cref="Gateway"/>; empty where it is
    /// the same.</summary>
    public string ServicingGateway { get; set; } = "";

    /// <summary>By name, the gateways that have settings.</summary>
    public IDictionary<string, GatewaySettings> Gateways { get; } = new Dictionary<string, GatewaySettings>();

    /// <summary>What names the gateway of a purpose.</summary>
    internal (string Member, string Gateway) Of(Purpose purpose) =>
        purpose == Purpose.Servicing && ServicingGateway.Length > 0
            ? (nameof(ServicingGateway), ServicingGateway)
            : (nameof(Gateway), Gateway);

    /// <param name="kinds">Those of the channel.</param>
    internal void Read(IConfigurationSection section, IReadOnlyList<GatewayKind> kinds)
    {
        (Gateway, ServicingGateway) = (section[nameof(Gateway)] ?? "", section[nameof(ServicingGateway)] ?? "");
        var first = Gateway.Length > 0 ? Gateway : ServicingGateway;
        var provider = kinds.FirstOrDefault(kind => kind.Name == first)?.Provider;
        foreach (var kind in kinds)
        {
            var own = section.GetSection(kind.Name);
            if (kind.Provider == provider || own.Exists() || !kind.NeedsProvider)
            {
                Gateways[kind.Name] = GatewaySettings.Of(kind.Provider == provider ? [section, own] : [own]);
            }
        }
    }
}
