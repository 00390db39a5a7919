using Npgsql;

namespace Campaigns.Channels.WeChat;

/// <summary>WeChat's template messages: one follower a call, values of the keywords that the provider's template names,
/// deduplicated by our key for ten minutes. They may not carry marketing.</summary>
internal sealed class WeChatTemplateGateway(
    GatewaySettings settings,
    ProviderHttp http,
    NpgsqlDataSource dataSource,
    TimeProvider time
) : IGateway
{
    internal const string Name = "wechat-template";

    private readonly WeChatCall _call = new(
        settings,
        http,
        dataSource,
        time,
        "template messages",
        "/cgi-bin/message/template/send",
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
            Sender = AddedBy.NotNeeded,
            Refusal = AddedBy.NotNeeded,
            MaxBatch = 1,
            Dedupe = Dedupe.Key,
            DedupePeriod = TimeSpan.FromMinutes(10),
        };

    public IEnumerable<string> FaultsOf(MessageContent content)
    {
        foreach (var fault in WeChatKeywords.FaultsOf(content.Text))
        {
            yield return fault;
        }

        if (content.Link is { } link && !Uri.TryCreate(link, UriKind.Absolute, out _))
        {
            yield return "has a link that is no absolute address";
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
            ["client_msg_id"] = request.Key,
        };
        if (content.Link is { } link)
        {
            body["url"] = link;
        }

        return body;
    }
}
