using System.Net;
using Npgsql;

namespace Campaigns.Channels.WeChat;

/// <summary>A call that sends, under the token that all nodes and gateways share. Where the provider refuses the token, it is
/// renewed and the call made again, once: what was refused for its token was not sent.</summary>
/// <param name="what">What the account may or may not use, in words.</param>
/// <param name="path">Of the call.</param>
/// <param name="idMember">Where the answer has the message's id.</param>
internal sealed class WeChatCall(
    GatewaySettings settings,
    ProviderHttp http,
    NpgsqlDataSource dataSource,
    TimeProvider time,
    string what,
    string path,
    string idMember
)
{
    private readonly WeChatToken _token = new(settings, http, dataSource, time);

    internal async Task<SendResult> SendAsync(
        SendRequest request,
        IReadOnlyDictionary<string, object> body,
        CancellationToken cancellationToken
    )
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(settings.Timeout);
        var (token, refusal) = await _token.GetAsync(refused: null, deadline.Token);
        if (token is null)
        {
            return refusal!;
        }

        var (result, tokenInvalid) = await PostAsync(request, body, token, deadline.Token);
        if (!tokenInvalid)
        {
            return result;
        }

        (token, refusal) = await _token.GetAsync(token, deadline.Token);
        return token is null ? refusal! : (await PostAsync(request, body, token, deadline.Token)).Result;
    }

    private async Task<(SendResult Result, bool TokenInvalid)> PostAsync(
        SendRequest request,
        IReadOnlyDictionary<string, object> body,
        string token,
        CancellationToken deadline
    )
    {
        var address = new Uri(settings.BaseUrl!, $"{path}?access_token={Uri.EscapeDataString(token)}");
        using var message = new HttpRequestMessage(HttpMethod.Post, address)
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
        var id = ProviderWords.Id(json.Text(idMember));
        return (WeChatCodes.Understand(request, code, id, what, time.GetUtcNow()), WeChatCodes.TokenInvalid(code));
    }
}
