using System.Globalization;
using System.Security.Cryptography;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Lifecycle;

namespace Campaigns.Dispatch;

/// <summary>A tester's address as it is stored; without a key where she has none.</summary>
internal sealed class TesterAddress
{
    public string CustomerId { get; init; } = "";
    public long CustomerKey { get; init; }
    public short? KeyId { get; init; }
    public byte[]? Ciphertext { get; init; }
}

/// <summary>Decides for each tester whether a test may go to her, and with which values.</summary>
/// <param name="now">Business time.</param>
internal sealed class TestDesk(
    TemplateDraft draft,
    GatewayDeclaration gateway,
    IReadOnlyDictionary<string, Field> fields,
    ContactHours hours,
    DateTimeOffset now
)
{
    private readonly WindowCalculator _hours = WindowCalculator
        .Create(
            new CampaignCalendar
            {
                From = DateOnly.FromDateTime(now.UtcDateTime).AddDays(-1),
                To = DateOnly.FromDateTime(now.UtcDateTime).AddDays(1),
                Windows = [],
                Hours = hours,
            },
            now
        )
        .Value;

    internal TestItem Item(short place, Customer customer, TesterAddress stored, AddressVault vault)
    {
        var filled = FilledTemplate.Of(draft, customer, fields);
        var address = AddressOf(stored, vault);
        var withheld = Why(customer, filled) ?? (address is null ? "unreachable" : null);
        // A gateway that says the same to all must not read one's values out to the others.
        var values = gateway.Variables ? filled.Values : draft.Defaults;
        return new TestItem(place, stored.CustomerKey, address ?? "", values, withheld);
    }

    private string? Why(Customer customer, FilledTemplate filled)
    {
        var reach = customer.Channels.Single(one => one.Channel == draft.Channel);
        return draft.Purpose switch
        {
            Purpose.Marketing when reach.Marketing == ConsentState.Refused => "opted_out",
            Purpose.Marketing when reach.Marketing == ConsentState.None => "no_consent",
            Purpose.Marketing when customer.PersonalisationOff && UsesProfiling(filled) => "personalisation_off",
            _ when reach.Shared && gateway.NeedsAddress => "unreachable", // it is another's, who would get it
            _ when !_hours.Windows(customer.Zone, PreferredSlots.Any, draft.Channel).Value.Any(w => w.Contains(now)) =>
                "quiet_hours",
            _ when filled.Missing.Count > 0 => ProviderWords.TemplateError,
            _ => null,
        };
    }

    private bool UsesProfiling(FilledTemplate filled) =>
        filled.Names.Any(name => fields.GetValueOrDefault(name) is { Profiling: true });

    private string? AddressOf(TesterAddress stored, AddressVault vault)
    {
        if (!gateway.NeedsAddress)
        {
            return stored.CustomerKey.ToString(CultureInfo.InvariantCulture);
        }

        try
        {
            return stored.KeyId is { } key ? vault.Open(draft.Channel, key, stored.Ciphertext) : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
