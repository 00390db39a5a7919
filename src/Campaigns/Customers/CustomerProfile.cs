using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Results;

namespace Campaigns.Customers;

/// <summary>When a customer likes to be reached; what hours each means is contact policy.</summary>
public enum PreferredSlot : short
{
    Morning = 1,
    Afternoon = 2,
    Evening = 4,
}

/// <summary>A customer as the bank states it, whole: what is left out is taken away.</summary>
public sealed record CustomerProfile
{
    /// <summary>By field; every name must be in the catalogue, every value of the field's type. A JSON null is no value.
    /// </summary>
    public IReadOnlyDictionary<string, JsonElement> Attributes { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>At most 100 printable texts of 1 to 64 characters; order and repeats do not count.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    public CustomerAddresses Addresses { get; init; } = new();

    /// <summary>IANA name; null for Asia/Shanghai.</summary>
    public string? Zone { get; init; }

    /// <summary>First preference first; empty for none.</summary>
    public IReadOnlyList<Channel> PreferredChannels { get; init; } = [];

    /// <summary>Empty for any.</summary>
    public IReadOnlyList<PreferredSlot> PreferredSlots { get; init; } = [];

    public DateOnly? BirthDate { get; init; }

    /// <summary>Risk the customer may be offered, 1 (lowest) to 5.</summary>
    public short? RiskRating { get; init; }

    /// <summary>Last day on which the rating holds; null while it does not expire.</summary>
    public DateOnly? RiskRatedUntil { get; init; }

    public bool Student { get; init; }
}

/// <summary>Where a customer can be reached. In plain text on the way in; masked in every answer.</summary>
public sealed record CustomerAddresses
{
    /// <summary>Mobile number, E.164 or eleven digits of a mainland mobile: SMS.</summary>
    public string? Phone { get; init; }

    /// <summary>The account's id of a follower, or of a user of the mini program, whichever sends: WeChat.</summary>
    public string? OpenId { get; init; }

    /// <summary>The app's registration id: push and inbox.</summary>
    public string? PushId { get; init; }

    /// <summary>The address of one channel.</summary>
    public string? Of(Channel channel) =>
        channel switch
        {
            Channel.Sms => Phone,
            Channel.WeChat => OpenId,
            Channel.App => PushId,
            _ => throw new ArgumentOutOfRangeException(nameof(channel)),
        };

    /// <summary>Says nothing, so that no log does.</summary>
    public override string ToString() => "…";
}

/// <summary>What is known of consent for one channel.</summary>
public enum ConsentState
{
    None,
    Granted,
    Refused,
}

/// <summary>Whether and where a channel reaches a customer.</summary>
/// <param name="Shared">The address belongs to another customer, who gets what is sent to it.</param>
/// <param name="Marketing">By the newest grant or refusal.</param>
/// <param name="Address">Masked; null where there is none.</param>
public sealed record ChannelReach(Channel Channel, bool Shared, ConsentState Marketing, string? Address = null);

/// <summary>A customer as shown.</summary>
/// <param name="Id">The bank's own id.</param>
/// <param name="Stub">Only the id is known yet: an event or a consent named it.</param>
/// <param name="Zone">IANA name.</param>
/// <param name="Channels">One entry a channel.</param>
/// <param name="PersonalisationOff">Only campaigns without profiling may reach the customer.</param>
/// <param name="SensitiveConsent">Rules on sensitive fields may be used for the customer.</param>
public sealed record Customer(
    string Id,
    bool Stub,
    IReadOnlyDictionary<string, JsonElement> Attributes,
    IReadOnlyList<string> Tags,
    string Zone,
    IReadOnlyList<Channel> PreferredChannels,
    IReadOnlyList<PreferredSlot> PreferredSlots,
    bool Student,
    IReadOnlyList<ChannelReach> Channels,
    bool PersonalisationOff,
    bool SensitiveConsent,
    DateTimeOffset UpdatedAt
)
{
    public DateOnly? BirthDate { get; init; }
    public short? RiskRating { get; init; }
    public DateOnly? RiskRatedUntil { get; init; }
}

/// <summary>One customer of a batch.</summary>
public sealed record CustomerEntry(string Id, CustomerProfile Profile);

/// <summary>What became of one item of a batch.</summary>
public enum ItemStatus
{
    Created,
    Updated,

    /// <summary>It said what was known already; nothing was written.</summary>
    Unchanged,
    Refused,
}

/// <summary>What became of one item of a batch.</summary>
/// <param name="Index">Place in the batch, from 0.</param>
/// <param name="Id">As sent.</param>
/// <param name="Error">Set where it was refused, and only there.</param>
public sealed record BatchItem(int Index, string Id, ItemStatus Status, Error? Error = null)
{
    /// <summary>Whether it is an event that was kept by the customer's id alone, which the bank has not stated yet.</summary>
    public bool Unmatched { get; init; }
}
