using Campaigns.Jobs;
using Microsoft.Extensions.Logging;

namespace Campaigns.Planning;

/// <summary>Every ten seconds wakes the planning of runs that have parts left: the engine may lose a wake-up, and lanes may
/// die.</summary>
internal sealed class PlanningSweep(Planner planner, TimeProvider time, ILogger<PlanningSweep> logger)
    : Periodic(TimeSpan.FromSeconds(10), time, logger)
{
    protected override Task PassAsync(CancellationToken cancellationToken) => planner.ResumeAsync(cancellationToken);
}
