using Npgsql;

namespace Campaigns.Channels.WeChat;

/// <summary>WeChat's subscribe messages: one user of a mini program a call, by a template she has authorised a message of. A
/// service message by WeChat's own definition: it may not carry marketing. The provider knows no key of ours, so a call that
/// is not answered is never repeated.</summary>
/// <remarks>Openids are the account's own: where this serves the channel, the customers' are those of the mini program that
/// <see cref="GatewaySettings.KeyId"/> names.</remarks>
internal sealed class WeChatSubscribeGateway(
    GatewaySettings settings,
    ProviderHttp http,
    NpgsqlDataSource dataSource,
    TimeProvider time
) : IGateway
{
    internal const string Name = "wechat-subscribe";

    private readonly WeChatCall _call = new(
        settings,
        http,
        dataSource,
        time,
        "subscribe messages",
        "/cgi-bin/message/subscribe/send",
        "msgid"
    );

    public GatewayDeclaration Declaration { get; } =
        new()
        {
            Name = Name,
            Channel = Channel.WeChat,
            Purposes = new HashSet<Purpose> { Purpose.Servicing },
            Variables = true,
            NeedsProviderTemplate = true,
            NoAuthorisation = "43101",
            Sender = AddedBy.NotNeeded,
            Refusal = AddedBy.NotNeeded,
            MaxBatch = 1,
            Dedupe = Dedupe.None,
        };

    public IEnumerable<string> FaultsOf(MessageContent content)
    {
        foreach (var fault in WeChatKeywords.FaultsOf(content.Text))
        {
            yield return fault;
        }

        if (content.Link is { } link && Uri.TryCreate(link, UriKind.Absolute, out _))
        {
            yield return "has a link that is no page of the mini program, such as pages/card?id=1";
        }
    }

    public Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken) =>
        Body(request) is { } body
            ? _call.SendAsync(request, body, cancellationToken)
            : Task.FromResult<SendResult>(ProviderWords.All(request, SendState.Rejected, ProviderWords.TemplateError));

    private static Dictionary<string, object>? Body(SendRequest request)
    {
        var (item, content) = (request.Items[0], request.Content);
        if (content.ProviderTemplate is null || WeChatKeywords.Fill(content.Text, item.Variables) is not { } data)
        {
            return null;
        }

        var body = new Dictionary<string, object>
        {
            ["touser"] = item.Address,
            ["template_id"] = content.ProviderTemplate,
            ["data"] = data,
            ["miniprogram_state"] = "formal",
            ["lang"] = "zh_CN",
        };
        if (content.Link is { } page)
        {
            body["page"] = page;
        }

        return body;
    }
}
