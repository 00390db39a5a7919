using Campaigns.Jobs;
using Microsoft.Extensions.Logging;

namespace Campaigns.Planning;

/// <summary>Every ten seconds wakes the planning of runs that have parts left: the engine may lose a wake-up, and lanes may
/// die.</summary>
internal sealed class PlanningSweep(Planner planner, TimeProvider time, ILogger<PlanningSweep> logger)
    : Periodic(TimeSpan.FromSeconds(10), time, logger)
{
    /// <summary>Half a minute without a part planned is more than a part takes.</summary>
    private const int PassesATry = 3;

    /// <summary>A run may only be slow: its lanes must not take the engine's threads from all others.</summary>
    private const int MostTries = 3;

    /// <summary>The parts planned of a run, and how many passes have found no more.</summary>
    private readonly Dictionary<int, (int Planned, int Passes)> _seen = [];

    /// <summary>One pass.</summary>
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        var runs = await planner.WaitingAsync(cancellationToken);
        foreach (var past in _seen.Keys.Except(runs.Select(run => run.RunKey)).ToList())
        {
            _seen.Remove(past);
        }

        foreach (var run in runs)
        {
            var passes =
                _seen.TryGetValue(run.RunKey, out var last) && last.Planned == run.Planned ? last.Passes + 1 : 0;
            _seen[run.RunKey] = (run.Planned, passes);
            await planner.WakeAsync(run, Math.Min(1 + (passes / PassesATry), MostTries), cancellationToken);
        }
    }

    protected override Task PassAsync(CancellationToken cancellationToken) => RunAsync(cancellationToken);
}
