using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Campaigns.Api.Edge;
using Campaigns.Channels;
using Campaigns.Channels.Aliyun;
using Campaigns.Channels.BankSms;
using Campaigns.Channels.WeChat;
using Campaigns.Customers;
using Campaigns.Receipts;
using Campaigns.Results;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Campaigns.Api.Endpoints;

/// <summary>What Aliyun wants to read when it is content.</summary>
public sealed record AliyunAnswer(int Code, string Msg);

/// <summary>Where providers post to. They have no key of ours: each is admitted by its own proof.</summary>
internal static partial class CallbackEndpoints
{
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(5);
    private static readonly AliyunAnswer Content = new(0, "OK");
    internal static readonly Error NotTheProvider = new(
        ErrorKind.Unauthenticated,
        "unauthenticated",
        "The proof that this comes from the provider is missing, wrong or stale."
    );
    private static readonly Error AnotherAccount = new(
        ErrorKind.Forbidden,
        "another-account",
        "The event is for another account than Channels:wechat:Account names, or that names none: correct the one, or the "
            + "address that the account posts to."
    );

    internal static void MapCallbacks(this IEndpointRouteBuilder app)
    {
        var callbacks = app.MapGroup("/callbacks").WithTags("Callbacks").AllowAnonymous();

        callbacks
            .MapPost("/aliyun-sms/{secret}/reports", ReportsAsync)
            .Produces<AliyunAnswer>()
            .Bounded(Intake.Receipts)
            .WithName("takeAliyunReports")
            .WithSummary("SmsReport of Aliyun")
            .WithDescription("Delivery reports; the secret in the path is their proof. Repetitions change nothing.");
        callbacks
            .MapPost("/aliyun-sms/{secret}/replies", RepliesAsync)
            .Produces<AliyunAnswer>()
            .WithName("takeAliyunReplies")
            .WithSummary("SmsUp of Aliyun")
            .WithDescription("Customers' replies: R, T, TD and 退订 are a refusal from that instant.");
        callbacks
            .MapGet("/wechat", VerifyWeChat)
            .Produces<string>(contentType: "text/plain")
            .WithName("verifyWeChat")
            .WithSummary("WeChat's check of the address")
            .WithDescription("Echoes what it was sent, where the signature is right.");
        callbacks
            .MapPost("/wechat", WeChatAsync)
            .Produces<string>(contentType: "text/plain")
            .Produces<Problem>(StatusCodes.Status403Forbidden, Problems.ContentType)
            .Bounded(Intake.Receipts)
            .WithName("takeWeChatEvent")
            .WithSummary("An event of WeChat")
            .WithDescription(
                "Signed XML, not older than five minutes. Repetitions change nothing. Receipts, and what users answer when asked "
                    + "to authorise subscribe messages. 403 `another-account` where "
                    + "ToUserName is not the account of the settings (`Channels:wechat:Account`, or of the gateway's own "
                    + "section), and where these name none: the signature proves neither."
            );
        callbacks.MapBankSms();
    }

    private static async Task<IResult> ReportsAsync(
        string secret,
        HttpRequest request,
        Gateways gateways,
        ReceiptIntake intake,
        ILogger<AliyunAnswer> logger,
        CancellationToken cancellationToken
    )
    {
        if (!IsSecret(secret, gateways))
        {
            return Refusal(NotTheProvider);
        }

        var body = await ReadAsync(request, CallbackJson.MaxBytes, cancellationToken);
        if (!AliyunCallbacks.ParseReports(body, secret).TryGet(out var reports, out var error))
        {
            return Refusal(error);
        }

        await intake.TakeAsync(Channel.Sms, reports.Items, cancellationToken);
        return Taken(reports, request, logger);
    }

    private static async Task<IResult> RepliesAsync(
        string secret,
        HttpRequest request,
        Gateways gateways,
        Replies module,
        ILogger<AliyunAnswer> logger,
        CancellationToken cancellationToken
    )
    {
        if (!IsSecret(secret, gateways))
        {
            return Refusal(NotTheProvider);
        }

        var body = await ReadAsync(request, CallbackJson.MaxBytes, cancellationToken);
        if (!AliyunCallbacks.ParseReplies(body, secret).TryGet(out var replies, out var error))
        {
            return Refusal(error);
        }

        await module.TakeAsync(Channel.Sms, replies.Items, cancellationToken);
        return Taken(replies, request, logger);
    }

