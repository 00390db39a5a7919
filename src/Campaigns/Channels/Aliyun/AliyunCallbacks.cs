using System.Globalization;
using System.Text.Json;
using Campaigns.Results;

namespace Campaigns.Channels.Aliyun;

/// <summary>What Aliyun posts: SmsReport and SmsUp. Neither is signed; the secret in the path is their only proof.</summary>
public static class AliyunCallbacks
{
    /// <summary>The gateway they come from.</summary>
    public const string Gateway = AliyunSmsGateway.Name;

    /// <summary>Delivery reports. Answer <c>{"code":0,"msg":"OK"}</c> once they are stored, else they come again.</summary>
    /// <param name="secret">The secret of the callback's path; makes event ids that give no number away.</param>
    /// <returns>What could be read, or 413 <c>too-large</c>, or 400 <c>malformed-callback</c> when the body as a whole is
    /// not a report.</returns>
    public static Result<CallbackBatch<ProviderReceipt>> ParseReports(ReadOnlySpan<byte> body, string secret) =>
        CallbackJson.Parse(body, member: null, entry => Report(entry, secret));

    /// <summary>Customers' replies. Answer as for reports.</summary>
    /// <param name="secret">As for <see cref="ParseReports"/>.</param>
    /// <returns>As <see cref="ParseReports"/>.</returns>
    public static Result<CallbackBatch<ProviderReply>> ParseReplies(ReadOnlySpan<byte> body, string secret) =>
        CallbackJson.Parse(body, member: null, entry => Reply(entry, secret));

    private static ProviderReceipt? Report(JsonElement entry, string secret)
    {
        var phone = AliyunPhone.FromProvider(entry.Text("phone_number"));
        var bizId = ProviderWords.Id(entry.Text("biz_id"));
        var reported = entry.Text("report_time");
        var at = Time(reported) ?? Time(entry.Text("send_time"));
        if (phone is null || at is null || Success(entry) is not { } success)
        {
            return null;
        }

        var code = success ? null : ProviderWords.Code(entry.Text("err_code"));
        return new ProviderReceipt(
            AliyunSmsGateway.Name,
            EventIds.Of(secret, "report", bizId, phone, reported, code),
            ProviderWords.Id(entry.Text("out_id")),
            bizId,
            phone,
            success ? ReceiptState.Delivered : ReceiptState.Failed,
            code,
            at.Value
        );
    }

    private static ProviderReply? Reply(JsonElement entry, string secret)
    {
        var phone = AliyunPhone.FromProvider(entry.Text("phone_number"));
        var sent = entry.Text("send_time");
        if (phone is null || Time(sent) is not { } at || entry.Text("content") is not { } content)
        {
            return null;
        }

        var text = CallbackJson.Content(content);
        return new ProviderReply(
            AliyunSmsGateway.Name,
            EventIds.Of(secret, "reply", entry.Text("sequence_id"), phone, sent, content),
            phone,
            text,
            RefusalWords.IsRefusal(text),
            at
        );
    }

    private static bool? Success(JsonElement entry) =>
        !entry.TryGetProperty("success", out var success) ? null
        : success.ValueKind == JsonValueKind.True ? true
        : success.ValueKind == JsonValueKind.False ? false
        : null;

    /// <summary>Local time of China, to the second.</summary>
    private static DateTimeOffset? Time(string? text) =>
        DateTimeOffset.TryParseExact(
            $"{text}+08:00",
            "yyyy-MM-dd HH:mm:sszzz",
            CultureInfo.InvariantCulture,
            DateTimeStyles.None,
            out var at
        )
            ? at.ToUniversalTime()
            : null;
}
