using Campaigns.Channels;

namespace Campaigns.Dispatch;

/// <summary>What became of a request that was attempted.</summary>
internal abstract record Reply
{
    /// <summary>The gateway's word.</summary>
    internal sealed record Of(SendResult Result) : Reply;

    /// <summary>We did not send it, and it may be sent after a while.</summary>
    internal sealed record NotSent(TimeSpan Wait) : Reply;

    /// <summary>It was sent by an earlier lease, may not be sent again, and nobody is left who would know.</summary>
    internal sealed record Forgotten : Reply;

    /// <summary>We may not touch it any more: the lease ran out before it was sent.</summary>
    internal sealed record Abandoned : Reply;

    /// <summary>Something was not sent this time, and may be later.</summary>
    internal bool IsForNow =>
        this switch
        {
            NotSent => true,
            Of { Result: SendResult.Throttled or SendResult.ChannelStopped } => true,
            Of { Result: SendResult.Answered answered } => answered.Items.Any(item =>
                item.State == SendState.Retryable
            ),
            _ => false,
        };
}
