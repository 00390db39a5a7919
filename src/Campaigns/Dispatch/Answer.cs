using Campaigns.Channels;

namespace Campaigns.Dispatch;

/// <summary>A reply by what is recorded of its members, and what follows for each.</summary>
/// <param name="Items">One a member, or one for all.</param>
internal sealed record Answer(Attempt Attempt, Reply Reply, IReadOnlyList<ItemResult> Items)
{
    internal List<Touch> Rejected { get; } = [];
    internal List<Touch> Poisoned { get; } = [];
    internal List<Touch> Retried { get; } = [];
    internal IReadOnlyList<IReadOnlyList<Touch>> Unsent { get; private init; } = [];
    internal TimeSpan Wait { get; private init; }
    internal List<long> Accepted { get; } = [];
    internal List<long> Delivered { get; } = [];
    internal List<long> Unknown { get; private init; } = [];

    internal bool NothingFollows =>
        Rejected.Count == 0 && Poisoned.Count == 0 && Retried.Count == 0 && Unsent.Count == 0;

    /// <summary>Touches that were answered with a code.</summary>
    internal IEnumerable<Touch> WithCode(string code) =>
        Attempt.Touches.Where((_, i) => Items[Items.Count == 1 ? 0 : i].Code == code);

    /// <summary>Null where nothing is to be recorded yet.</summary>
    internal static Answer? Of(Attempt attempt, Reply reply, GatewayDeclaration gateway)
    {
        switch (reply)
        {
            case { IsForNow: true } when attempt.IsRepeat:
                return null;
            case Reply.NotSent notSent:
                return AllUnsent(attempt, reply, "not_sent", notSent.Wait, [attempt.Touches]);
            case Reply.Of { Result: SendResult.Answered answered }:
                return Answered(attempt, reply, answered.Items);
            case Reply.Of { Result: SendResult.Throttled throttled }:
                return AllUnsent(attempt, reply, "throttled", throttled.RetryAfter, [attempt.Touches]);
            case Reply.Of { Result: SendResult.ChannelStopped stopped }:
                return AllUnsent(attempt, reply, stopped.Code, TimeSpan.Zero, [attempt.Touches]);
            case Reply.Of { Result: SendResult.Spoiled spoiled }:
                var half = attempt.Touches.Count / 2;
                IReadOnlyList<Touch>[] halves =
                [
                    [.. attempt.Touches.Take(half)],
                    [.. attempt.Touches.Skip(half)],
                ];
                return AllUnsent(attempt, reply, spoiled.Code, TimeSpan.Zero, [.. halves.Where(h => h.Count > 0)]);
            case Reply.Forgotten:
            case Reply.Of { Result: SendResult.Unanswered } when gateway.Dedupe != Dedupe.Key:
                return AllUnknown(attempt, reply);
            default:
                return null;
        }
    }

    private static Answer AllUnsent(
        Attempt attempt,
        Reply reply,
        string code,
        TimeSpan wait,
        IReadOnlyList<IReadOnlyList<Touch>> parts
    ) => new(attempt, reply, [new(SendState.Retryable, code, null)]) { Unsent = parts, Wait = wait };

    private static Answer AllUnknown(Attempt attempt, Reply reply) =>
        new(attempt, reply, [new(SendState.Unknown, "unanswered", null)]) { Unknown = [.. attempt.Keys] };

    private static Answer Answered(Attempt attempt, Reply reply, IReadOnlyList<ItemResult> items)
    {
        var answer = new Answer(attempt, reply, items);
        for (var i = 0; i < items.Count; i++)
        {
            answer.Add(attempt.Touches[i], items[i]);
        }

        return answer;
    }

    private void Add(Touch touch, ItemResult item)
    {
        switch (item)
        {
            case { State: SendState.Accepted }:
                Accepted.Add(touch.CustomerKey);
                break;
            case { State: SendState.Delivered }:
                Delivered.Add(touch.CustomerKey);
                break;
            case { State: SendState.Unknown }:
                Unknown.Add(touch.CustomerKey);
                break;
            case { State: SendState.Retryable }:
                Retried.Add(touch);
                break;
            case { Code: ProviderWords.TemplateError }:
                Poisoned.Add(touch);
                break;
            default:
                Rejected.Add(touch);
                break;
        }
    }
}
