using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Campaigns.Results;

namespace Campaigns.Channels.WeChat;

/// <summary>How a mass send ended: counts for the whole call, nothing per follower.</summary>
/// <param name="EventId">The same for a repetition.</param>
/// <param name="ProviderId">The id the call was accepted with.</param>
/// <param name="Status"><c>sendsuccess</c>, <c>sendfail</c> or <c>err_NUMBER</c>, which the provider writes <c>err(NUMBER)</c>.</param>
/// <param name="Total">Followers the call named.</param>
/// <param name="Filtered">Those left to send to after the provider's own filters, its monthly four among them.</param>
/// <param name="Sent">Sent.</param>
/// <param name="Failed">Not sent.</param>
/// <param name="At">When, by the provider's clock.</param>
public sealed record MassSendFinished(
    string EventId,
    string ProviderId,
    string Status,
    int Total,
    int Filtered,
    int Sent,
    int Failed,
    DateTimeOffset At
);

/// <summary>What one callback says; all but the account is empty for an event that is no concern of ours, to be acknowledged
/// all the same.</summary>
/// <param name="Account">Original id of the account it was posted for: see <see cref="GatewaySettings.Account"/>.</param>
public sealed record WeChatEvent(
    string Account,
    IReadOnlyList<ProviderReceipt> Receipts,
    MassSendFinished? MassSend = null
)
{
    /// <summary>Of subscribe messages.</summary>
    public IReadOnlyList<ProviderAuthorisation> Authorisations { get; init; } = [];
}

/// <summary>What WeChat posts: XML events, signed with a shared token. Answer <c>success</c> within 5 s, else they come
/// again, three times in all.</summary>
public static class WeChatCallbacks
{
    /// <summary>Most bytes of a callback.</summary>
    public const int MaxBytes = 64 << 10;

    /// <summary>Those of whose sends the events tell.</summary>
    public static readonly IReadOnlyList<string> Gateways =
    [
        WeChatMassGateway.Name,
        WeChatTemplateGateway.Name,
        WeChatSubscribeGateway.Name,
    ];

    /// <summary>Whose account its gateways share.</summary>
    internal const string Provider = "wechat";

    /// <summary>Whether the signature is the provider's: SHA-1 of token, timestamp and nonce, sorted. It covers neither the
    /// body nor the moment, so refuse a stale timestamp too.</summary>
    public static bool Verify(string token, string timestamp, string nonce, string signature)
    {
        if (token.Length == 0)
        {
            return false;
        }

        string[] parts = [token, timestamp, nonce];
        Array.Sort(parts, StringComparer.Ordinal);
#pragma warning disable CA5350 // the provider's choice
        var expected = Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(string.Concat(parts))));
