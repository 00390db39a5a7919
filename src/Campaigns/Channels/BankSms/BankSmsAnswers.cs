using System.Net;
using System.Text.Json;

namespace Campaigns.Channels.BankSms;

/// <summary>What the sender's answers mean for sending.</summary>
internal static class BankSmsAnswers
{
    /// <summary>Code of a message that the answer says nothing of. It may be asked for again: its key has the sender know
    /// it.</summary>
    private const string Unanswered = "unanswered";

    /// <param name="texts">One an item; null where it was left out of the request.</param>
    internal static SendResult Understand(SendRequest request, string?[] texts, ProviderAnswer.Reply reply)
    {
        var status = (int)reply.Status;
        switch (reply.Status)
        {
            case HttpStatusCode.OK:
                return Items(request, texts, reply);
            case HttpStatusCode.TooManyRequests:
                return new SendResult.Throttled(reply.RetryAfter);
            case HttpStatusCode.BadRequest
            or HttpStatusCode.RequestEntityTooLarge
            or HttpStatusCode.UnprocessableEntity:
                var code = reply.Json()?.Text("code") is { } said ? ProviderWords.Code(said) : $"http_{status}";
                return texts.Count(text => text is not null) > 1
                    ? new SendResult.Spoiled(code)
                    : ProviderWords.All(request, SendState.Rejected, code);
            case HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden:
                return Stopped(
                    status,
                    "The bank's SMS sender does not accept our signature: check KeyId and Secret of Channels:sms, and the clocks."
                );
            case HttpStatusCode.RequestTimeout:
                return new SendResult.Unanswered("the sender gave up reading the request");
            default:
                return status is >= 400 and < 500
                    ? Stopped(status, "The bank's SMS sender refuses every request: check BaseUrl of Channels:sms.")
                    : new SendResult.Unanswered($"the sender is at fault (status {status})");
        }
    }

    private static SendResult.ChannelStopped Stopped(int status, string reason) => new($"http_{status}", reason);

    private static SendResult Items(SendRequest request, string?[] texts, ProviderAnswer.Reply reply)
    {
        if (
            reply.Json() is not { } json
            || !json.TryGetProperty("results", out var results)
            || results.ValueKind != JsonValueKind.Array
        )
        {
            return new SendResult.Unanswered("the answer, with status 200, is not the sender's");
        }

        var byKey = new Dictionary<string, JsonElement>();
        foreach (var result in results.EnumerateArray().Where(result => result.ValueKind == JsonValueKind.Object))
        {
            if (result.Text("key") is { } key)
            {
                byKey.TryAdd(key, result);
            }
        }

        var id = ProviderWords.Id(json.Text("id"));
        return new SendResult.Answered([
            .. request.Items.Select(
                (item, index) =>
                    texts[index] is null ? new ItemResult(SendState.Rejected, ProviderWords.TemplateError, null)
                    : byKey.TryGetValue(item.TouchKey, out var result) ? Item(result, id)
                    : new ItemResult(SendState.Unknown, Unanswered, null)
            ),
        ]);
    }

    private static ItemResult Item(JsonElement result, string? id) =>
        result.Text("status") switch
        {
            "accepted" => new(SendState.Accepted, null, id),
            "rejected" => new(SendState.Rejected, ProviderWords.Code(result.Text("code")), null),
            "retry" => new(SendState.Retryable, ProviderWords.Code(result.Text("code")), null),
            _ => new(SendState.Unknown, Unanswered, null),
        };
}
