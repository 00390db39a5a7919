using Campaigns.Jobs;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Jobs;

/// <summary>A node in a process of its own, so that it can be killed: it takes a job, says so, and never ends it.
/// </summary>
internal static class DoomedJobNode
{
    public static ChildProcess Start(string engine, string connectionString) =>
        ChildProcess.Start(RunAsync, [engine, connectionString]);

    private static async Task RunAsync(string[] arguments)
    {
        await using var node = await JobNode.StartAsync(arguments[0], arguments[1], TakeAsync);
        await ChildProcess.UntilToldToEnd();
    }

    private static Task TakeAsync(Job job, CancellationToken cancellationToken)
    {
        Console.WriteLine($"took {job.Id}");
        return Task.Delay(Timeout.Infinite, cancellationToken);
    }
}
