using System.Globalization;
using Campaigns.Channels;
using Campaigns.Json;

namespace Campaigns.Dispatch;

/// <summary>Why nothing goes by a channel or a gateway, in words that say what to do.</summary>
internal static class ChannelHold
{
    internal static string NotServed(Channel channel, Purpose purpose) =>
        $"No gateway serves {ProductJson.NameOf(channel)} for {ProductJson.NameOf(purpose)}: configure "
        + $"Channels:{Gateways.Section(channel)}:Gateway.";

    /// <summary>Null where nothing holds the gateway.</summary>
    /// <param name="channel">Of which what an operator did is known.</param>
    internal static string? Of(ChannelStatus channel, GatewayStatus gateway) =>
        (channel, gateway) switch
        {
            ({ Stopped: true }, _) =>
                $"{channel.ChangedBy} stopped the channel at {At(channel.ChangedAt)}: {channel.Reason}. Start the channel "
                    + "to go on.",
            (_, { Stopped: true }) =>
                $"The provider behind {gateway.Name} has refused everything since {At(gateway.ChangedAt)}: "
                    + $"{gateway.Reason}. Put it right, then start the channel.",
            (_, { RestsUntil: { } until }) =>
                $"The provider behind {gateway.Name} asked for a rest until {At(until)}; it goes on by itself.",
            (_, { BrokenUntil: { } until }) =>
                $"{gateway.Name} fails: its breaker is open until {At(until)}, then one request tries it.",
            _ => null,
        };

    internal static string At(DateTimeOffset? at) =>
        at?.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "?";
}
