using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Channels.BankSms;
using Campaigns.Simulator;
using Campaigns.Tests.Channels;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Support;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Receipts;

/// <summary>The bank's own SMS sender, over HTTP in both directions.</summary>
public sealed class BankSmsWireTests : IAsyncLifetime
{
    private readonly int _port = FreePort.Next();
    private GivenRun _given = null!;
    private RunningSimulator _simulator = null!;

    public async Task InitializeAsync()
    {
        _given = await GivenRun.CreateAsync(customers: 20);
        _simulator = await RunningSimulator.StartAsync(callbacks: new Uri($"http://127.0.0.1:{_port}"));
    }

    public async Task DisposeAsync()
    {
        await _simulator.DisposeAsync();
        await _given.DisposeAsync();
    }

    [Fact]
    public async Task A_run_goes_out_and_its_receipts_and_replies_come_back()
    {
        await ReceiptsAsync(
            new ReceiptScript
            {
                DelaySeconds = 0,
                FailedAddresses = [GivenRun.Address(7, Campaigns.Channels.Channel.Sms)],
                Repeat = 2,
                Shuffle = true,
                Unknown = 1,
                Batch = 7,
                RetrySeconds = [1, 1, 1, 1, 1, 1],
            }
        );
        var run = await _given.RunAsync(new RunSpec { Text = "你好{{name}}" });
        await using var host = await HostAsync();

        await EndsAsync(run, "delivered 19, failed 1");
        Assert.Equal("accepted 20, attempted 20, delivered 19", await ReceiptTests.CountersAsync(_given, run));
        Assert.Contains(
            "【示例银行】你好name 3 拒收请回复R",
            (await _simulator.LedgerAsync()).Select(entry => entry.Content)
        );

        using var replied = await _simulator.PostAsync(
            "/simulator/replies",
            new ReplySetting(GivenRun.Address(3, Campaigns.Channels.Channel.Sms), "退订", "bank-sms")
        );
        Assert.Equal(HttpStatusCode.NoContent, replied.StatusCode);
        var refused = await _given.AskAsync<string>(
            "SELECT string_agg(customer_key::text, ' ') FROM contact WHERE opted_out = 1"
        );
        Assert.Equal("3", refused);
    }

    [Fact]
    public async Task A_sender_whose_answer_was_lost_is_asked_again_and_nobody_has_a_message_twice()
    {
        await _simulator.ScriptAsync(
            new Script
            {
                Rules =
                [
                    new Rule { Do = Act.AcceptThenDrop, Times = 1 },
                    new Rule
                    {
                        Do = Act.Throttle,
                        RetryAfter = "1",
                        Times = 1,
                    },
                ],
                Receipts = Receipts(new ReceiptScript { DelaySeconds = 0, RetrySeconds = [1, 1, 1, 1, 1, 1] }),
            }
        );
        var run = await _given.RunAsync(new RunSpec { Text = "hello" });
        await using var host = await HostAsync();

        await EndsAsync(run, "delivered 20");
        var accepted = (await _simulator.LedgerAsync()).Where(entry => entry.Outcome == Outcome.Accepted).ToList();
        Assert.Equal(20, accepted.Count);
        Assert.Equal(20, accepted.Select(entry => entry.Address).Distinct().Count());
    }

    [Fact]
    public async Task Wrong_credentials_stop_the_channel_which_says_so_and_the_touches_wait()
    {
        await ReceiptsAsync(new ReceiptScript { DelaySeconds = 0, RetrySeconds = [1, 1, 1, 1] });
        var run = await _given.RunAsync(new RunSpec { Text = "hello" });
        await using var host = await HostAsync(("Channels:sms:Secret", "very-wrong"));
        var staff = host.As(Role.Operator);

        var stopped = await Eventually.BeAsync(
            async () => JsonNode.Parse(await staff.GetStringAsync("/v1/channels"))!["items"]![0]!,
            channel =>
                channel["gateways"]![0]!["stopped"]!.GetValue<bool>() && channel["waiting"]!.GetValue<long>() == 20,
            "the channel is stopped and all touches wait"
        );
        Assert.Contains(
            "does not accept our signature",
            stopped["gateways"]![0]!["reason"]!.ToString(),
            StringComparison.Ordinal
        );
        Assert.DoesNotContain("very-wrong", stopped.ToJsonString(), StringComparison.Ordinal);
        Assert.Empty(await _simulator.LedgerAsync());

        var configuration = (IConfigurationRoot)host.Services.GetRequiredService<IConfiguration>();
        configuration["Channels:sms:Secret"] = "simulator";
        configuration.Reload();
        using var started = await staff.PostAsync("/v1/channels/sms/start", content: null);
        Assert.Equal(HttpStatusCode.NoContent, started.StatusCode);
        await EndsAsync(run, "delivered 20");
    }

