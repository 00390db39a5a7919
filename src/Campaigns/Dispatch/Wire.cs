using Campaigns.Channels;
using Campaigns.Database;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>A chunk's requests whose attempts are committed and whose outcomes are not recorded yet.</summary>
internal sealed class Wire(ChunkTools tools, Chunk chunk, WaveContext wave, GatewayDeclaration gateway, Lease lease)
{
    private static readonly TimeSpan RecordAgain = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(10);
    private readonly List<Task<(Attempt Attempt, Reply Reply)>> _sends = [];
    private List<(Attempt Attempt, Reply Reply)> _replies = [];
    private List<Answer>? _answers;
    private DateTimeOffset _attemptedAt;
    private long _since;

    /// <summary>How many have not come back.</summary>
    internal int Requests => _sends.Count;

    internal bool HasReplies => _replies.Count > 0;
    internal bool IsEmpty => _sends.Count == 0 && _replies.Count == 0;

    /// <summary>Whether nothing more than outcomes is to be written of what has come back.</summary>
    internal bool NothingFollows =>
        _replies.TrueForAll(reply => reply.Reply is Reply.Of { Result: SendResult.Answered })
        && Answers.TrueForAll(answer => answer.NothingFollows);

    /// <summary>What has come back, as it is recorded.</summary>
    internal List<Answer> Answers => _answers ??= OutcomeLog.AnswersOf(_replies, gateway);

    /// <param name="attemptedAt">Business time of now.</param>
    internal void Add(IEnumerable<Task<(Attempt, Reply)>> sends, DateTimeOffset attemptedAt)
    {
        (_attemptedAt, _since) = (attemptedAt, tools.Time.GetTimestamp());
        _sends.AddRange(sends);
    }

    /// <summary>Waits until something has come back, and a moment for the rest: what comes together is recorded together.
    /// </summary>
    internal async Task SomeAsync()
    {
        await Task.WhenAny(_sends);
        await Task.WhenAny(Task.WhenAll(_sends), Task.Delay(Moment, tools.Time));
    }

    /// <summary>Takes from the wire what has come back.</summary>
    internal void TakeBack()
    {
        // Asked once: another may complete while we look.
        var completed = _sends.FindAll(send => send.IsCompleted);
        _sends.RemoveAll(completed.Contains);
        _replies.AddRange(completed.Select(send => send.Result));
        _answers = null;
    }

    /// <summary>Another transaction has recorded what had come back.</summary>
    internal void Recorded() => (_replies, _answers) = ([], null);

    /// <summary>Records what has come back, in one transaction.</summary>
    internal async Task<Pass> RecordAsync()
    {
        var (ready, asked) = (_replies, tools.Time.GetTimestamp());
        Recorded();
        if (!await RecordAsync(ready, _attemptedAt + tools.Time.GetElapsedTime(_since)))
        {
            return new Pass(Halt.Lost);
        }

        lease.Renewed(asked);
        return ready.Aggregate(new Pass(Halt.None), (sofar, one) => Add(sofar, one.Attempt, one.Reply));
    }

    /// <summary>Records everything, as it comes back; fails, where it has to, when nothing is on the wire any more.</summary>
    internal async Task<Pass> DrainAsync()
    {
        try
        {
            var pass = new Pass(Halt.None);
            while (!IsEmpty)
            {
                if (!HasReplies)
                {
                    await SomeAsync();
                    TakeBack();
                }

                pass = pass.Then(await RecordAsync());
            }

            return pass;
        }
        finally
        {
            await Task.WhenAll(_sends);
        }
    }

    /// <summary>What was answered is known here alone: the database may fail for as long as the lease lasts.</summary>
    private async Task<bool> RecordAsync(List<(Attempt, Reply)> ready, DateTimeOffset now)
    {
        while (true)
        {
            try
            {
                return await tools.Outcomes.RecordAsync(chunk, wave, gateway, ready, now);
            }
            catch (PostgresException failure)
                when (failure is { SqlState: PostgresErrorCodes.UniqueViolation, TableName: "outcome" })
            {
                return true; // committed before, and the word of it was lost
            }
            catch (Exception failure) when (Transient.Is(failure) && lease.IsHeld)
            {
                await Task.Delay(RecordAgain, tools.Time, CancellationToken.None);
            }
        }
    }

    private Pass Add(Pass pass, Attempt attempt, Reply reply) =>
        reply switch
        {
            _ when pass.Halt == Halt.Lost => pass,
            Reply.Abandoned => pass with { Halt = Halt.Lost },
            Reply.NotSent notSent => pass with { Halt = Halt.Channel, Wait = notSent.Wait },
            Reply.Of { Result: SendResult.Throttled or SendResult.ChannelStopped } => pass with { Halt = Halt.Channel },
            Reply.Of { Result: SendResult.Unanswered } => Unanswered(pass),
            { IsForNow: true } when attempt.IsRepeat => Unanswered(pass),
            _ => pass,
        };

    /// <summary>It is repeated, where that is safe.</summary>
    private Pass Unanswered(Pass pass) => pass with { Unanswered = pass.Unanswered || gateway.Dedupe == Dedupe.Key };
}
