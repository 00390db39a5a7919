using Campaigns.Channels;
using Campaigns.Tests.Channels;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Receipts;

/// <summary>A worker with its job engine, the three gateways and the simulator, over HTTP in both directions.</summary>
public sealed class WholeWireTests
{
    // A loaded machine may be slower to answer its first callback than the provider's five seconds.
    private static readonly double[] Soon = [1, 1, 1, 1, 1, 1, 1, 1];

    [Fact]
    public async Task A_planned_run_is_woken_sent_through_three_providers_and_its_receipts_come_back()
    {
        await using var given = await GivenRun.CreateAsync(customers: 70);
        var sms = await given.RunAsync(
            new RunSpec
            {
                Customers = Enumerable.Range(1, 20),
                Text = "你好{{name}}",
                ProviderTemplate = "SMS_1",
            }
        );
        var weChat = await given.RunAsync(
            new RunSpec
            {
                Customers = Enumerable.Range(21, 20),
                Channels = [Channel.WeChat],
                Text = "hello",
            }
        );
        var app = await given.RunAsync(
            new RunSpec
            {
                Customers = Enumerable.Range(41, 20),
                Channels = [Channel.App],
                Text = "hello",
            }
        );
        var reminders = await given.RunAsync(
            new RunSpec
            {
                Customers = Enumerable.Range(61, 10),
                Channels = [Channel.WeChat],
                Purpose = Purpose.Servicing,
                Text = "thing1: {{name}}的信用卡\ntime2: 2026年9月1日 15:01",
                ProviderTemplate = "TPL_1",
            }
        );
        var port = FreePort.Next();
        await using var simulator = await RunningSimulator.StartAsync(callbacks: new Uri($"http://127.0.0.1:{port}"));
        await simulator.ScriptAsync(
            new Campaigns.Simulator.Script
            {
                Receipts = new Dictionary<string, Campaigns.Simulator.ReceiptScript>
                {
                    ["sms"] = new()
                    {
                        DelaySeconds = 0,
                        FailedAddresses = [GivenRun.Address(7, Channel.Sms)[3..]],
                        RetrySeconds = Soon,
                    },
                    ["wechat"] = new() { DelaySeconds = 0, RetrySeconds = Soon },
                    ["wechat-template"] = new()
                    {
                        DelaySeconds = 0,
                        FailedAddresses = [GivenRun.Address(67, Channel.WeChat)],
                        RetrySeconds = Soon,
                    },
                    ["app"] = new() { DelaySeconds = 0 },
                },
            }
        );

        await using var host = await ApiHost.StartAsync(given.Database, "all", Settings(simulator.Url, port));

        await EndsAsync(given, sms, "delivered 19, failed 1");
        await EndsAsync(given, weChat, "accepted 20");
        await EndsAsync(given, app, "delivered 20");
        await EndsAsync(given, reminders, "delivered 9, failed 1");
        await Eventually.BeAsync(
            () => given.AskAsync<int>("SELECT coalesce(sum(sent), 0)::int FROM request_receipt"),
            sent => sent == 20,
            "the mass send's counts have come"
        );
        var ledger = await simulator.LedgerAsync();
        Assert.Equal(4, await given.AskAsync<int>("SELECT count(*)::int FROM run WHERE state = 'closed'"));
        Assert.Equal("accepted 20, attempted 20, delivered 19", await ReceiptTests.CountersAsync(given, sms));
        Assert.NotEmpty(ledger);
    }

    private static Task<string> EndsAsync(GivenRun given, int run, string states) =>
        Eventually.BeAsync(
            () => given.StatesAsync(run),
            now => now == states,
            $"it ends {states}",
            TimeSpan.FromMinutes(2)
        );

    private static Dictionary<string, string?> Settings(Uri provider, int port)
    {
        var settings = new Dictionary<string, string?>
        {
            ["urls"] = $"http://127.0.0.1:{port}",
            ["Dispatch:SweepEvery"] = "00:00:00.500",
            ["Addresses:Keys:1"] = Convert.ToBase64String(new byte[32]),
            ["Addresses:LookupKey"] = Convert.ToBase64String(new byte[32]),
        };
        foreach (var (channel, gateway) in new[] { ("sms", "aliyun-sms"), ("wechat", "wechat-mass"), ("app", "jpush") })
        {
            settings[$"Channels:{channel}:Gateway"] = gateway;
            settings[$"Channels:{channel}:BaseUrl"] = provider.ToString();
            settings[$"Channels:{channel}:KeyId"] = "simulator";
            settings[$"Channels:{channel}:Secret"] = "simulator";
            settings[$"Channels:{channel}:CallbackSecret"] = "simulator";
            settings[$"Channels:{channel}:SignName"] = "某银行";
        }

        settings["Channels:wechat:Account"] = "gh_simulator";
        settings["Channels:wechat:ServicingGateway"] = "wechat-template";
        return settings;
    }
}
