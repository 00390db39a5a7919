using System.Net;
using System.Text.Json;

namespace Campaigns.Channels.JPush;

/// <summary>What the provider's codes mean for sending.</summary>
internal static class JPushCodes
{
    /// <summary>An answer other than 200.</summary>
    internal static SendResult Understand(SendRequest request, ProviderAnswer.Reply reply)
    {
        if (Refused(reply) is { } refused)
        {
            return refused;
        }

        var code = Code(reply);
        return code is null or "1000" or "1030" || (int)reply.Status >= 500
            ? new SendResult.Unanswered($"the provider is at fault ({code ?? "no code"}, status {(int)reply.Status})")
            : ProviderWords.All(request, SendState.Rejected, code);
    }

    /// <summary>A refusal of the caller rather than of what it sent; null when it is none.</summary>
    internal static SendResult? Refused(ProviderAnswer.Reply reply) =>
        (reply.Status, Code(reply)) switch
        {
            (HttpStatusCode.TooManyRequests, _) or (_, "2002") => new SendResult.Throttled(reply.RetryAfter),
            (HttpStatusCode.Unauthorized, _) or (_, "1004") => new SendResult.ChannelStopped(
                "1004",
                "The JPush app key or master secret is wrong."
            ),
            (_, "1008") => new SendResult.ChannelStopped("1008", "The JPush app key is wrong."),
            (_, "1020") => new SendResult.ChannelStopped("1020", "JPush is to be called by HTTPS."),
            _ => null,
        };

    private static string? Code(ProviderAnswer.Reply reply) =>
        reply.Json() is { } json
        && json.TryGetProperty("error", out var error)
        && error.ValueKind == JsonValueKind.Object
        && error.Text("code") is { } code
            ? ProviderWords.Code(code)
            : null;
}
