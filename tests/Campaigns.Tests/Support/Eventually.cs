using System.Diagnostics;

namespace Campaigns.Tests.Support;

/// <summary>Waits for what another process or thread is about to do, instead of sleeping for it.</summary>
public static class Eventually
{
    private static readonly TimeSpan DefaultDeadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Asks until the answer is yes; fails with <paramref name="what"/> at the deadline (60 s unless given).</summary>
    public static async Task BeTrueAsync(Func<Task<bool>> condition, string what, TimeSpan? deadline = null) =>
        await BeAsync(condition, met => met, what, deadline);

    /// <inheritdoc cref="BeTrueAsync(Func{Task{bool}}, string, TimeSpan?)"/>
    public static async Task BeTrueAsync(Func<bool> condition, string what, TimeSpan? deadline = null) =>
        await BeTrueAsync(() => Task.FromResult(condition()), what, deadline);

    /// <summary>Asks until the answer is as expected and returns it; a failure names the last answer.</summary>
    public static async Task<T> BeAsync<T>(
        Func<Task<T>> ask,
        Func<T, bool> expected,
        string what,
        TimeSpan? deadline = null
    )
    {
        var limit = deadline ?? DefaultDeadline;
        var since = Stopwatch.StartNew();
        while (true)
        {
            var answer = await ask();
            if (expected(answer))
            {
                return answer;
            }

            if (since.Elapsed > limit)
            {
                Assert.Fail(
                    $"Within {limit.TotalSeconds} s it did not come true that {what}; the last answer was {answer}."
                );
            }

            await Task.Delay(Pause);
        }
    }
}
