using Campaigns.Tests.Support;

namespace Campaigns.Tests.Jobs;

/// <summary>What the tests have to know of an engine beyond its port: where its own tables are.</summary>
internal abstract class EngineTables
{
    /// <summary>The engine's name, as the configuration spells it.</summary>
    public abstract string Engine { get; }

    /// <summary>The schema of the engine's own tables.</summary>
    public abstract string Schema { get; }

    /// <summary>The next instant of a job that runs by cron; none when there is no such job.</summary>
    public abstract Task<DateTimeOffset?> NextOfAsync(TestDatabase database, string jobId);

    /// <summary>Whether a job is shown under this title.</summary>
    public abstract Task<bool> ShowsAsync(TestDatabase database, string title);
}
