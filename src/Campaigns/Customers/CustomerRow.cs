using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Results;
using NodaTime;

namespace Campaigns.Customers;

/// <summary>A customer on the way into the tables: checked, normalised, addresses sealed.</summary>
internal sealed class CustomerRow
{
    /// <summary>Place in the batch.</summary>
    public required int Ordinal { get; init; }
    public required string Id { get; init; }
    public string Attributes { get; init; } = "{}";
    public string[] Tags { get; init; } = [];
    public SealedAddress? Sms { get; init; }
    public SealedAddress? WeChat { get; init; }
    public SealedAddress? App { get; init; }
    public DateOnly? BirthDate { get; init; }
    public DateOnly? RiskRatedUntil { get; init; }
    public short? RiskRating { get; init; }
    public short Zone { get; init; } = 1;
    public short PreferredSlots { get; init; }
    public short PreferredChannels { get; init; }
    public bool Student { get; init; }
}

/// <summary>Turns profiles into rows, or says everything that is wrong with them.</summary>
internal sealed class ProfileReader(
    IReadOnlyDictionary<string, Field> fields,
    IReadOnlyDictionary<string, short> zones,
    AddressVault vault
)
{
    public const int MostTags = 100;
    public const int LongestTag = 64;
    private static readonly DateOnly EarliestBirth = new(1880, 1, 1);

    public static bool IsZone(string name) => DateTimeZoneProviders.Tzdb.GetZoneOrNull(name) is not null;

    /// <summary>Octal digits, the first preference lowest.</summary>
    public static short Preference(IEnumerable<Channel> channels) =>
        (short)channels.Distinct().Select((channel, place) => (int)channel << (3 * place)).Sum();

    public static short Slots(IEnumerable<PreferredSlot> slots) =>
        slots.Aggregate((short)0, (set, slot) => (short)(set | (short)slot));

    /// <summary>Printable, distinct, in ordinal order; null where one is not acceptable.</summary>
    public static string[]? Tags(IReadOnlyCollection<string> tags) =>
        tags.Count <= MostTags && tags.All(tag => Texts.IsPrintable(tag, 1, LongestTag))
            ? [.. tags.Distinct().Order(StringComparer.Ordinal)]
            : null;

    public static bool IsBirthDate(DateOnly date, DateOnly today) => date >= EarliestBirth && date <= today;

    public Result<CustomerRow> Read(int ordinal, string id, CustomerProfile profile, DateOnly today)
    {
        var faults = new List<FieldError>();
        if (!CustomerIds.IsValid(id))
        {
            faults.Add(new("id", CustomerIds.Form));
        }

        var attributes = Attributes(profile.Attributes, faults);
        var tags = Tags(profile.Tags);
        if (tags is null)
        {
            faults.Add(new("tags", $"must be at most {MostTags} printable texts of 1 to {LongestTag} characters"));
        }

        if (profile.RiskRating is < 1 or > 5)
        {
            faults.Add(new("riskRating", "must be 1 to 5"));
        }

        if (profile.BirthDate is { } birthDate && !IsBirthDate(birthDate, today))
        {
            faults.Add(new("birthDate", "must be between 1880-01-01 and today"));
        }

        var sms = Seal(Channel.Sms, profile.Addresses.Phone, "addresses.phone", faults);
        var wechat = Seal(Channel.WeChat, profile.Addresses.OpenId, "addresses.openId", faults);
        var app = Seal(Channel.App, profile.Addresses.PushId, "addresses.pushId", faults);
        if (faults.Count > 0)
        {
            return Error.Validation([.. faults]);
        }

        if (profile.Zone is not null && !zones.ContainsKey(profile.Zone))
        {
            return Error.Invalid("unknown-timezone", "zone", "It must be an IANA name such as Asia/Shanghai.");
        }

        return new CustomerRow
        {
            Ordinal = ordinal,
            Id = id,
            Attributes = attributes,
            Tags = tags!,
            Sms = sms,
            WeChat = wechat,
            App = app,
            BirthDate = profile.BirthDate,
            RiskRatedUntil = profile.RiskRatedUntil,
            RiskRating = profile.RiskRating,
            Zone = profile.Zone is null ? (short)1 : zones[profile.Zone],
            PreferredSlots = Slots(profile.PreferredSlots),
            PreferredChannels = Preference(profile.PreferredChannels),
            Student = profile.Student,
        };
    }

    private string Attributes(IReadOnlyDictionary<string, JsonElement> attributes, List<FieldError> faults)
    {
        var known = new Dictionary<string, JsonElement>(attributes.Count);
        foreach (var (name, value) in attributes)
        {
            if (!fields.TryGetValue(name, out var field))
            {
                faults.Add(new($"attributes.{Shown(name)}", "is not in the field catalogue"));
            }
            else if (value.ValueKind != JsonValueKind.Null)
            {
                if (FieldValues.FindFault(field, value) is { } fault)
                {
                    faults.Add(new($"attributes.{name}", fault));
                }

                known.Add(name, value);
            }
        }

        return faults.Count > 0 ? "{}" : JsonSerializer.Serialize(known);
    }

    private SealedAddress? Seal(Channel channel, string? address, string path, List<FieldError> faults)
    {
        if (address is null)
        {
            return null;
        }

        if (AddressForms.Normalise(channel, address) is not { } normal)
        {
            faults.Add(new(path, AddressForms.Form(channel)));
            return null;
        }

        return vault.Seal(channel, normal);
    }

    private static string Shown(string name) => Texts.IsPrintable(name, 1, 63) ? name : "…";
}
