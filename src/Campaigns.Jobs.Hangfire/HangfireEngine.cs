using Campaigns.Database;
using Hangfire;
using Hangfire.AspNetCore;
using Hangfire.States;
using Hangfire.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using HangfireJob = Hangfire.Common.Job;

namespace Campaigns.Jobs.Hangfire;

/// <summary>The job engine on Hangfire. Which of Hangfire's jobs an id stands for is kept in Hangfire's storage, so that
/// asking again replaces.</summary>
internal sealed class HangfireEngine(
    HangfireStore store,
    JobHandlers handlers,
    BusinessClock clock,
    JobEngineOptions options,
    ILoggerFactory logs
) : IJobEngine, IHostedService, IDisposable
{
    private BackgroundJobServer? _server;

    public string Name => "Hangfire";

    public Task StartAsync(CancellationToken cancellationToken)
    {
        GlobalConfiguration.Configuration.UseLogProvider(new AspNetCoreLogProvider(logs)); // one for the whole process
        var storage = store.Storage;
        if (options.Worker)
        {
            _server = new BackgroundJobServer(
                new BackgroundJobServerOptions
                {
                    WorkerCount = options.Threads,
                    SchedulePollingInterval = TimeSpan.FromSeconds(1),
                    HeartbeatInterval = TimeSpan.FromSeconds(5),
                    ServerCheckInterval = TimeSpan.FromSeconds(10),
                    ShutdownTimeout = options.StopWithin,
                    ServerTimeout = TimeSpan.FromSeconds(30),
                    Activator = new WakeUpActivator(handlers, store),
                },
                storage
            );
        }

        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_server is { } server)
        {
            server.SendStop();
            await server.WaitForShutdownAsync(cancellationToken);
        }
    }

    public void Dispose()
    {
        _server?.Dispose();
        GlobalConfiguration.Configuration.UseNoOpLogProvider(); // the host's loggers go with it
    }

    public Task RunNowAsync(Job job, CancellationToken cancellationToken) =>
        AskAsync(job, at: null, new EnqueuedState(), cancellationToken);

    public async Task RunAtAsync(Job job, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var offset = await clock.OffsetAsync(cancellationToken);
        await AskAsync(job, at, StateAt(at - offset), cancellationToken);
        if (await clock.OffsetAsync(cancellationToken) != offset)
        {
            // The clock moved before the job could be seen by those who move them.
            await ClockMovedAsync(cancellationToken);
        }
    }

    public async Task RunEveryAsync(Job job, string cron, string zone, CancellationToken cancellationToken)
    {
        var recurring = new RecurringJobOptions { TimeZone = TimeZoneInfo.FindSystemTimeZoneById(zone) };
        await using var asking = await store.LockAsync(job.Id, cancellationToken);
        using var connection = store.Storage.GetConnection();
        var asked = new Asked(connection, job.Id);
        var before = asked.Mark;
        new RecurringJobManager(store.Storage).AddOrUpdate(job.Id, Stored(job, at: null), cron, recurring);
        asked.Be(Asked.ByCron);
        if (before != Asked.ByCron)
        {
            Drop(connection, job.Id, before);
        }
    }

    public async Task ForgetAsync(string jobId, CancellationToken cancellationToken)
    {
        await using var asking = await store.LockAsync(jobId, cancellationToken);
        using var connection = store.Storage.GetConnection();
        var asked = new Asked(connection, jobId);
        var before = asked.Mark;
        asked.Forget();
        Drop(connection, jobId, before);
    }

    public async Task ClockMovedAsync(CancellationToken cancellationToken)
    {
        var offset = await clock.OffsetAsync(cancellationToken);
        var client = new BackgroundJobClient(store.Storage);
        foreach (var (hangfireId, at, real) in Scheduled())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (StateAt(at - offset) is var state && (state as ScheduledState)?.EnqueueAt != real)
            {
                client.ChangeState(hangfireId, state, ScheduledState.StateName); // nothing if it started meanwhile
            }
        }
    }

    private async Task AskAsync(Job job, DateTimeOffset? at, IState state, CancellationToken cancellationToken)
    {
        await using var asking = await store.LockAsync(job.Id, cancellationToken);
        using var connection = store.Storage.GetConnection();
        var asked = new Asked(connection, job.Id);
        var before = asked.Mark;
        // A worker that takes the new job at once waits for our lock before it looks whether it is still asked for.
        asked.Be(new BackgroundJobClient(store.Storage).Create(Stored(job, at), state));
        Drop(connection, job.Id, before);
    }

    // What runs already is left to its end.
    private void Drop(IStorageConnection connection, string jobId, string? mark)
    {
        if (mark == Asked.ByCron)
        {
            new RecurringJobManager(store.Storage).RemoveIfExists(jobId);
        }
        else if (
            mark is not null
            && connection.GetStateData(mark) is { } state
            && state.Name != ProcessingState.StateName
        )
        {
            new BackgroundJobClient(store.Storage).ChangeState(mark, new DeletedState(), state.Name);
        }
    }

    private List<(string Id, DateTimeOffset At, DateTime Real)> Scheduled()
    {
        const int Page = 1000;
        var monitor = store.Storage.GetMonitoringApi();
        var found = new List<(string, DateTimeOffset, DateTime)>();
        var jobs = monitor.ScheduledJobs(0, Page);
        for (var from = Page; jobs.Count > 0; from += Page)
        {
            foreach (var (id, job) in jobs)
            {
                if (job?.Job?.Args[4] is DateTimeOffset at)
                {
                    found.Add((id, at, job.EnqueueAt));
                }
            }

            jobs = monitor.ScheduledJobs(from, Page);
        }

        return found;
    }

    // Hangfire's schedule counts whole seconds and would round down, which is too early.
    private static IState StateAt(DateTimeOffset real)
    {
        var ticks = (real.UtcTicks + TimeSpan.TicksPerSecond - 1) / TimeSpan.TicksPerSecond * TimeSpan.TicksPerSecond;
        var whole = new DateTime(ticks, DateTimeKind.Utc);
        return whole <= DateTime.UtcNow ? new EnqueuedState() : new ScheduledState(whole);
    }

    private static HangfireJob Stored(Job job, DateTimeOffset? at) =>
        HangfireJob.FromExpression<WakeUp>(wakeUp =>
            wakeUp.RunAsync(job.Id, job.Kind.ToString(), job.Argument, job.Title, at, null!, CancellationToken.None)
        );

    private sealed class WakeUpActivator(JobHandlers handlers, HangfireStore store) : JobActivator
    {
        public override object ActivateJob(Type jobType) => new WakeUp(handlers, store);
    }
}
