using Campaigns.Jobs;
using Microsoft.Extensions.Logging;

namespace Campaigns.Outcomes;

/// <summary>Looks for follow-ups that are due every ten seconds, on every worker.</summary>
internal sealed class FollowUpService(FollowUps followUps, TimeProvider time, ILogger<FollowUpService> logger)
    : Periodic(TimeSpan.FromSeconds(10), time, logger)
{
    protected override Task PassAsync(CancellationToken cancellationToken) => followUps.TakeDueAsync(cancellationToken);
}
