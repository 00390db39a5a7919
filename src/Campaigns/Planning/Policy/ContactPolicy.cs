using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Json;
using Campaigns.Results;

namespace Campaigns.Planning;

/// <summary>What binds every campaign of the bank: when customers may be disturbed, and how often.</summary>
public sealed record ContactPolicy
{
    /// <summary>Quiet hours, hours of channels, and what the preferred slots mean; on the customer's own clock.</summary>
    public ContactHours Hours { get; init; } = new();

    /// <summary>How often a customer may be reached, over all campaigns.</summary>
    public FrequencyCaps Caps { get; init; } = new();

    /// <summary>Null when right; else 400 <c>validation-failed</c> or 422 <c>invalid-window</c> with every field at fault.
    /// </summary>
    public Error? Validate()
    {
        var faults = new FaultList();
        faults.Add(Hours.Validate("hours"));
        Check(Caps.PerDay, 15, "caps.perDay", faults);
        Check(Caps.PerWeek, 105, "caps.perWeek", faults);
        Check(Caps.WeChatPerMonth, 15, "caps.weChatPerMonth", faults);
        Check(Caps.PerChannelPerDay, 15, "caps.perChannelPerDay", faults);
        Check(Caps.PerChannelPerWeek, 105, "caps.perChannelPerWeek", faults);
        if (Caps.MinimumGap is { } gap && (gap <= TimeSpan.Zero || gap > TimeSpan.FromDays(7)))
        {
            faults.Malformed("caps.minimumGap", "must be longer than nothing and at most 7 days");
        }

        return faults.ToError();
    }

    private static void Check(IReadOnlyDictionary<Channel, int> caps, int most, string path, FaultList faults)
    {
        foreach (var (channel, cap) in caps)
        {
            Check(cap, most, $"{path}.{ProductJson.NameOf(channel)}", faults);
        }
    }

    private static void Check(int? cap, int most, string path, FaultList faults)
    {
        if (cap < 1 || cap > most)
        {
            faults.Malformed(path, $"must be from 1 to {most}; leave it out for no cap");
        }
    }
}

/// <summary>The contact policy at one of its versions; the newest holds.</summary>
public sealed record ContactPolicyVersion
{
    /// <summary>0 for the policy that holds where nobody has set one.</summary>
    public required int Version { get; init; }
    public required ContactPolicy Policy { get; init; }
    public string? CreatedBy { get; init; }

    /// <summary>Business time.</summary>
    public DateTimeOffset? CreatedAt { get; init; }
}
