using System.Buffers;

namespace Campaigns.Jobs;

/// <summary>The kinds of work the product asks to be woken for. Each is idempotent: losing, repeating or delaying one
/// loses nothing and does nothing twice, because our own tables fence it.</summary>
public enum JobKind
{
    PlanPart,
    DispatchWave,
    CloseRun,
    Sweep,
    RefreshReports,
}

/// <summary>A wake-up call.</summary>
/// <param name="Id">At most 120 characters of <c>[a-z0-9:._-]</c>; asking again under the same id replaces what was asked.</param>
/// <param name="Kind">Which work.</param>
/// <param name="Argument">A key of our own tables; never an address or anything else about a person.</param>
/// <param name="Title">What a marketer reads on the engine's dashboard, such as
/// <c>new-citizens-payday · WeChat · Mon 19:00 · 182,344 touches</c>.</param>
public sealed record Job(string Id, JobKind Kind, string Argument, string Title)
{
    private static readonly SearchValues<char> Letters = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyz0123456789:._-"
    );

    /// <inheritdoc cref="Job" path="/param[@name='Id']" />
    public string Id { get; } =
        Id.Length is > 0 and <= 120 && !Id.AsSpan().ContainsAnyExcept(Letters)
            ? Id
            : throw new ArgumentException($"'{Id}' is no id of a job.", nameof(Id));

    /// <summary>An id to ask under again where what was asked for has not come. Each of ten tries has its own: an engine that
    /// lost the answer to a commit may take a job for running, and hold it back, for as long as its node lives.</summary>
    /// <param name="tries">From 1, which is the id itself.</param>
    internal static string IdOf(string id, int tries) => tries > 1 ? $"{id}:{tries % 10}" : id;
}

/// <summary>The job engine, as small as we can use it. It wakes us; the tables say what is true.
/// Instants are business time; the engine converts them to real time with the stored offset. A job runs on one worker
/// at a time: asked for again while it runs, it runs once more afterwards.</summary>
public interface IJobEngine
{
    /// <summary>As shown by the health endpoint: <c>Hangfire</c> or <c>Quartz</c>.</summary>
    string Name { get; }

    /// <summary>Runs the job as soon as a worker is free, at least once. A job that throws is tried again, after a
    /// second at first and a minute at most, until it succeeds or is forgotten.</summary>
    Task RunNowAsync(Job job, CancellationToken cancellationToken);

    /// <summary>Runs the job at an instant of business time, at least once; at once when it has passed.</summary>
    Task RunAtAsync(Job job, DateTimeOffset at, CancellationToken cancellationToken);

    /// <summary>Runs the job at every match of a five-field cron expression in an IANA time zone, until forgotten.
    /// Follows real time.</summary>
    Task RunEveryAsync(Job job, string cron, string zone, CancellationToken cancellationToken);

    /// <summary>Forgets what was asked under this id and has not started; nothing when there is nothing.</summary>
    Task ForgetAsync(string jobId, CancellationToken cancellationToken);

    /// <summary>The stored clock offset has moved: every job asked for at an instant is moved with it.</summary>
    Task ClockMovedAsync(CancellationToken cancellationToken);
}
