using System.Net;
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

    private readonly WeChatToken _token = new(settings, http, dataSource, time);

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
            MonthlyPerCustomer = 4,
        };

    public async Task<SendResult> SendAsync(SendRequest request, CancellationToken cancellationToken)
    {
        if (Content(request) is not { } content)
        {
            return ProviderWords.All(request, SendState.Rejected, ProviderWords.TemplateError);
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(settings.Timeout);
        var (token, refusal) = await _token.GetAsync(refused: null, deadline.Token);
        if (token is null)
        {
            return refusal!;
        }

        var (result, tokenInvalid) = await PostAsync(request, content, token, deadline.Token);
        if (!tokenInvalid)
        {
            return result;
        }

        (token, refusal) = await _token.GetAsync(token, deadline.Token);
        return token is null ? refusal! : (await PostAsync(request, content, token, deadline.Token)).Result;
    }

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
        body["text"] = new { content = request.Content.Link is { } link ? $"{text}\n{link}" : text };
        return body;
    }

    private async Task<(SendResult Result, bool TokenInvalid)> PostAsync(
        SendRequest request,
        Dictionary<string, object> body,
        string token,
        CancellationToken deadline
    )
    {
        var path = $"/cgi-bin/message/mass/send?access_token={Uri.EscapeDataString(token)}";
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(settings.BaseUrl!, path))
        {
            Content = ProviderWords.JsonContent(body),
        };
        var answer = await http.SendAsync(message, deadline);
        return answer switch
        {
            ProviderAnswer.NotSent => (ProviderWords.All(request, SendState.Retryable, "unreachable"), false),
            ProviderAnswer.Silent silent => (new SendResult.Unanswered(silent.Reason), false),
            ProviderAnswer.Reply reply => Understand(request, reply),
            _ => throw new InvalidOperationException(),
        };
    }

    private (SendResult, bool) Understand(SendRequest request, ProviderAnswer.Reply reply)
    {
        if (reply.Status == HttpStatusCode.TooManyRequests)
        {
            return (new SendResult.Throttled(reply.RetryAfter), false);
        }

        if (reply.Json() is not { } json || json.Text("errcode") is not { } errcode)
        {
            var unanswered = $"the answer, with status {(int)reply.Status}, is not the provider's";
            return (new SendResult.Unanswered(unanswered), false);
        }

        var code = ProviderWords.Code(errcode);
        var result = WeChatCodes.Understand(request, code, ProviderWords.Id(json.Text("msg_id")), time.GetUtcNow());
        return (result, WeChatCodes.TokenInvalid(code));
    }
}
