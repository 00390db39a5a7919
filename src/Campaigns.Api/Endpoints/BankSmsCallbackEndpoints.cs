using Campaigns.Api.Edge;
using Campaigns.Channels;
using Campaigns.Channels.BankSms;
using Campaigns.Receipts;
using Campaigns.Results;

namespace Campaigns.Api.Endpoints;

/// <summary>What became of a callback's entries.</summary>
/// <param name="Taken">Could be read, and are stored, be it for the second time.</param>
/// <param name="Unreadable">Could not be read, and are not kept: a member is missing or has the wrong form.</param>
public sealed record BankSmsAnswer(int Taken, int Unreadable);

/// <summary>Where the bank's own SMS sender posts to.</summary>
internal static class BankSmsCallbackEndpoints
{
    private const string Proof =
        "Signed as Standard Webhooks has it: webhook-id, webhook-timestamp (seconds, at most five minutes off) and "
        + "webhook-signature, `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body` with Channels:sms:CallbackSecret, "
        + "the body byte for byte. Anything but 200 has not been taken: post it again. Repetitions change nothing.";

    internal static void MapBankSms(this IEndpointRouteBuilder callbacks)
    {
        callbacks
            .MapPost("/bank-sms/receipts", ReceiptsAsync)
            .Produces<BankSmsAnswer>()
            .Bounded(Intake.Receipts)
            .WithName("takeBankSmsReceipts")
            .WithSummary("Receipts of the bank's own SMS sender")
            .WithDescription(
                """`{"receipts":[{"batch":"7-3-1","key":"7-1024","status":"delivered","at":"2026-09-01T09:30:05+08:00"}]}`: """
                    + "batch is the webhook-id of the request that had the message, key the message's; status is "
                    + "`delivered`, or `failed` with a code.\n\n"
                    + Proof
            );
        callbacks
            .MapPost("/bank-sms/replies", RepliesAsync)
            .Produces<BankSmsAnswer>()
            .WithName("takeBankSmsReplies")
            .WithSummary("Customers' replies, from the bank's own SMS sender")
            .WithDescription(
                """`{"replies":[{"id":"mo-1","phone":"+8613800000000","text":"R","at":"2026-09-01T09:31:00+08:00"}]}`: """
                    + "R, T, TD and 退订 are a refusal from that instant.\n\n"
                    + Proof
            );
    }

    private static Task<IResult> ReceiptsAsync(
        HttpRequest request,
        Gateways gateways,
        ReceiptIntake intake,
        TimeProvider time,
        CancellationToken cancellationToken
    ) =>
        TakeAsync(
            request,
            gateways,
            time,
            BankSmsCallbacks.ParseReceipts,
            receipts => intake.TakeAsync(Channel.Sms, receipts, cancellationToken),
            cancellationToken
        );

    private static Task<IResult> RepliesAsync(
        HttpRequest request,
        Gateways gateways,
        Replies module,
        TimeProvider time,
        CancellationToken cancellationToken
    ) =>
        TakeAsync(
            request,
            gateways,
            time,
            BankSmsCallbacks.ParseReplies,
            replies => module.TakeAsync(Channel.Sms, replies, cancellationToken),
            cancellationToken
        );

    private delegate Result<CallbackBatch<T>> Parse<T>(ReadOnlySpan<byte> body, string secret);

    private static async Task<IResult> TakeAsync<T>(
        HttpRequest request,
        Gateways gateways,
        TimeProvider time,
        Parse<T> parse,
        Func<IReadOnlyList<T>, Task> take,
        CancellationToken cancellationToken
    )
    {
        var settings = gateways.SettingsOf(Channel.Sms, BankSmsCallbacks.Gateway);
        var body = await CallbackEndpoints.ReadAsync(request, CallbackJson.MaxBytes, cancellationToken);
        if (body.Length <= CallbackJson.MaxBytes && !IsSender(settings, request.Headers, body, time))
        {
            return CallbackEndpoints.Refusal(CallbackEndpoints.NotTheProvider);
        }

        if (!parse(body, settings.CallbackSecret).TryGet(out var batch, out var error))
        {
            return CallbackEndpoints.Refusal(error);
        }

        await take(batch.Items);
        return TypedResults.Ok(new BankSmsAnswer(batch.Items.Count, batch.Unreadable));
    }

    /// <summary>Another gateway's secret, be it configured for the same channel, proves nothing here.</summary>
    private static bool IsSender(
        GatewaySettings settings,
        IHeaderDictionary headers,
        ReadOnlySpan<byte> body,
        TimeProvider time
    ) =>
        WebhookSignature.Verify(
            settings.CallbackSecret,
            headers[WebhookSignature.IdHeader],
            headers[WebhookSignature.TimestampHeader],
            headers[WebhookSignature.SignatureHeader],
            body,
            time.GetUtcNow()
        );
}
