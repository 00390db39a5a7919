using System.Text.Json.Serialization;
using Campaigns.Channels;
using Campaigns.Customers;

namespace Campaigns.Receipts;

/// <summary>A receipt without the address it was for: what may be kept when it refers to nothing we know yet.</summary>
/// <param name="Lookup">The keyed hash of the address, in base64; null when the receipt names none.</param>
internal sealed record Said(
    [property: JsonIgnore] string Source,
    [property: JsonIgnore] string EventId,
    Channel Channel,
    string? RequestKey,
    string? ProviderId,
    string? Lookup,
    ReceiptState State,
    string? Code,
    DateTimeOffset At
)
{
    internal static Said Of(Channel channel, ProviderReceipt receipt, AddressVault vault) =>
        new(
            receipt.Provider,
            receipt.EventId,
            channel,
            receipt.RequestKey,
            receipt.ProviderId,
            receipt.Address is { } address && AddressForms.Normalise(channel, address) is { } normal
                ? Convert.ToBase64String(vault.Lookup(channel, normal))
                : null,
            receipt.State,
            receipt.Code,
            receipt.At
        );
}

/// <summary>What a mass send's receipt says of its call, kept until the call is known.</summary>
internal sealed record MassSaid(string ProviderId, string Status, int Total, int Filtered, int Sent, int Failed);

/// <summary>What became of a batch of receipts.</summary>
/// <param name="Recorded">Said something new.</param>
/// <param name="Known">Had been recorded before.</param>
/// <param name="Parked">Refer to nothing we know yet; kept, and joined when it appears.</param>
public sealed record ReceiptBatch(int Recorded, int Known, int Parked);
