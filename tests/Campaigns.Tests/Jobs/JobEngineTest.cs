using Campaigns.Database;
using Campaigns.Jobs;
using Campaigns.Tests.Support;
using Xunit;

namespace Campaigns.Tests.Jobs;

/// <summary>A database of its own, and nodes that write down what they run.</summary>
public abstract class JobEngineTest : IAsyncLifetime
{
    private readonly List<JobNode> _nodes = [];

    private protected JobEngineTest(EngineTables tables) => Tables = tables;

    private protected EngineTables Tables { get; }

    private protected JobLog Log { get; } = new();

    private protected TestDatabase Database { get; private set; } = null!;

    public async Task InitializeAsync() => Database = await Databases.CreateAsync();

    public async Task DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        await Database.DisposeAsync();
    }

    private protected async Task<JobNode> NodeAsync(
        string name,
        bool worker = true,
        Func<Job, CancellationToken, Task>? work = null
    )
    {
        var node = await JobNode.StartAsync(
            Tables.Engine,
            Database.ConnectionString,
            async (job, cancellationToken) =>
            {
                Log.Add(name, job);
                await (work?.Invoke(job, cancellationToken) ?? Task.CompletedTask);
            },
            new JobEngineOptions { Worker = worker, Threads = 4 }
        );
        _nodes.Add(node);
        return node;
    }

    private protected static Job AJob(string id, string argument = "") => new(id, JobKind.Sweep, argument, id);

    private protected static DateTimeOffset InHours(double hours) => DateTimeOffset.UtcNow.AddHours(hours);

    private protected Task MoveClockAsync(TimeSpan offset) =>
        new BusinessClock(Database.DataSource).MoveAsync(offset, default);

    // What was due when the fence was asked for has run when the fence has.
    private protected async Task FenceAsync(JobNode node)
    {
        var fence = AJob("fence-" + Guid.NewGuid().ToString("N"));
        await node.Engine.RunNowAsync(fence, default);
        await Log.RanAsync(fence.Id);
    }
}
