namespace Campaigns.Channels.Aliyun;

/// <summary>What the provider's codes mean for sending.</summary>
internal static class AliyunCodes
{
    internal const string NumberIllegal = "isv.MOBILE_NUMBER_ILLEGAL";

    private static readonly HashSet<string> Retryable = ["isp.SYSTEM_ERROR", "isv.BUSINESS_LIMIT_CONTROL"];

    private static readonly Dictionary<string, string> Stopping = new()
    {
        ["isv.OUT_OF_SERVICE"] = "The SMS account is suspended.",
        ["isv.AMOUNT_NOT_ENOUGH"] = "The SMS account has no balance.",
        ["isv.DAY_LIMIT_CONTROL"] = "The SMS account has reached its limit for the day.",
        ["isv.MONTH_LIMIT_CONTROL"] = "The SMS account has reached its limit for the month.",
        ["isp.RAM_PERMISSION_DENY"] = "The access key may not send SMS.",
        ["isv.ACCOUNT_NOT_EXISTS"] = "The SMS account does not exist.",
        ["isv.ACCOUNT_ABNORMAL"] = "The SMS account is in an abnormal state.",
        ["SignatureDoesNotMatch"] = "The access key's secret is wrong.",
        ["IncompleteSignature"] = "The access key's secret is wrong.",
        ["InvalidTimeStamp.Expired"] = "This node's clock is more than 15 minutes off the provider's.",
    };

    /// <summary>Codes that one item of a batch can cause.</summary>
    private static readonly HashSet<string> OneItem =
    [
        NumberIllegal,
        "isv.BLACK_KEY_CONTROL_LIMIT",
        "isv.TEMPLATE_MISSING_PARAMETERS",
        "isv.INVALID_JSON_PARAM",
        "isv.PARAM_LENGTH_LIMIT",
        "isv.SMS_CONTENT_ILLEGAL",
    ];

    /// <param name="going">How many items the call had.</param>
    internal static SendResult Understand(
        SendRequest request,
        string code,
        string? bizId,
        ProviderAnswer.Reply reply,
        int going
    )
    {
        if (code == "OK")
        {
            return ProviderWords.All(request, SendState.Accepted, null, bizId);
        }

        if (Stopping.TryGetValue(code, out var reason))
        {
            return new SendResult.ChannelStopped(code, reason);
        }

        if (
            code.StartsWith("InvalidAccessKeyId", StringComparison.Ordinal)
            || code.StartsWith("Forbidden", StringComparison.Ordinal)
        )
        {
            return new SendResult.ChannelStopped(
                code,
                "The access key is unknown, disabled or not allowed to send SMS."
            );
        }

        if (code.StartsWith("Throttling", StringComparison.Ordinal))
        {
            return new SendResult.Throttled(reply.RetryAfter);
        }

        if (OneItem.Contains(code) && going > 1)
        {
            return new SendResult.Spoiled(code);
        }

        var retryable =
            Retryable.Contains(code) || code.StartsWith("isp.", StringComparison.Ordinal) || (int)reply.Status >= 500;
        return ProviderWords.All(request, retryable ? SendState.Retryable : SendState.Rejected, code);
    }
}

/// <summary>Telephone numbers, ours in E.164 and the provider's.</summary>
internal static class AliyunPhone
{
    /// <summary>Eleven digits for China, country code and number without <c>+</c> for elsewhere; null for what is no
    /// number.</summary>
    internal static string? ToProvider(string phone)
    {
        var digits = phone.StartsWith('+') ? phone[1..] : phone;
        if (digits.Length is < 7 or > 15 || !digits.All(char.IsAsciiDigit))
        {
            return null;
        }

        return digits.Length == 13 && digits.StartsWith("861", StringComparison.Ordinal) ? digits[2..] : digits;
    }

    /// <summary>E.164; null for what is no number.</summary>
    internal static string? FromProvider(string? phone)
    {
        var digits = phone?.TrimStart('+');
        if (digits is null || digits.Length is < 7 or > 15 || !digits.All(char.IsAsciiDigit))
        {
            return null;
        }

        return digits.Length == 11 && digits[0] == '1' ? "+86" + digits : "+" + digits;
    }
}
