namespace Campaigns.Channels;

/// <summary>A way to reach a customer. The number is stored; never reuse one.</summary>
public enum Channel : short
{
    Sms = 1,
    WeChat = 2,
    App = 3,
}

/// <summary>What a message is for. Servicing needs no marketing consent and counts for no cap, so a campaign whose goal
/// is a sale cannot be servicing.</summary>
public enum Purpose : short
{
    Marketing = 1,
    Servicing = 2,
}

/// <summary>Sets of channels as they are stored: bit <c>channel - 1</c> of a smallint.</summary>
public static class ChannelSet
{
    public static short Bit(this Channel channel) => (short)(1 << ((int)channel - 1));

    public static short Of(IEnumerable<Channel> channels) =>
        channels.Aggregate((short)0, (set, channel) => (short)(set | channel.Bit()));
}
