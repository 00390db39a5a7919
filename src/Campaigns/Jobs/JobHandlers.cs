namespace Campaigns.Jobs;

/// <summary>What a kind of job does; returns when the work is done or has scheduled its own continuation.</summary>
public delegate Task JobHandler(Job job, CancellationToken cancellationToken);

/// <summary>The one table from kind to work, filled at start-up and asked by whichever engine is compiled in.</summary>
public sealed class JobHandlers
{
    private readonly Dictionary<JobKind, JobHandler> _handlers = [];

    /// <summary>Says what a kind of job does; a later call replaces an earlier one.</summary>
    public JobHandlers On(JobKind kind, JobHandler handler)
    {
        _handlers[kind] = handler;
        return this;
    }

    /// <summary>Runs the work of a job.</summary>
    /// <exception cref="InvalidOperationException">No work was declared for its kind.</exception>
    public Task RunAsync(Job job, CancellationToken cancellationToken) =>
        _handlers.TryGetValue(job.Kind, out var handler)
            ? handler(job, cancellationToken)
            : throw new InvalidOperationException($"No handler for {job.Kind}.");
}
