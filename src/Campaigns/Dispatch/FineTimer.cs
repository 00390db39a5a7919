using System.Diagnostics;

namespace Campaigns.Dispatch;

/// <summary>Waits of some milliseconds, as exact as a thread is woken: the runtime's own timers go by a clock that on Linux
/// ticks every four.</summary>
internal static class FineTimer
{
    /// <summary>A thread is woken no finer.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(0.5);

    private static readonly object Gate = new();
    private static readonly PriorityQueue<TaskCompletionSource, long> Waiting = new();

    static FineTimer() => new Thread(Run) { IsBackground = true, Name = "fine timer" }.Start();

    /// <summary>At once where that is half a millisecond or less from now.</summary>
    internal static Task WaitAsync(TimeSpan wait)
    {
        if (wait <= Moment)
        {
            return Task.CompletedTask;
        }

        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var at = Stopwatch.GetTimestamp() + (long)(wait.TotalSeconds * Stopwatch.Frequency);
        lock (Gate)
        {
            var first = !Waiting.TryPeek(out _, out var next) || at < next;
            Waiting.Enqueue(over, at);
            if (first)
            {
                Monitor.Pulse(Gate);
            }
        }

        return over.Task;
    }

    private static void Run()
    {
        lock (Gate)
        {
            while (true)
            {
                if (!Waiting.TryPeek(out var over, out var at))
                {
                    Monitor.Wait(Gate);
                }
                else if (Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), at) is var wait && wait > Moment)
                {
                    Monitor.Wait(Gate, Math.Max(1, (int)wait.TotalMilliseconds));
                }
                else
                {
                    Waiting.Dequeue();
                    over.SetResult();
                }
            }
        }
    }
}
