using Campaigns.Channels;

namespace Campaigns.Dispatch;

/// <summary>A reply by what is recorded of its members, and what follows for each.</summary>
/// <param name="Items">One a member, or one for all.</param>
internal sealed record Answer(Attempt Attempt, Reply Reply, IReadOnlyList<ItemResult> Items)
{
    internal List<Touch> Rejected { get; } = [];
    internal List<Touch> Poisoned { get; } = [];
    internal List<Touch> Retried { get; } = [];

    /// <summary>Whom the gateway may have, and knows by their keys.</summary>
    internal List<Touch> Unanswered { get; private init; } = [];
    internal IReadOnlyList<IReadOnlyList<Touch>> Unsent { get; private init; } = [];
    internal TimeSpan Wait { get; private init; }
    internal List<long> Accepted { get; } = [];
    internal List<long> Delivered { get; } = [];
    internal List<long> Unknown { get; private init; } = [];

    internal bool NothingFollows =>
        Rejected.Count == 0 && Poisoned.Count == 0 && Retried.Count == 0 && Unanswered.Count == 0 && Unsent.Count == 0;

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
                return Answered(attempt, reply, answered.Items, gateway);
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

    private static Answer Answered(
        Attempt attempt,
        Reply reply,
        IReadOnlyList<ItemResult> items,
        GatewayDeclaration gateway
    )
    {
        var recorded = items.ToArray();
        var answer = new Answer(attempt, reply, recorded);
        for (var i = 0; i < recorded.Length; i++)
        {
            if (gateway.KnowsTouches && IsOpen(items[i], attempt))
            {
                recorded[i] = items[i] with { State = SendState.Retryable };
                answer.Unanswered.Add(attempt.Touches[i]);
            }
            else
            {
                answer.Add(attempt.Touches[i], items[i]);
            }
        }

        return answer;
    }

    /// <summary>That it is not taken now says nothing of the first time.</summary>
    private static bool IsOpen(ItemResult item, Attempt attempt) =>
        item.State == SendState.Unknown
        || attempt.Asked is not null && (item.State == SendState.Retryable || item.Code == ProviderWords.TemplateError);

    /// <summary>The same, where the gateway is not asked again.</summary>
    internal Answer NotAskedAgain()
    {
        if (Unanswered.Count == 0)
        {
            return this;
        }

        var unanswered = Unanswered.ToHashSet();
        return this with
        {
            Items =
            [
                .. Items.Select(
                    (item, i) =>
                        unanswered.Contains(Attempt.Touches[i]) ? item with { State = SendState.Unknown } : item
                ),
            ],
            Unanswered = [],
            Unknown = [.. Unknown, .. Unanswered.Select(touch => touch.CustomerKey)],
        };
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
