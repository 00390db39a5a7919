using Campaigns.Channels;

namespace Campaigns.Planning;

/// <summary>Which of the channels left to a customer a campaign uses: the customer's own preferences first, then the
/// campaign's order. A table, so that SQL looks it up: index <c>8 · preferences + set</c>, from 0.</summary>
internal static class ChannelChoice
{
    private const int Sets = 8;
    private const int Preferences = 512;

    /// <summary>The whole table, for <c>contact.preferred_channels</c> and every set of channels; 0 for the empty set.
    /// </summary>
    public static short[] Table(IReadOnlyList<Channel> order)
    {
        var table = new short[Preferences * Sets];
        for (var i = 0; i < table.Length; i++)
        {
            table[i] = (short)Choose((short)(i / Sets), (short)(i % Sets), order);
        }

        return table;
    }

    /// <summary>The channel for one customer; 0 when the set is empty.</summary>
    public static Channel Choose(short preferences, short set, IReadOnlyList<Channel> order) =>
        Decode(preferences).Concat(order).FirstOrDefault(channel => (set & channel.Bit()) != 0);

    /// <summary>Preferences as stored: octal digits, the first preference lowest.</summary>
    public static IEnumerable<Channel> Decode(short preferences)
    {
        for (var rest = (int)preferences; rest != 0; rest >>= 3)
        {
            if (Enum.IsDefined((Channel)(rest & 7)))
            {
                yield return (Channel)(rest & 7);
            }
        }
    }
}
