using System.Runtime.InteropServices;
using System.Text.Json;
using Campaigns.Embedded;
using Npgsql;

namespace Campaigns.Demo;

internal static class Program
{
    private const int WrongUse = 2;
    private const int Interrupted = 130;

    private static async Task<int> Main(string[] args)
    {
        DemoOptions options;
        try
        {
            options = DemoOptions.Parse(args);
        }
        catch (UsageException wrong)
        {
            await Console.Error.WriteLineAsync(wrong.Message);
            return WrongUse;
        }

        if (options.ShowHelp)
        {
            Console.WriteLine(DemoOptions.Help);
            return 0;
        }

        var words = new Words();
        Console.WriteLine(
            words.Say(
                "Campaigns: a bank's campaign, from its first customer to its report.",
                "Campaigns：一次银行营销活动，从第一位客户到最终报告。"
            )
        );
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            await RunAsync(options, new Screen(words), stop.Token);
            return 0;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            Console.WriteLine(words.Say("Stopped before the end.", "已中断。"));
            return Interrupted;
        }
        catch (UsageException wrong)
        {
            await Console.Error.WriteLineAsync(wrong.Message);
            return WrongUse;
        }
        catch (Exception e)
            when (e
                    is DemoException
                        or EmbeddedPostgresException
                        or IOException
                        or UnauthorizedAccessException
                        or NpgsqlException
                        or HttpRequestException
            )
        {
            await Console.Error.WriteLineAsync(e.Message.ReplaceLineEndings(" "));
            return 1;
        }

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
    }

    private static async Task RunAsync(DemoOptions options, Screen screen, CancellationToken stopping)
    {
        Screen.Prepare();
        if (options.Json is { } figuresFile)
        {
            // Where it cannot be written is better known now than after the report.
            await using var probe = new FileStream(figuresFile, FileMode.OpenOrCreate, FileAccess.Write);
        }

        var bankFile = options.File is { } path ? BankFile.Open(path, options.Map!) : null;
        await using var stage = new Stage();
        await screen.PhaseAsync(
            "start",
            screen.Words.Say("PostgreSQL, the service, the provider's simulator", "PostgreSQL、服务、渠道模拟器"),
            () => stage.StartAsync(stopping)
        );
        var today = DateOnly.FromDateTime((await stage.Service.Clock.NowAsync(stopping)).UtcDateTime);
        ICustomerSource source = bankFile is null ? new Bank(options.Customers, today) : bankFile;
        var story = new Story(source, stage.Service, stage.Provider, screen, stopping);
        var figures = await story.TellAsync();
        if (options.Json is { } file)
        {
            await File.WriteAllTextAsync(
                file,
                JsonSerializer.Serialize(figures, JsonSerializerOptions.Web) + "\n",
                stopping
            );
        }

        if (!options.Exit)
        {
            stage.Show(screen.Words, story.ReportLink);
            await StayAsync(stopping);
        }
    }

    // Until Ctrl-C, which is how it is meant to end.
    private static async Task StayAsync(CancellationToken stopping)
    {
        try
        {
            await Task.Delay(Timeout.Infinite, stopping);
        }
        catch (OperationCanceledException) { }
    }
}
