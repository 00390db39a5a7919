using Campaigns.Jobs;

namespace Campaigns.Tests.Jobs;

/// <summary>One line of what the nodes of a test did.</summary>
internal sealed record JobRun(string Node, Job Job, DateTimeOffset At);

/// <summary>What the nodes of a test ran, in order; waits on it are woken by every new line.</summary>
internal sealed class JobLog
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3); // a job by cron is waited for, one minute and more

    private readonly Lock _lock = new();
    private readonly List<JobRun> _runs = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyList<JobRun> Runs
    {
        get
        {
            lock (_lock)
            {
                return [.. _runs];
            }
        }
    }

    public IReadOnlyList<JobRun> Of(string jobId) => [.. Runs.Where(run => run.Job.Id == jobId)];

    public void Add(string node, Job job)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            _runs.Add(new JobRun(node, job, DateTimeOffset.UtcNow));
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
    }

    public Task<IReadOnlyList<JobRun>> RanAsync(string jobId, int times = 1) =>
        UntilAsync(() => Of(jobId) is { } runs && runs.Count >= times ? runs : null, $"{jobId} {times} times");

    public async Task<T> UntilAsync<T>(Func<T?> look, string what)
        where T : class
    {
        var deadline = Task.Delay(Deadline);
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                changed = _changed.Task;
            }

            if (look() is { } seen)
            {
                return seen;
            }

            if (await Task.WhenAny(changed, deadline) == deadline)
            {
                var ran = string.Join(", ", Runs.Select(run => run.Job.Id));
                throw new TimeoutException($"Waited in vain for {what}; ran: {ran}");
            }
        }
    }
}
