using System.Security.Cryptography;
using System.Text;

namespace Campaigns.Channels;

/// <summary>What a receipt says. The numbers rank, as those of stored receipts do: the highest seen holds.</summary>
public enum ReceiptState : short
{
    Failed = 3,
    Delivered = 4,
}

/// <summary>What a provider said later of one message.</summary>
/// <param name="Provider">Name of the gateway.</param>
/// <param name="EventId">The same for a repetition and different for everything else; gives no address away.</param>
/// <param name="RequestKey">The key of the request, where the provider returns it.</param>
/// <param name="ProviderId">The id it gave when it accepted.</param>
/// <param name="Address">Whom it was for, in the form of <see cref="SendItem.Address"/>; null when it does not say. Not to be
/// logged or stored.</param>
/// <param name="Code">Why it failed; null when it did not.</param>
/// <param name="At">When, by the provider's clock.</param>
/// <param name="TouchKey">As <see cref="SendItem.TouchKey"/>, where the provider returns it: says whom it was for instead of
/// the address.</param>
public sealed record ProviderReceipt(
    string Provider,
    string EventId,
    string? RequestKey,
    string? ProviderId,
    string? Address,
    ReceiptState State,
    string? Code,
    DateTimeOffset At,
    string? TouchKey = null
)
{
    /// <summary>Without the address.</summary>
    public override string ToString() => $"{Provider} {EventId} {State} {Code}";
}

/// <summary>What a customer answered.</summary>
/// <param name="Provider">Name of the gateway.</param>
/// <param name="EventId">The same for a repetition and different for everything else; gives no address away.</param>
/// <param name="Address">Who, in the form of <see cref="SendItem.Address"/>. Not to be logged or stored.</param>
/// <param name="Content">At most 2,000 characters, without control characters.</param>
/// <param name="Refusal">Whether it asks to be left alone.</param>
/// <param name="At">When, by the provider's clock.</param>
public sealed record ProviderReply(
    string Provider,
    string EventId,
    string Address,
    string Content,
    bool Refusal,
    DateTimeOffset At
)
{
    /// <summary>Without the address and the content.</summary>
    public override string ToString() => $"{Provider} {EventId}";
}

/// <summary>What somebody answered when asked to authorise messages by a template of the provider's.</summary>
/// <param name="EventId">The same for a repetition and different for everything else of hers; gives no address away.</param>
/// <param name="Address">Who, in the form of <see cref="SendItem.Address"/>. Not to be logged or stored.</param>
/// <param name="Messages">How many more; 0 takes back what was authorised up to then.</param>
/// <param name="At">When, by the provider's clock.</param>
public sealed record ProviderAuthorisation(
    string EventId,
    string Address,
    string Template,
    int Messages,
    DateTimeOffset At
)
{
    /// <summary>Without the address.</summary>
    public override string ToString() => EventId;
}

/// <summary>What a callback held.</summary>
/// <param name="Items">Those that could be read.</param>
/// <param name="Unreadable">How many could not.</param>
public sealed record CallbackBatch<T>(IReadOnlyList<T> Items, int Unreadable);

/// <summary>Ids of events whose provider gives none.</summary>
internal static class EventIds
{
    /// <summary>Keyed, because an address can be guessed from a hash that anyone can compute.</summary>
    internal static string Of(string secret, params ReadOnlySpan<string?> parts) =>
        Convert.ToHexStringLower(
            HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(string.Join('\n', parts)))[..16]
        );
}
