using Campaigns.Jobs;
using Microsoft.Extensions.Logging;

namespace Campaigns.Outcomes;

/// <summary>Folds every second on every worker; one at a time does it.</summary>
internal sealed class FoldService(Fold fold, TimeProvider time, ILogger<FoldService> logger)
    : Periodic(TimeSpan.FromSeconds(1), time, logger)
{
    protected override Task PassAsync(CancellationToken cancellationToken) => fold.RunAsync(cancellationToken);
}
