using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Campaigns.Results;

namespace Campaigns.Channels.BankSms;

/// <summary>What the bank's own sender posts: receipts and customers' replies, each signed as a whole. Verify before reading.
/// </summary>
public static partial class BankSmsCallbacks
{
    /// <summary>The gateway they come from.</summary>
    public const string Gateway = BankSmsGateway.Name;

    /// <summary>What became of messages.</summary>
    /// <param name="secret">The callback's; makes event ids that give nothing away.</param>
    /// <returns>As <see cref="CallbackJson.Parse"/>.</returns>
    public static Result<CallbackBatch<ProviderReceipt>> ParseReceipts(ReadOnlySpan<byte> body, string secret) =>
        CallbackJson.Parse(body, "receipts", entry => Receipt(entry, secret));

    /// <summary>What customers answered.</summary>
    /// <param name="secret">As for <see cref="ParseReceipts"/>.</param>
    /// <returns>As <see cref="CallbackJson.Parse"/>.</returns>
    public static Result<CallbackBatch<ProviderReply>> ParseReplies(ReadOnlySpan<byte> body, string secret) =>
        CallbackJson.Parse(body, "replies", entry => Reply(entry, secret));

    private static ProviderReceipt? Receipt(JsonElement entry, string secret)
    {
        var batch = ProviderWords.Id(entry.Text("batch"));
        var key = ProviderWords.Id(entry.Text("key"));
        ReceiptState? state = entry.Text("status") switch
        {
            "delivered" => ReceiptState.Delivered,
            "failed" => ReceiptState.Failed,
            _ => null,
        };
        if (batch is null || key is null || state is null || Instant(entry.Text("at")) is not { } at)
        {
            return null;
        }

        return new ProviderReceipt(
            Gateway,
            EventIds.Of(secret, "receipt", batch, key, entry.Text("status")),
            batch,
            ProviderId: null,
            Address: null,
            state.Value,
            state == ReceiptState.Failed ? ProviderWords.Code(entry.Text("code")) : null,
            at,
            key
        );
    }

    private static ProviderReply? Reply(JsonElement entry, string secret)
    {
        if (
            entry.Text("id") is not { Length: > 0 and <= 128 } id
            || entry.Text("phone") is not { } phone
            || !Phone().IsMatch(phone)
            || entry.Text("text") is not { } content
            || Instant(entry.Text("at")) is not { } at
        )
        {
            return null;
        }

        var text = CallbackJson.Content(content);
        return new ProviderReply(
            Gateway,
            EventIds.Of(secret, "reply", id, phone),
            phone,
            text,
            RefusalWords.IsRefusal(text),
            at
        );
    }

    /// <summary>RFC 3339, with its offset.</summary>
    private static DateTimeOffset? Instant(string? text) =>
        text is not null
        && WithOffset().IsMatch(text)
        && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out var at)
            ? at.ToUniversalTime()
            : null;

    [GeneratedRegex(@"\A\+[1-9][0-9]{6,14}\z", RegexOptions.None, 100)]
    private static partial Regex Phone();

    [GeneratedRegex(
        @"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\z",
        RegexOptions.ExplicitCapture,
        100
    )]
    private static partial Regex WithOffset();
}
