using Campaigns.Channels;

namespace Campaigns.Dispatch;

/// <summary>What a gateway's words mean for a test, of which nothing is tried again.</summary>
internal static class TestAnswers
{
    /// <summary>What the request is known by; where the provider gives no key, why.</summary>
    internal static async Task<(string? Key, Reply Reply)> KeyAsync(
        ChannelLine line,
        IGateway gateway,
        int number,
        short place,
        CancellationToken cancellationToken
    )
    {
        if (!gateway.ReservesKeys)
        {
            return ($"test-{number}-{place}", new Reply.NotSent(TimeSpan.Zero));
        }

        try
        {
            var reserved = await line.ReserveKeysAsync(gateway, 1, cancellationToken);
            // Nothing was sent, whatever the provider says or does not.
            return reserved is { Keys: [var key, ..] } ? (key, new Reply.NotSent(TimeSpan.Zero))
                : reserved.Refusal is SendResult.Throttled or SendResult.ChannelStopped
                    ? (null, new Reply.Of(reserved.Refusal))
                : (null, new Reply.NotSent(TimeSpan.Zero));
        }
        catch (OperationCanceledException)
        {
            return (null, new Reply.NotSent(TimeSpan.Zero));
        }
    }

    internal static (TestState, string?, string?) Of(Reply reply, int place) =>
        reply switch
        {
            Reply.Of { Result: SendResult.Answered { Items: var answers } } => Of(answers[place]),
            Reply.Of { Result: SendResult.Unanswered } => (TestState.Unknown, null, null),
            Reply.Of { Result: SendResult.ChannelStopped stopped } => (TestState.NotSent, stopped.Code, null),
            Reply.Of { Result: SendResult.Spoiled spoiled } => (TestState.NotSent, spoiled.Code, null),
            Reply.Of { Result: SendResult.Throttled } => (TestState.NotSent, "throttled", null),
            _ => (TestState.NotSent, "channel_busy", null),
        };

    private static (TestState, string?, string?) Of(ItemResult item) =>
        item.State switch
        {
            SendState.Accepted => (TestState.Accepted, item.Code, item.ProviderId),
            SendState.Delivered => (TestState.Delivered, item.Code, item.ProviderId),
            SendState.Rejected => (TestState.Rejected, item.Code, item.ProviderId),
            SendState.Retryable => (TestState.NotSent, item.Code, item.ProviderId),
            _ => (TestState.Unknown, item.Code, item.ProviderId),
        };
}
