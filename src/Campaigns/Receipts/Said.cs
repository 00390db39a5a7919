using System.Text.Json.Serialization;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Dispatch;

namespace Campaigns.Receipts;

/// <summary>A receipt without the address it was for: what may be kept when it refers to nothing we know yet.</summary>
internal sealed record Said
{
    /// <summary>Name of the gateway.</summary>
    [JsonIgnore]
    public string Source { get; init; } = "";

    [JsonIgnore]
    public string EventId { get; init; } = "";
    public required Channel Channel { get; init; }
    public string? RequestKey { get; init; }
    public string? ProviderId { get; init; }

    /// <summary>The keyed hash of the address, in base64; null when the receipt names none.</summary>
    public string? Lookup { get; init; }

    /// <summary>The customer, where the receipt names the touch; 0 where it names none of ours.</summary>
    public long? CustomerKey { get; init; }
    public required ReceiptState State { get; init; }
    public string? Code { get; init; }
    public required DateTimeOffset At { get; init; }

    internal static Said Of(Channel channel, ProviderReceipt receipt, AddressVault vault) =>
        new()
        {
            Source = receipt.Provider,
            EventId = receipt.EventId,
            Channel = channel,
            RequestKey = receipt.RequestKey,
            ProviderId = receipt.ProviderId,
            Lookup =
                receipt.Address is { } address && AddressForms.Normalise(channel, address) is { } normal
                    ? Convert.ToBase64String(vault.Lookup(channel, normal))
                    : null,
            CustomerKey = receipt.TouchKey is { } key ? TouchKey.CustomerOf(key) ?? 0 : null,
            State = receipt.State,
            Code = receipt.Code,
            At = receipt.At,
        };

    /// <summary>As it would be said of a test.</summary>
    internal TestReceipt OfTest() =>
        new(
            Channel,
            RequestKey,
            ProviderId,
            Lookup,
            CustomerKey,
            State == ReceiptState.Delivered ? TestState.Delivered : TestState.Failed,
            Code
        );
}

/// <summary>What a mass send's receipt says of its call, kept until the call is known.</summary>
internal sealed record MassSaid(string ProviderId, string Status, int Total, int Filtered, int Sent, int Failed);

/// <summary>What became of a batch of receipts.</summary>
/// <param name="Recorded">Said something new.</param>
/// <param name="Known">Had been recorded before.</param>
/// <param name="Parked">Refer to nothing we know yet; kept, and joined when it appears.</param>
public sealed record ReceiptBatch(int Recorded, int Known, int Parked);
