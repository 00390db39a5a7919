using System.Threading.Channels;
using Campaigns.Access;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Results;

namespace Campaigns.Outcomes;

/// <summary>Takes in events that come one by one, or a few at a time, from many callers, and commits together what waits at
/// the same moment. Each caller is answered after the commit, with what became of its own events.</summary>
/// <remarks>Nobody waits for others to come: a lane takes what is there. A commit of many costs little more than
/// one of one, so the more callers, the less each costs. It leaves one audit row for all events of a caller in it.</remarks>
public sealed class FewEvents(EventIntake events, TimeProvider time)
{
    /// <summary>As many events as one caller may give.</summary>
    public const int Most = 20;

    /// <summary>Events from which no more are taken into a commit.</summary>
    public const int MostTogether = 500;

    // While one lane waits for the disk, the other uses the processor; more would only wait for each other's customers.
    private const int Lanes = 2;
    internal const int MostWaiting = 10 * MostTogether;

    // A restart of the database takes as long; callers wait no longer than that.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AgainAfter = TimeSpan.FromMilliseconds(50);

    private static readonly Error Full = new(
        ErrorKind.Unavailable,
        "overloaded",
        "More events come in than can be stored: send them again after Retry-After, as batches."
    )
    {
        RetryAfter = TimeSpan.FromSeconds(1),
    };

    private readonly Channel<Waiting> _waiting = Channel.CreateBounded<Waiting>(MostWaiting);
    private volatile int _lanes;

    /// <summary>Stores events as <see cref="EventIntake"/> does, and counts those that are conversions. A failure of the
    /// database that passes is waited for, and the events given again: <c>unchanged</c> may then mean that the commit before
    /// the failure had stored it.</summary>
    /// <param name="entries">1 to <see cref="Most"/>.</param>
    /// <returns>One an event, with its own error where it is refused; <c>overloaded</c> where nothing was taken.</returns>
    public Task<Result<IReadOnlyList<BatchItem>>> RecordAsync(Actor actor, IReadOnlyList<EventEntry> entries)
    {
        if (entries.Count is 0 or > Most)
        {
            throw new ArgumentException($"From 1 to {Most} events are taken at a time.", nameof(entries));
        }

        var waiting = new Waiting(actor, entries, time.GetTimestamp());
        if (!_waiting.Writer.TryWrite(waiting))
        {
            return Task.FromResult<Result<IReadOnlyList<BatchItem>>>(Full);
        }

        Wake();
        return waiting.Answer.Task;
    }

    /// <summary>Another lane, where there may be one more. Those at work look again before they end.</summary>
    private void Wake()
    {
        for (var lanes = _lanes; lanes < Lanes; lanes = _lanes)
        {
            if (Interlocked.CompareExchange(ref _lanes, lanes + 1, lanes) == lanes)
            {
                _ = Task.Run(DrainAsync);
                return;
            }
        }
    }

    private async Task DrainAsync()
    {
        var group = new List<Waiting>(MostTogether);
        while (Take(group))
        {
            foreach (var same in group.GroupBy(one => one.Actor))
            {
                await CommitAsync([.. same]);
            }

            group.Clear();
        }

        Interlocked.Decrement(ref _lanes);
        // Who came between the last look and now has found no free lane.
        if (_waiting.Reader.TryPeek(out _))
        {
            Wake();
        }
    }

    private bool Take(List<Waiting> group)
    {
        for (var taken = 0; taken < MostTogether && _waiting.Reader.TryRead(out var one); taken += one.Entries.Count)
        {
            group.Add(one);
        }

        return group.Count > 0;
    }

    /// <summary>Together; and where that fails for good, by halves, so that only what cannot be stored fails.</summary>
    private async Task CommitAsync(Waiting[] group)
    {
        try
        {
            var items = await TryAsync(group);
            var answered = 0;
            foreach (var one in group)
            {
                var own = items.Skip(answered).Take(one.Entries.Count).Select((item, i) => item with { Index = i });
                one.Answer.TrySetResult(own.ToArray());
                answered += one.Entries.Count;
            }
        }
        catch (Exception failure) when (group.Length > 1 && !Transient.Is(failure))
        {
            await CommitAsync(group[..(group.Length / 2)]);
            await CommitAsync(group[(group.Length / 2)..]);
        }
        catch (Exception failure)
        {
            Array.ForEach(group, one => one.Answer.TrySetException(failure));
        }
    }

    private async Task<IReadOnlyList<BatchItem>> TryAsync(Waiting[] group)
    {
        while (true)
        {
            try
            {
                var recorded = await events.RecordAsync(
                    group[0].Actor,
                    [.. group.SelectMany(one => one.Entries)],
                    (connection, batch, now) =>
                        Conversions.CountAsync(connection, batch.Stored, now, CancellationToken.None),
                    CancellationToken.None
                );
                return recorded.Value.Items;
            }
            catch (Exception failure) when (Transient.Is(failure) && time.GetElapsedTime(group[0].Since) < Patience)
            {
                await Task.Delay(AgainAfter, time);
            }
        }
    }

    private sealed record Waiting(Actor Actor, IReadOnlyList<EventEntry> Entries, long Since)
    {
        // Callers go on elsewhere: the lane has others to commit.
        public TaskCompletionSource<Result<IReadOnlyList<BatchItem>>> Answer { get; } =
            new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
