using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;

namespace Campaigns.Jobs.Hangfire;

/// <summary>The one job Hangfire knows: it hands what was asked to <see cref="JobHandlers"/>.</summary>
internal sealed class WakeUp(JobHandlers handlers, HangfireStore store)
{
    /// <summary>Its parameters are what Hangfire stores, and its dashboard shows the title.</summary>
    /// <param name="at">The instant of business time it was asked for; none for a job that runs now or by cron.</param>
    [JobDisplayName("{3}")]
    [WaitYourTurn]
    [AutomaticRetry(Attempts = int.MaxValue, DelaysInSeconds = [1, 2, 4, 8, 16, 32, 60])]
    public async Task RunAsync(
        string id,
        string kind,
        string argument,
        string title,
        DateTimeOffset? at,
        PerformContext context,
        CancellationToken cancellationToken
    )
    {
        await using var turn = await store.TryTakeTurnAsync(id, cancellationToken) ?? throw new NotYourTurnException();
        if (await IsAskedAsync(id, context, cancellationToken))
        {
            await handlers.RunAsync(new Job(id, Enum.Parse<JobKind>(kind), argument, title), cancellationToken);
            await EndAsync(id, context, cancellationToken);
        }
    }

    // It is not when it was forgotten or replaced after a worker had taken it, or between two tries.
    private async Task<bool> IsAskedAsync(string id, PerformContext context, CancellationToken cancellationToken)
    {
        await using var asking = await store.LockAsync(id, cancellationToken);
        return new Asked(context.Connection, id).Is(Mark(context));
    }

    private async Task EndAsync(string id, PerformContext context, CancellationToken cancellationToken)
    {
        await using var asking = await store.LockAsync(id, cancellationToken);
        var asked = new Asked(context.Connection, id);
        if (asked.Is(context.BackgroundJob.Id))
        {
            asked.Forget();
        }
    }

    private static string Mark(PerformContext context) =>
        context.GetJobParameter<string?>("RecurringJobId") is null ? context.BackgroundJob.Id : Asked.ByCron;
}

/// <summary>Another job of the same id runs at this moment.</summary>
internal sealed class NotYourTurnException() : Exception("Another job of the same id is running.");

/// <summary>A job whose id is running elsewhere comes back a second later, which is no failed try.</summary>
internal sealed class WaitYourTurnAttribute : JobFilterAttribute, IElectStateFilter
{
    public WaitYourTurnAttribute() => Order = 1; // before the filter that counts tries

    public void OnStateElection(ElectStateContext context)
    {
        if (context.CandidateState is FailedState { Exception: NotYourTurnException problem })
        {
            context.CandidateState = new ScheduledState(TimeSpan.FromSeconds(1)) { Reason = problem.Message };
        }
    }
}
