using Campaigns.Jobs;
using Microsoft.Extensions.Logging;

namespace Campaigns.Dispatch;

/// <summary>Sweeps every few seconds on every worker; the sweep itself sees to it that one does at a time.</summary>
internal sealed class SweepService(
    Sweep sweep,
    DispatchOptions options,
    TimeProvider time,
    ILogger<SweepService> logger
) : Periodic(options.SweepEvery, time, logger)
{
    protected override Task PassAsync(CancellationToken cancellationToken) => sweep.RunAsync(cancellationToken);
}
