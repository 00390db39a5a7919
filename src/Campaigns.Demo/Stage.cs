using System.Security.Cryptography;

namespace Campaigns.Demo;

/// <summary>Everything that runs on this machine for the demo, all on loopback.</summary>
internal sealed class Stage : IAsyncDisposable
{
    // As in life: some messages fail, and of some nothing is heard.
    private static readonly object SomeFail = new { failedShare = 0.02, absentShare = 0.01 };

    private readonly Stack<IAsyncDisposable> _running = [];

    public Service Service { get; private set; } = null!;

    public SimulatorProcess Provider { get; private set; } = null!;

    public async Task StartAsync(CancellationToken stopping)
    {
        var storage = Started(await Storage.OpenAsync(Screen.Line, stopping));
        Service = Started(await Service.StartAsync(storage, stopping));
        var credentials = new Credentials("demo", Secret(), Secret());
        Provider = Started(
            await SimulatorProcess.StartAsync(
                Path.Combine(storage.Folder, "provider-ledger.jsonl"),
                Service.Address,
                credentials,
                stopping
            )
        );
        Service.UseProvider(Provider.Address, credentials);
        await Provider.ScriptAsync(new { receipts = new { sms = SomeFail, app = SomeFail } }, stopping);
    }

    /// <summary>Says where everything is.</summary>
    public void Show(Words words, string reportLink)
    {
        Screen.Line("");
        Screen.Line($"{words.Say("Report", "报告")}: {new Uri(Service.Address, reportLink)}");
        Screen.Line($"Swagger: {new Uri(Service.Address, "/swagger")}");
        if (Service.Engine == "Hangfire")
        {
            Screen.Line($"{words.Say("Jobs", "任务")}: {new Uri(Service.Address, "/jobs")}");
        }

        Screen.Line($"{words.Say("Engine", "任务引擎")}: {Service.Engine}");
        Screen.Line($"{words.Say("Administrator's key", "管理员密钥")}: {Service.AdminKeyFile}");
        Screen.Line($"{words.Say("Log", "日志")}: {Service.LogFile}");
        Screen.Line(words.Say("Ctrl-C ends it.", "按 Ctrl-C 结束。"));
    }

    public async ValueTask DisposeAsync()
    {
        while (_running.TryPop(out var one))
        {
            await one.DisposeAsync();
        }
    }

    private T Started<T>(T one)
        where T : IAsyncDisposable
    {
        _running.Push(one);
        return one;
    }

    private static string Secret() => RandomNumberGenerator.GetHexString(32, lowercase: true);
}
