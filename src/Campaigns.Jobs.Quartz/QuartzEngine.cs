using System.Data.Common;
using Campaigns.Database;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace Campaigns.Jobs.Quartz;

/// <summary>The job engine on Quartz. An id is one Quartz job with one trigger, so asking again replaces.</summary>
internal sealed class QuartzEngine(
    ISchedulerFactory schedulers,
    [FromKeyedServices(QuartzEngineServices.DataSourceKey)] DbDataSource dataSource,
    BusinessClock clock,
    JobEngineOptions options
) : IJobEngine, IHostedService, IDisposable
{
    private const string Group = "campaigns";
    private const int LongestDescription = 250;

    private readonly SemaphoreSlim _gate = new(1);
    private IScheduler? _scheduler;

    public string Name => "Quartz";

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (options.Worker)
        {
            var scheduler = await SchedulerAsync(cancellationToken);
            await scheduler.Start(cancellationToken);
        }
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_scheduler is { } scheduler)
        {
            await scheduler
                .Shutdown(waitForJobsToComplete: true, CancellationToken.None)
                .AsTask()
                .WaitAsync(cancellationToken);
        }
    }

    public void Dispose() => _gate.Dispose();

    public Task RunNowAsync(Job job, CancellationToken cancellationToken) =>
        ScheduleAsync(job, OneShot(job, DateTimeOffset.UtcNow, at: null), cancellationToken);

    public async Task RunAtAsync(Job job, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var offset = await clock.OffsetAsync(cancellationToken);
        await ScheduleAsync(job, OneShot(job, at - offset, at), cancellationToken);
        if (await clock.OffsetAsync(cancellationToken) != offset)
        {
            // The clock moved before the trigger could be seen by those who move them.
            await ClockMovedAsync(cancellationToken);
        }
    }

    public Task RunEveryAsync(Job job, string cron, string zone, CancellationToken cancellationToken)
    {
        var schedule = CronScheduleBuilder
            .Create(cron, CronFormat.Unix)
            .InTimeZone(TimeZoneInfo.FindSystemTimeZoneById(zone))
            .WithMisfireInstruction(CronTriggerMisfireInstruction.FireAndProceed);
        return ScheduleAsync(job, Trigger(job, at: null).WithSchedule(schedule).Build(), cancellationToken);
    }

    public async Task ForgetAsync(string jobId, CancellationToken cancellationToken)
    {
        var scheduler = await SchedulerAsync(cancellationToken);
        // Without a trigger the job goes too. DeleteJob would throw if one of them ended meanwhile.
        var triggers = await scheduler.GetTriggersOfJob(new JobKey(jobId, Group), cancellationToken);
        await scheduler.UnscheduleJobs([.. triggers.Select(trigger => trigger.Key)], cancellationToken);
    }

    public async Task ClockMovedAsync(CancellationToken cancellationToken)
    {
        var scheduler = await SchedulerAsync(cancellationToken);
        var offset = await clock.OffsetAsync(cancellationToken);
        var keys = await scheduler.GetTriggerKeys(GroupMatcher<TriggerKey>.GroupEquals(Group), cancellationToken);
        foreach (var some in keys.Chunk(500))
        {
            foreach (var trigger in await scheduler.GetTriggers(some, cancellationToken))
            {
                // Without a next fire time it is running already.
                if (WakeUp.InstantOf(trigger) - offset is { } real && trigger.NextFireTimeUtc is not null)
                {
                    await MoveAsync(scheduler, trigger, real, cancellationToken);
                }
            }
        }
    }

    private static async Task MoveAsync(
        IScheduler scheduler,
        ITrigger trigger,
        DateTimeOffset real,
        CancellationToken cancellationToken
    )
    {
        if (trigger.StartTimeUtc != real)
        {
            var moved = trigger.GetTriggerBuilder().StartAt(real).Build();
            await scheduler.RescheduleJob(trigger.Key, moved, cancellationToken); // nothing if it ended meanwhile
        }
    }

    private async Task ScheduleAsync(Job job, ITrigger trigger, CancellationToken cancellationToken)
    {
        var scheduler = await SchedulerAsync(cancellationToken);
        var detail = JobBuilder
            .Create<WakeUp>()
            .WithIdentity(job.Id, Group)
            .WithDescription(Description(job))
            .RequestRecovery()
            .Build();
        await scheduler.ScheduleJob(detail, [trigger], ScheduleJobOptions.Replacing, cancellationToken);
    }

    // A one-shot trigger is never "misfired": however late, it simply runs.
    private static ITrigger OneShot(Job job, DateTimeOffset real, DateTimeOffset? at) =>
        Trigger(job, at).StartAt(real).WithMisfireThreshold(TimeSpan.FromDays(3650)).Build();

    private static TriggerBuilder<IJob> Trigger(Job job, DateTimeOffset? at) =>
        TriggerBuilder
            .Create()
            .WithIdentity(job.Id, Group)
            .WithDescription(Description(job))
            .UsingJobData(WakeUp.Asked(job, at));

    private static string Description(Job job) =>
        job.Title.Length <= LongestDescription ? job.Title : job.Title[..(LongestDescription - 1)] + "…";

    // Quartz makes its tables but not their schema, and two nodes that make one at once collide.
    private async Task CreateSchemaAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync(
            $"""
            SELECT pg_advisory_xact_lock(hashtext('{QuartzEngineServices.Schema}'));
            CREATE SCHEMA IF NOT EXISTS {QuartzEngineServices.Schema}
            """,
            transaction: transaction
        );
        await transaction.CommitAsync(cancellationToken);
    }

    private async Task<IScheduler> SchedulerAsync(CancellationToken cancellationToken)
    {
        if (_scheduler is { } known)
        {
            return known;
        }

        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_scheduler is null)
            {
                await CreateSchemaAsync(cancellationToken);
                _scheduler = await schedulers.GetScheduler(cancellationToken);
            }

            return _scheduler;
        }
        finally
        {
            _gate.Release();
        }
    }
}