    [Fact]
    public async Task A_callback_is_taken_once_and_only_with_its_own_proof()
    {
        await ReceiptsAsync(new ReceiptScript { Hold = true });
        var run = await _given.RunAsync(new RunSpec { Text = "hello" });
        await using var host = await HostAsync();
        await EndsAsync(run, "accepted 20");
        var sent = (await _simulator.LedgerAsync())[0];
        var body =
            $$"""{"receipts":[{"batch":"{{sent.RequestKey}}","key":"{{sent.ItemKey}}","status":"delivered","at":"2026-09-01T09:30:05+08:00"}]}""";
        var now = DateTimeOffset.UtcNow;

        Assert.Equal(401, await PostAsync(host, body, "simulator", now, signed: body + " "));
        Assert.Equal(401, await PostAsync(host, body, "simulator", now.AddMinutes(-6)));
        Assert.Equal(401, await PostAsync(host, body, "another-gateways", now));
        Assert.Equal(401, await PostAsync(host, JsonNode.Parse(body)!.ToString(), "simulator", now, signed: body));
        Assert.Equal(401, await PostAsync(host, body, "simulator", now, path: "replies", signed: "{}"));
        Assert.Equal(400, await PostAsync(host, "[]", "simulator", now));
        Assert.Equal(400, await PostAsync(host, "{", "simulator", now));
        Assert.Equal(413, await PostAsync(host, new string(' ', (2 << 20) + 1), "simulator", now));
        Assert.Equal("accepted 20", await _given.StatesAsync(run));

        Assert.Equal(200, await PostAsync(host, body, "simulator", now));
        Assert.Equal(200, await PostAsync(host, body, "simulator", now));
        Assert.Equal("accepted 19, delivered 1", await _given.StatesAsync(run));
        Assert.Contains("delivered 1", await ReceiptTests.CountersAsync(_given, run), StringComparison.Ordinal);
        Assert.Equal(401, await PostAsync(host, "[]", "simulator", now, path: "../aliyun-sms/simulator/reports"));
    }

    private static async Task<int> PostAsync(
        ApiHost host,
        string body,
        string secret,
        DateTimeOffset at,
        string path = "receipts",
        string? signed = null
    )
    {
        var timestamp = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var signature = WebhookSignature.Of(secret, "msg_1", timestamp, Encoding.UTF8.GetBytes(signed ?? body));
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/callbacks/bank-sms/{path}")
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        request.Headers.Add(WebhookSignature.IdHeader, "msg_1");
        request.Headers.Add(WebhookSignature.TimestampHeader, timestamp);
        request.Headers.TryAddWithoutValidation(WebhookSignature.SignatureHeader, signature);
        using var answer = await host.Anonymous.SendAsync(request);
        return (int)answer.StatusCode;
    }

    private Task ReceiptsAsync(ReceiptScript receipts) =>
        _simulator.ScriptAsync(new Script { Receipts = Receipts(receipts) });

    private static Dictionary<string, ReceiptScript> Receipts(ReceiptScript receipts) =>
        new() { ["bank-sms"] = receipts };

    private Task<string> EndsAsync(int run, string states) =>
        Eventually.BeAsync(
            () => _given.StatesAsync(run),
            now => now == states,
            $"it ends {states}",
            TimeSpan.FromMinutes(2)
        );

    private Task<ApiHost> HostAsync(params (string Name, string Value)[] changes)
    {
        var settings = new Dictionary<string, string?>
        {
            ["urls"] = $"http://127.0.0.1:{_port}",
            ["Dispatch:SweepEvery"] = "00:00:00.500",
            ["Channels:sms:Gateway"] = "bank-sms",
            ["Channels:sms:BaseUrl"] = new Uri(_simulator.Url, "/bank-sms").ToString(),
            ["Channels:sms:KeyId"] = "simulator",
            ["Channels:sms:Secret"] = "simulator",
            ["Channels:sms:CallbackSecret"] = "simulator",
            ["Channels:sms:SignName"] = "示例银行",
        };
        foreach (var (name, value) in changes)
        {
            settings[name] = value;
        }

        return ApiHost.StartAsync(_given.Database, "all", settings);
    }
}