    /// <summary>The provider reads no count in an answer.</summary>
    private static Ok<AliyunAnswer> Taken<T>(CallbackBatch<T> batch, HttpRequest request, ILogger logger)
    {
        if (batch.Unreadable > 0)
        {
            Log.Unreadable(logger, batch.Unreadable, request.HttpContext.GetEndpoint()?.DisplayName);
        }

        return TypedResults.Ok(Content);
    }

    private static IResult VerifyWeChat(
        string? signature,
        string? timestamp,
        string? nonce,
        string? echostr,
        Gateways gateways,
        TimeProvider time
    ) =>
        WeChatSigners(signature, timestamp, nonce, gateways, time).Count > 0 && echostr is { Length: <= 256 }
            ? TypedResults.Text(echostr)
            : Refusal(NotTheProvider);

    private static async Task<IResult> WeChatAsync(
        string? signature,
        string? timestamp,
        string? nonce,
        HttpRequest request,
        Gateways gateways,
        ReceiptIntake intake,
        Authorisations authorisations,
        TimeProvider time,
        CancellationToken cancellationToken
    )
    {
        var signers = WeChatSigners(signature, timestamp, nonce, gateways, time);
        if (signers.Count == 0)
        {
            return Refusal(NotTheProvider);
        }

        var body = await ReadAsync(request, WeChatCallbacks.MaxBytes, cancellationToken);
        if (!WeChatCallbacks.Parse(body).TryGet(out var said, out var error))
        {
            return Refusal(error);
        }

        if (said.Account.Length == 0 || !signers.Exists(signer => signer.Account == said.Account))
        {
            return Refusal(AnotherAccount);
        }

        await intake.TakeAsync(Channel.WeChat, said.Receipts, cancellationToken);
        await authorisations.TakeAsync(Channel.WeChat, said.Authorisations, cancellationToken);
        if (said.MassSend is { } finished)
        {
            await intake.TakeMassSendAsync(finished, cancellationToken);
        }

        return TypedResults.Text("success");
    }

    private static bool IsSecret(string secret, Gateways gateways)
    {
        var expected = gateways.SettingsOf(Channel.Sms, AliyunCallbacks.Gateway).CallbackSecret;
        return expected.Length > 0
            && CryptographicOperations.FixedTimeEquals(
                Encoding.UTF8.GetBytes(expected),
                Encoding.UTF8.GetBytes(secret)
            );
    }

    /// <summary>Settings of the gateways whose token signed; none where the timestamp is stale.</summary>
    private static List<GatewaySettings> WeChatSigners(
        string? signature,
        string? timestamp,
        string? nonce,
        Gateways gateways,
        TimeProvider time
    ) =>
        signature is not null
        && nonce is not null
        && long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
        && Math.Abs(time.GetUtcNow().ToUnixTimeSeconds() - seconds) <= Stale.TotalSeconds
            ?
            [
                .. WeChatCallbacks
                    .Gateways.Select(gateway => gateways.SettingsOf(Channel.WeChat, gateway))
                    .Where(settings => WeChatCallbacks.Verify(settings.CallbackSecret, timestamp, nonce, signature)),
            ]
            : [];

    /// <summary>The body, or of one that is too large a byte more than is taken.</summary>
    internal static async Task<byte[]> ReadAsync(HttpRequest request, int most, CancellationToken cancellationToken)
    {
        using var body = new MemoryStream();
        var buffer = new byte[16 << 10];
        int read;
        while (
            body.Length <= most
            && (
                read = await request.Body.ReadAsync(
                    buffer.AsMemory(0, (int)Math.Min(buffer.Length, most + 1 - body.Length)),
                    cancellationToken
                )
            ) > 0
        )
        {
            body.Write(buffer, 0, read);
        }

        return body.ToArray();
    }

    internal static Answer<Done> Refusal(Error error) => ((Result<Done>)error).ToHttp();

    private static partial class Log
    {
        [LoggerMessage(
            LogLevel.Warning,
            "{Count} entries of a post to {Endpoint} could not be read, and were left out: a member is missing or has the "
                + "wrong form."
        )]
        public static partial void Unreadable(ILogger logger, int count, string? endpoint);
    }
}
