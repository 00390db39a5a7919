using Campaigns.Jobs;
using Microsoft.Extensions.Logging;

namespace Campaigns.Outcomes;

/// <summary>Looks every second, on every worker, for runs whose early events are to be counted.</summary>
internal sealed class EarlyEventService(EarlyEvents earlyEvents, TimeProvider time, ILogger<EarlyEventService> logger)
    : Periodic(TimeSpan.FromSeconds(1), time, logger)
{
    protected override Task PassAsync(CancellationToken cancellationToken) => earlyEvents.CountAsync(cancellationToken);
}
