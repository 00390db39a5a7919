using Npgsql;

namespace Campaigns.Channels.WeChat;

/// <summary>WeChat's mass send by openid: one content for 2 to 10,000 followers, deduplicated by our key for a day. It may
/// carry marketing, which template and subscribe messages may not.</summary>
internal sealed class WeChatMassGateway(
    GatewaySettings settings,
    ProviderHttp http,
    NpgsqlDataSource dataSource,
    TimeProvider time
) : IGateway
{
    internal const string Name = "wechat-mass";
    private const int ProviderBatch = 10_000;
    private const int FewestItems = 2;

    /// <summary>Of a text that is sent to many, by WeChat's published rules for mass messages; a 汉字 is one. Its interface
    /// says no number, and answers 45002 to what is too long.</summary>
    private const int MostCharacters = 300;

    private readonly WeChatCall _call = new(
        settings,
        http,
        dataSource,
        time,
        "mass sending",
        "/cgi-bin/message/mass/send",
        "msg_id"
    );

    public GatewayDeclaration Declaration { get; } =
        new()
        {
            Name = Name,
            Channel = Channel.WeChat,
            Purposes = new HashSet<Purpose> { Purpose.Marketing },
            Variables = false,
            Sender = AddedBy.NotNeeded,
            Refusal = AddedBy.NotNeeded,
            MaxBatch = Math.Clamp(settings.MaxBatch ?? ProviderBatch, FewestItems, ProviderBatch),
            MinBatch = FewestItems,
            Dedupe = Dedupe.Key,
            DedupePeriod = TimeSpan.FromHours(24),
            RatePerSecond = 60 / 60.0, // 60 a minute
            MonthlyPerCustomer = 4,
        };

    public IEnumerable<string> FaultsOf(MessageContent content)
    {
        // What the provider keeps itself is as long as it took it.
        var count = content.ProviderTemplate is null ? Text(content.Text, content.Link).EnumerateRunes().Count() : 0;
        if (count > MostCharacters)
        {
            yield return $"has {count} characters with its link, where WeChat takes {MostCharacters} of a message to many: "
                + "shorten it, or name an article of the account's as providerTemplate";
        }
    }

    public Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken) =>
        Content(request) is { } content
            ? _call.SendAsync(request, content, cancellationToken)
            : Task.FromResult<SendResult>(ProviderWords.All(request, SendState.Rejected, ProviderWords.TemplateError));

    private static Dictionary<string, object>? Content(SendRequest request)
    {
        var body = new Dictionary<string, object>
        {
            ["touser"] = request.Items.Select(item => item.Address),
            ["clientmsgid"] = request.Key,
        };
        if (request.Content.ProviderTemplate is { } media)
        {
            body["msgtype"] = "mpnews";
            body["mpnews"] = new { media_id = media };
            body["send_ignore_reprint"] = 1;
            return body;
        }

        if (ProviderWords.Fill(request.Content.Text, request.Items[0].Variables) is not { } text)
        {
            return null;
        }

        body["msgtype"] = "text";
        body["text"] = new { content = Text(text, request.Content.Link) };
        return body;
    }

    private static string Text(string text, string? link) => link is null ? text : $"{text}\n{link}";
}
