using System.Text.Json.Serialization;
using Campaigns.Channels;
using Campaigns.Results;

namespace Campaigns.Calendar;

/// <summary>Times of day a customer prefers, as they are stored: bits of a smallint. Several together mean any of
/// them.</summary>
[Flags]
public enum PreferredSlots : short
{
    /// <summary>No preference.</summary>
    Any = 0,
    Morning = 1,
    Afternoon = 2,
    Evening = 4,
}

/// <summary>The bank's own hours, which bind every campaign, on the wall clock of the customer.</summary>
public sealed record ContactHours
{
    /// <summary>Null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)] // left out, it would be the default again
    public QuietHours? QuietHours { get; init; } = QuietHours.Default;

    /// <summary>Hours of channels; a channel without an entry, or with an empty one, is always open.</summary>
    public IReadOnlyDictionary<Channel, IReadOnlyList<SendWindow>> ChannelHours { get; init; } =
        new Dictionary<Channel, IReadOnlyList<SendWindow>>();

    /// <summary>What each preferred slot means; a slot without an entry is no preference.</summary>
    public IReadOnlyDictionary<PreferredSlots, SendWindow> Slots { get; init; } =
        new Dictionary<PreferredSlots, SendWindow>
        {
            [PreferredSlots.Morning] = new() { From = new(8, 0), To = new(12, 0) },
            [PreferredSlots.Afternoon] = new() { From = new(12, 0), To = new(18, 0) },
            [PreferredSlots.Evening] = new() { From = new(18, 0), To = new(20, 0) },
        };

    /// <summary>Null when right; else 422 <c>invalid-window</c> with every field at fault.</summary>
    /// <param name="path">Its own path; empty at the top of a document.</param>
    public Error? Validate(string path = "")
    {
        var faults = new Faults("invalid-window");
        Check(path, faults);
        return faults.ToError();
    }

    internal void Check(string path, Faults faults)
    {
        var prefix = path.Length == 0 ? "" : path + ".";
        QuietHours?.Check($"{prefix}quietHours", faults);
        foreach (var (channel, hours) in ChannelHours)
            SendWindow.Check(hours, $"{prefix}channelHours.{channel}", faults);
        foreach (var (slot, hours) in Slots)
            SendWindow.Check([hours], $"{prefix}slots.{slot}", faults);
    }

    /// <summary>The hours of any of the slots; empty for no bound.</summary>
    internal IReadOnlyList<SendWindow> Of(PreferredSlots slots)
    {
        var chosen = Enum.GetValues<PreferredSlots>().Where(s => s != PreferredSlots.Any && slots.HasFlag(s)).ToList();
        return chosen.All(Slots.ContainsKey) ? [.. chosen.Select(s => Slots[s])] : [];
    }
}
