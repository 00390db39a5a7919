namespace Campaigns.Channels.WeChat;

/// <summary>What the provider's codes mean for sending.</summary>
internal static class WeChatCodes
{
    private static readonly TimeSpan China = TimeSpan.FromHours(8);

    /// <summary>The token is not, or no longer, valid.</summary>
    internal static bool TokenInvalid(string code) => code is "40001" or "40014" or "42001";

    internal static SendResult Understand(
        SendRequest request,
        string code,
        string? messageId,
        string what,
        DateTimeOffset now
    ) =>
        code switch
        {
            // 45065: our own key again; it was accepted the first time.
            "0" or "45065" => ProviderWords.All(request, SendState.Accepted, null, messageId),
            "-1" => new SendResult.Unanswered("the provider is busy (-1)"),
            "45066" => new SendResult.Unanswered("the key was repeated too soon (45066)"),
            "45011" => new SendResult.Throttled(TimeSpan.FromMinutes(1)),
            "45009" => new SendResult.Throttled(UntilTomorrow(now)),
            "48001" => new SendResult.ChannelStopped(code, $"The WeChat account may not use {what}."),
            "50002" => new SendResult.ChannelStopped(code, "The WeChat account is restricted."),
            _ when TokenInvalid(code) => new SendResult.ChannelStopped(
                code,
                "WeChat refuses the access token, also after it was renewed."
            ),
            _ => ProviderWords.All(request, SendState.Rejected, code),
        };

    /// <summary>Why no token was given; nothing was sent.</summary>
    internal static SendResult TokenRefused(string code, ProviderAnswer.Reply reply) =>
        code switch
        {
            "40013" or "41002" => new SendResult.ChannelStopped(code, "The WeChat app id is wrong."),
            "40001" or "40125" or "41004" => new SendResult.ChannelStopped(code, "The WeChat app secret is wrong."),
            "40243" => new SendResult.ChannelStopped(code, "The WeChat app secret is frozen."),
            "40164" => new SendResult.ChannelStopped(code, "This address is not on WeChat's list of allowed callers."),
            "50004" or "50007" => new SendResult.ChannelStopped(code, "The WeChat account may not have a token."),
            "45009" or "45011" => new SendResult.Throttled(TimeSpan.FromMinutes(1)),
            _ => new SendResult.Throttled(reply.RetryAfter),
        };

    /// <summary>Daily quotas begin anew at midnight in China.</summary>
    private static TimeSpan UntilTomorrow(DateTimeOffset now)
    {
        var local = now.ToOffset(China);
        return local.Date.AddDays(1) - local.DateTime;
    }
}
