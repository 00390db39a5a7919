using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace Campaigns.Demo;

/// <summary>Shows phases as they go, with a bar on a terminal and a line now and then elsewhere, and keeps their seconds.
/// </summary>
internal sealed class Screen(Words words)
{
    private readonly Dictionary<string, double> _seconds = [];

    private readonly bool _interactive = !Console.IsOutputRedirected && AnsiConsole.Profile.Capabilities.Interactive;

    public Words Words { get; } = words;

    /// <summary>Of the phases that are over, in their order.</summary>
    public IReadOnlyDictionary<string, double> Seconds => _seconds;

    /// <summary>Keeps colours out of files and pipes.</summary>
    public static void Prepare()
    {
        if (Console.IsOutputRedirected)
        {
            AnsiConsole.Profile.Capabilities.Ansi = false;
            AnsiConsole.Profile.Capabilities.ColorSystem = ColorSystem.NoColors;
            AnsiConsole.Profile.Width = 100;
        }
    }

    /// <summary>One line however narrow the terminal, so that an address stays whole.</summary>
    public static void Line(string text) => Console.WriteLine(text);

    public Task PhaseAsync(string name, string title, Func<Task> work) => PhaseAsync(name, title, _ => work());

    /// <param name="name">In the figures.</param>
    /// <param name="title">On the screen.</param>
    /// <param name="work">Is given a place to tell how far it is, from 0 to 1.</param>
    public async Task PhaseAsync(string name, string title, Func<IProgress<double>, Task> work)
    {
        var since = Stopwatch.StartNew();
        if (_interactive)
        {
            await AnsiConsole
                .Progress()
                .AutoClear(true)
                .Columns(
                    new SpinnerColumn(),
                    new TaskDescriptionColumn(),
                    new ProgressBarColumn(),
                    new ElapsedTimeColumn()
                )
                .StartAsync(async context =>
                {
                    var bar = context.AddTask(title, maxValue: 1);
                    bar.IsIndeterminate = true;
                    await work(
                        new Told(done =>
                        {
                            bar.IsIndeterminate = false;
                            bar.Value = done;
                        })
                    );
                });
        }
        else
        {
            await PlainlyAsync(title, work);
        }

        _seconds[name] = Math.Round(since.Elapsed.TotalSeconds, 2);
        AnsiConsole.MarkupLineInterpolated($"[green]✓[/] {title} [grey]{since.Elapsed.TotalSeconds:0.0} s[/]");
    }

    private static async Task PlainlyAsync(string title, Func<IProgress<double>, Task> work)
    {
        var done = 0d;
        var over = work(new Told(value => Volatile.Write(ref done, value)));
        while (await Task.WhenAny(over, Task.Delay(TimeSpan.FromSeconds(2))) != over)
        {
            var percent = Volatile.Read(ref done).ToString("P0", CultureInfo.InvariantCulture);
            AnsiConsole.WriteLine($"  {title} {(percent == "0 %" ? "…" : percent)}");
        }

        await over;
    }

    // Progress<T> would post to the thread pool, and tell out of order.
    private sealed class Told(Action<double> tell) : IProgress<double>
    {
        public void Report(double value) => tell(value);
    }
}
