namespace Campaigns.Demo;

/// <summary>Lets the days of a campaign pass: business time jumps from send window to send window, and in each of them the
/// product and the provider do what they do.</summary>
internal sealed class Days(Service service, SimulatorProcess provider, Person marketer, CancellationToken stopping)
{
    private const string Run = $"/v1/campaigns/{PaydayCampaign.Id}/run";
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(1);

    // When nothing goes any more for so long, what is left waits for later.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>Opening of the first and of the last send window in which something was to be sent.</summary>
    public DateTimeOffset FirstOpening { get; private set; }

    /// <inheritdoc cref="FirstOpening"/>
    public DateTimeOffset LastOpening { get; private set; }

    public async Task PassAsync(IProgress<double> progress)
    {
        var run = await marketer.GetAsync<RunView>(Run, stopping);
        var total = Math.Max(1, run.Timetable.Sum(line => line.Waiting));
        FirstOpening = run.Timetable.Min(line => line.Opens);
        while (await NextAsync() is { } window)
        {
            LastOpening = window.Opens;
            foreach (var instant in Stops(window))
            {
                await MoveToAsync(instant);
                if (await RestAsync(window, total, progress) == 0)
                {
                    break;
                }
            }
        }

        await WaitForEndAsync();
    }

    /// <summary>Moves business time forward to an instant; never back.</summary>
    public async Task MoveToAsync(DateTimeOffset instant)
    {
        var now = await service.Clock.NowAsync(stopping);
        if (instant > now)
        {
            var offset = await service.Clock.OffsetAsync(stopping) + (instant - now);
            await provider.MoveClockAsync(offset, stopping);
            await service.Clock.MoveAsync(offset, stopping);
        }
    }

    /// <summary>Where the clock stops in a window; the last is past it, for what is still there then has expired.</summary>
    private static IEnumerable<DateTimeOffset> Stops(LineView window) =>
        [
            window.Opens + Moment,
            window.Opens + ((window.Closes - window.Opens) / 2),
            window.Closes - TimeSpan.FromMinutes(4),
            window.Closes - TimeSpan.FromSeconds(45),
            window.Closes + Moment,
        ];

    /// <summary>The earliest window that still has something to send.</summary>
    private async Task<LineView?> NextAsync()
    {
        var run = await marketer.GetAsync<RunView>(Run, stopping);
        var now = await service.Clock.NowAsync(stopping);
        return run
            .Timetable.Where(line => line.Waiting > 0 && line.Closes > now)
            .OrderBy(line => line.Opens)
            .ThenByDescending(line => line.Closes)
            .FirstOrDefault();
    }

    /// <summary>Waits until everything due in the window has gone, or nothing goes any more.</summary>
    /// <returns>How many of its touches wait for later.</returns>
    private async Task<long> RestAsync(LineView window, long total, IProgress<double> progress)
    {
        var (least, since) = (long.MaxValue, TimeProvider.System.GetTimestamp());
        while (true)
        {
            var run = await marketer.GetAsync<RunView>(Run, stopping);
            var waiting = run.Timetable.Sum(line => line.Waiting);
            progress.Report(1 - ((double)waiting / total));
            if (waiting < least)
            {
                (least, since) = (waiting, TimeProvider.System.GetTimestamp());
            }

            var lines = run.Timetable.Where(line => line.Opens == window.Opens).ToList();
            if (lines.Sum(line => line.Due) == 0 || TimeProvider.System.GetElapsedTime(since) > Patience)
            {
                return lines.Sum(line => line.Waiting);
            }

            await Task.Delay(Look, stopping);
        }
    }

    private async Task WaitForEndAsync()
    {
        var since = TimeProvider.System.GetTimestamp();
        while ((await marketer.GetAsync<RunView>(Run, stopping)).State != "closed")
        {
            if (TimeProvider.System.GetElapsedTime(since) > TimeSpan.FromSeconds(60))
            {
                throw new DemoException("The run does not close; the log says why.");
            }

            await Task.Delay(Look, stopping);
        }
    }
}
