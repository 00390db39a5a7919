using System.Diagnostics;

namespace Campaigns.Faults.Running;

/// <summary>Something that should have happened has not: a violation, for everything has to come to its end.</summary>
internal sealed class StuckException(string what) : Exception(what);

/// <summary>Waits for what other processes are about to do, by asking.</summary>
internal static class Wait
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(25);

    /// <summary>Asks until the answer is yes.</summary>
    /// <returns>How long it took.</returns>
    /// <param name="found">Says how it stands where the answer is still no.</param>
    /// <exception cref="StuckException">It was not by the deadline.</exception>
    public static async Task<TimeSpan> UntilAsync(
        Func<Task<bool>> condition,
        string what,
        int seconds = 120,
        Func<Task<string>>? found = null
    )
    {
        var since = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(since).TotalSeconds > seconds)
            {
                var stands = found is null ? "" : $": {await found()}";
                throw new StuckException($"within {seconds} s it did not come true that {what}{stands}");
            }

            await Task.Delay(Pause);
        }

        return Stopwatch.GetElapsedTime(since);
    }

    /// <summary>Asks for as long as said whether it still holds.</summary>
    /// <returns>Whether it held to the end.</returns>
    public static async Task<bool> HoldsAsync(Func<Task<bool>> condition, TimeSpan time)
    {
        var since = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(since) < time)
        {
            if (!await condition())
            {
                return false;
            }

            await Task.Delay(Pause);
        }

        return true;
    }
}
