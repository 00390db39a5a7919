using System.Globalization;
using Quartz;

namespace Campaigns.Jobs.Quartz;

/// <summary>The one job Quartz knows: it hands what was asked to <see cref="JobHandlers"/>.</summary>
[DisallowConcurrentExecution]
internal sealed class WakeUp(JobHandlers handlers) : IJob
{
    private const string Id = "id";
    private const string Kind = "kind";
    private const string Argument = "argument";
    private const string Title = "title";
    private const string At = "at";

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        var asked = context.Trigger.JobDataMap;
        var job = new Job(
            asked.GetString(Id)!,
            Enum.Parse<JobKind>(asked.GetString(Kind)!),
            asked.GetString(Argument)!,
            asked.GetString(Title)!
        );
        await handlers.RunAsync(job, cancellationToken);
    }

    internal static JobDataMap Asked(Job job, DateTimeOffset? at)
    {
        var asked = new JobDataMap
        {
            [Id] = job.Id,
            [Kind] = job.Kind.ToString(),
            [Argument] = job.Argument,
            [Title] = job.Title,
        };
        if (at is { } instant)
        {
            asked[At] = instant.ToUniversalTime().ToString("O", CultureInfo.InvariantCulture);
        }

        return asked;
    }

    /// <summary>The instant of business time the trigger was asked for; none for a job that runs now or by cron.</summary>
    internal static DateTimeOffset? InstantOf(ITrigger trigger) =>
        trigger.JobDataMap.TryGetValue(At, out var text)
            ? DateTimeOffset.Parse((string)text!, CultureInfo.InvariantCulture)
            : null;
}