#pragma warning restore CA5350
        return CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(expected),
            Encoding.UTF8.GetBytes(signature)
        );
    }

    /// <summary>Reads one event.</summary>
    /// <returns>What it says, or 413 <c>too-large</c>, or 400 <c>malformed-callback</c>.</returns>
    public static Result<WeChatEvent> Parse(ReadOnlySpan<byte> body)
    {
        if (body.Length > MaxBytes)
        {
            return new Error(ErrorKind.TooLarge, "too-large", "A callback has at most 64 kB.");
        }

        if (Load(body) is not { Name.LocalName: "xml" } root)
        {
            return Malformed("The callback is not the provider's XML.");
        }

        if (root.Element("Encrypt") is not null)
        {
            return Malformed("The callback is encrypted: set the account's message mode to plain text.");
        }

        if (
            !long.TryParse(Text(root, "CreateTime"), NumberStyles.None, null, out var seconds)
            || seconds > 253402300799
        )
        {
            return Malformed("The callback has no CreateTime.");
        }

        return Read(root, Text(root, "ToUserName") ?? "", DateTimeOffset.FromUnixTimeSeconds(seconds));
    }

    private static Result<WeChatEvent> Read(XElement root, string account, DateTimeOffset at)
    {
        switch (Text(root, "Event"))
        {
            case "MASSSENDJOBFINISH":
                return MassSend(root, at) is { } finished
                    ? new WeChatEvent(account, [], finished)
                    : Malformed("The event lacks MsgID, Status or a count.");
            case "TEMPLATESENDJOBFINISH":
                return
                    Receipt(
                        WeChatTemplateGateway.Name,
                        root,
                        Text(root, "FromUserName"),
                        Text(root, "Status"),
                        "success",
                        at
                    )
                        is { } receipt
                    ? new WeChatEvent(account, [receipt])
                    : Malformed("The event lacks MsgID or Status.");
            case "subscribe_msg_sent_event":
                var entries = root.Element("SubscribeMsgSentEvent")?.Elements("List").ToList() ?? [];
                var receipts = entries
                    .Select(entry =>
                        Receipt(
                            WeChatSubscribeGateway.Name,
                            entry,
                            Text(root, "FromUserName"),
                            Text(entry, "ErrorCode"),
                            "0",
                            at
                        )
                    )
                    .ToList();
                return receipts.Count == 0 || receipts.Contains(null)
                    ? Malformed("The event lacks an entry, its MsgID or its ErrorCode.")
                    : new WeChatEvent(account, receipts!);
            case "subscribe_msg_popup_event":
                return Authorised(root, account, root.Element("SubscribeMsgPopupEvent"), at);
            case "subscribe_msg_change_event":
                return Authorised(root, account, root.Element("SubscribeMsgChangeEvent"), at);
            default:
                return new WeChatEvent(account, []);
        }
    }

    /// <summary>Agreed to when asked, it is one message more; refused in the settings, none is left. Refused when asked, it
    /// changes nothing.</summary>
    private static Result<WeChatEvent> Authorised(XElement root, string account, XElement? said, DateTimeOffset at)
    {
        var (openid, asked) = (Text(root, "FromUserName"), said?.Name.LocalName == "SubscribeMsgPopupEvent");
        var entries = new List<ProviderAuthorisation>();
        foreach (var entry in said?.Elements("List") ?? [])
        {
            var template = ProviderWords.Id(Text(entry, "TemplateId"));
            if (openid is null || template is null || Text(entry, "SubscribeStatusString") is not { } status)
            {
                return Malformed("The event lacks FromUserName, a TemplateId or its SubscribeStatusString.");
            }

            if (asked ? status == "accept" : status == "reject")
            {
                var id = $"{(asked ? "popup" : "change")}/{at.ToUnixTimeSeconds()}/{template}";
                entries.Add(new ProviderAuthorisation(id, openid, template, asked ? 1 : 0, at));
            }
        }

        return new WeChatEvent(account, []) { Authorisations = entries };
    }

    private static MassSendFinished? MassSend(XElement root, DateTimeOffset at)
    {
        var id = ProviderWords.Id(Text(root, "MsgID"));
        var status = Text(root, "Status");
        int?[] counts =
        [
            Count(root, "TotalCount"),
            Count(root, "FilterCount"),
            Count(root, "SentCount"),
            Count(root, "ErrorCount"),
        ];
        return id is null || status is null || counts.Contains(null)
            ? null
            : new MassSendFinished(
                $"MASSSENDJOBFINISH/{id}",
                id,
                Status(status),
                counts[0]!.Value,
                counts[1]!.Value,
                counts[2]!.Value,
                counts[3]!.Value,
                at
            );
    }

    private static ProviderReceipt? Receipt(
        string gateway,
        XElement source,
        string? openid,
        string? status,
        string success,
        DateTimeOffset at
    )
    {
        var id = ProviderWords.Id(Text(source, "MsgID"));
        return id is null || status is null
            ? null
            : new ProviderReceipt(
                gateway,
                $"{id}/{Status(status)}",
                RequestKey: null,
                id,
                openid,
                status == success ? ReceiptState.Delivered : ReceiptState.Failed,
                status == success ? null : Status(status),
                at
            );
    }

    /// <summary>As <c>failed:user_block</c> and <c>err_10001</c>.</summary>
    private static string Status(string status) =>
        ProviderWords.Code(status.Replace(' ', '_').Replace('(', '_').Replace(")", ""));

    private static int? Count(XElement root, string name) =>
        int.TryParse(Text(root, name), NumberStyles.None, null, out var count) ? count : null;

    private static string? Text(XElement parent, string name) => parent.Element(name)?.Value.Trim();

    private static XElement? Load(ReadOnlySpan<byte> body)
    {
        var settings = new XmlReaderSettings
        {
            DtdProcessing = DtdProcessing.Prohibit,
            XmlResolver = null,
            MaxCharactersInDocument = MaxBytes,
        };
        try
        {
            using var stream = new MemoryStream(body.ToArray());
            using var reader = XmlReader.Create(stream, settings);
            return XElement.Load(reader);
        }
        catch (Exception failure) when (failure is XmlException or ArgumentException)
        {
            return null;
        }
    }

    private static Error Malformed(string detail) => new(ErrorKind.Malformed, "malformed-callback", detail);
}
