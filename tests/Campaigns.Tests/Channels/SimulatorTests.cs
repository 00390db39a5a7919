using System.Net.Http.Json;
using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Channels.Aliyun;
using Campaigns.Channels.JPush;
using Campaigns.Channels.WeChat;
using Campaigns.Simulator;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Channels;

public sealed class SimulatorTests : IAsyncLifetime, IDisposable
{
    private CallbackReceiver _receiver = null!;
    private readonly TemporaryDirectory _folder = new();
    private RunningSimulator _simulator = null!;

    private static ProviderHttp Http { get; } = new(TimeProvider.System);

    public async Task InitializeAsync()
    {
        _receiver = await CallbackReceiver.StartAsync();
        _simulator = await RunningSimulator.StartAsync(_folder.Below("ledger.jsonl"), _receiver.Url);
    }

    public async Task DisposeAsync()
    {
        await _simulator.DisposeAsync();
        await _receiver.DisposeAsync();
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Reports_what_became_of_each_sms()
    {
        await _simulator.ScriptAsync(
            new Script
            {
                Rules =
                [
                    new Rule
                    {
                        Do = Act.Partial,
                        Failed = 3,
                        Absent = 1,
                    },
                ],
                Receipts = Sms(new ReceiptScript { DelaySeconds = 0 }),
            }
        );
        var request = Request(100);
        var answered = Assert.IsType<SendResult.Answered>(await Aliyun().SendAsync(request, default));
        var receipts = await ReceiptsAsync(99);

        Assert.Equal(
            request.Items.Take(3).Select(item => item.Address),
            receipts.Where(receipt => receipt.State == ReceiptState.Failed).Select(receipt => receipt.Address)
        );
        Assert.DoesNotContain(receipts, receipt => receipt.Address == request.Items[3].Address);
        Assert.All(
            receipts,
            receipt =>
                Assert.Equal((request.Key, answered.Items[0].ProviderId), (receipt.RequestKey, receipt.ProviderId))
        );
    }

    [Fact]
    public async Task Repeats_and_shuffles_receipts_as_scripted()
    {
        await _simulator.ScriptAsync(
            new Script
            {
                Receipts = Sms(
                    new ReceiptScript
                    {
                        Repeat = 3,
                        Shuffle = true,
                        Hold = true,
                    }
                ),
            }
        );
        await Aliyun().SendAsync(Request(50), default);
        Assert.Empty(_receiver.Received);
        await _simulator.FlushAsync();
        var receipts = await ReceiptsAsync(150);

        Assert.Equal(50, receipts.Select(receipt => receipt.EventId).Distinct().Count());
        Assert.NotEqual(
            receipts.Take(50).Select(receipt => receipt.Address).Order(),
            receipts.Take(50).Select(receipt => receipt.Address)
        );
    }

    [Fact]
    public async Task Reports_messages_that_were_never_sent_when_scripted()
    {
        await _simulator.ScriptAsync(
            new Script { Receipts = Sms(new ReceiptScript { DelaySeconds = 0, Unknown = 2 }) }
        );
        var request = Request(3);
        await Aliyun().SendAsync(request, default);

        Assert.Equal(2, (await ReceiptsAsync(5)).Count(receipt => receipt.RequestKey != request.Key));
    }

    [Fact]
    public async Task Receipts_come_when_business_time_has_passed()
    {
        await _simulator.ScriptAsync(new Script { Receipts = Sms(new ReceiptScript { DelaySeconds = 86_400 }) });
        await Aliyun().SendAsync(Request(2), default);
        await _simulator.MoveClockAsync(TimeSpan.FromHours(23));
        Assert.Equal(2, (await _simulator.CountsAsync()).Receipts.Pending);

        await _simulator.MoveClockAsync(TimeSpan.FromHours(25));
        var receipts = await ReceiptsAsync(2);
        Assert.InRange(receipts[0].At - DateTimeOffset.UtcNow, TimeSpan.FromHours(23.9), TimeSpan.FromHours(24));
    }

    [Fact]
    public async Task A_receipt_can_come_before_the_answer()
    {
        await _simulator.ScriptAsync(new Script { Receipts = Sms(new ReceiptScript { BeforeAnswer = true }) });
        await Aliyun().SendAsync(Request(2), default);
        Assert.Single(_receiver.Received);

        await _simulator.FlushAsync();
        Assert.Single(_receiver.Received);
    }

    [Fact]
    public async Task A_receipt_before_the_answer_that_is_not_taken_is_tried_again()
    {
        _receiver.Status = 500;
        await _simulator.ScriptAsync(
            new Script { Receipts = Sms(new ReceiptScript { BeforeAnswer = true, RetrySeconds = [3600] }) }
        );
        await Aliyun().SendAsync(Request(2), default);
        _receiver.Status = 200;

        Assert.Equal((1, 0, 0), await FlushedAsync());
        Assert.Equal(2, _receiver.Received.Count);
    }

    [Fact]
    public async Task A_post_that_is_not_taken_is_tried_again()
    {
        _receiver.Status = 500;
        await _simulator.ScriptAsync(
            new Script { Receipts = Sms(new ReceiptScript { DelaySeconds = 0, RetrySeconds = [0.1, 0.1, 3600] }) }
        );
        await Aliyun().SendAsync(Request(2), default);
        await Eventually.BeTrueAsync(() => _receiver.Received.Count == 3, "it was posted three times");
        _receiver.Status = 200;

        Assert.Equal((1, 0, 0), await FlushedAsync());
        Assert.Equal(4, _receiver.Received.Count);
    }

    [Fact]
    public async Task A_post_is_given_up_in_the_end()
    {
        _receiver.Status = 500;
        await _simulator.ScriptAsync(
            new Script { Receipts = Sms(new ReceiptScript { DelaySeconds = 0, RetrySeconds = [0.05] }) }
        );
        await Aliyun().SendAsync(Request(2), default);

        await Eventually.BeTrueAsync(
            async () => (await _simulator.CountsAsync()).Receipts.GivenUp == 1,
            "it was given up"
        );
        Assert.Equal(2, _receiver.Received.Count);
    }

    [Fact]
    public async Task A_mass_send_ends_in_a_signed_event_with_counts()
    {
        await using var database = await Databases.CreateAsync();
        await _simulator.ScriptAsync(
            new Script { WeChatMonthlyFour = true, Rules = [new Rule { Do = Act.Partial, Failed = 1 }] }
        );
        var gateway = new WeChatMassGateway(Settings(), Http, database.DataSource, TimeProvider.System);
        for (var time = 0; time < 5; time++)
        {
            var items = Items(time == 4 ? 2_500 : 2, index => $"openid-{index:0000}");
            await gateway.SendAsync(Request(2) with { Key = $"mass-{time}", Items = items }, default);
        }

        await _simulator.FlushAsync();
        var events = _receiver.Received.Select(Event).ToList();
        Assert.Equal(
            [(2, 2, 1, 1), (2, 2, 1, 1), (2, 2, 1, 1), (2, 2, 1, 1), (2_500, 2_498, 2_498, 0)],
            events.Select(finished => (finished.Total, finished.Filtered, finished.Sent, finished.Failed))
        );
    }

    [Fact]
    public async Task A_customers_reply_is_posted()
    {
        using var answer = await _simulator.PostAsync("/simulator/replies", new ReplySetting("13812345678", "退订"));
        Assert.True(answer.IsSuccessStatusCode);
        var post = Assert.Single(_receiver.Received);

        Assert.Equal("/v1/callbacks/aliyun-sms/simulator/replies", post.Path);
        Assert.True(Assert.Single(AliyunCallbacks.ParseReplies(post.Body, "simulator").Value.Items).Refusal);
    }

    [Fact]
    public async Task Keeps_its_ledger_and_its_keys_over_a_restart()
    {
        var request = Request(3) with { Items = Items(3, index => $"push-{index}") };
        var first = (SendResult.Answered)await Push().SendAsync(request, default);
        await Aliyun().SendAsync(Request(2), default);
        await _simulator.DisposeAsync();
        await File.AppendAllTextAsync(_simulator.LedgerPath, """{"n":6,"at":"2026-""");
        _simulator = await RunningSimulator.StartAsync(_simulator.LedgerPath);

        var again = (SendResult.Answered)await Push().SendAsync(request, default);
        Assert.Equal(first.Items, again.Items);
        var ledger = await _simulator.LedgerAsync();
        Assert.Equal(Enumerable.Range(1, 8).Select(number => (long)number), ledger.Select(entry => entry.N));
        Assert.Equal(3, ledger.Count(entry => entry.Outcome == Outcome.Duplicate));
        var counts = (await _simulator.CountsAsync()).Ledger;
        Assert.Contains(new LedgerCount("app", Outcome.Accepted, 1, 3), counts);
        Assert.Contains(new LedgerCount("sms", Outcome.Accepted, 1, 2), counts);
    }

    [Fact]
    public async Task Shows_that_a_caller_repeated_a_key_with_other_members()
    {
        var request = Request(2) with { Items = Items(2, index => $"push-{index}") };
        await Push().SendAsync(request, default);
        await Push().SendAsync(request with { Items = Items(2, index => $"other-{index}") }, default);

        Assert.Equal(
            2,
            (await _simulator.LedgerAsync(after: 2)).Count(entry => entry.Outcome == Outcome.DuplicateOfOthers)
        );
    }

    [Fact]
    public async Task Reads_its_ledger_from_any_line_on()
    {
        for (var time = 0; time < 12; time++)
        {
            await Aliyun().SendAsync(Request(100), default);
        }

        foreach (var after in new[] { 0, 1, 511, 512, 513, 1_023, 1_199, 1_200, 5_000 })
        {
            var read = await _simulator.LedgerAsync(after, limit: 3);
            Assert.Equal(
                Enumerable.Range(after + 1, 3).Where(number => number <= 1_200).Select(number => (long)number),
                read.Select(entry => entry.N)
            );
        }
    }

    [Fact]
    public async Task Only_its_owner_can_read_the_ledger()
    {
        await Aliyun().SendAsync(Request(2), default);

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_simulator.LedgerPath));
    }

    [Fact]
    public async Task Misbehaves_for_the_same_share_of_requests_each_time()
    {
        await _simulator.ScriptAsync(
            new Rule
            {
                Do = Act.Reject,
                Code = "isv.SMS_TEMPLATE_ILLEGAL",
                Share = 0.3,
            }
        );
        var requests = Enumerable
            .Range(0, 100)
            .Select(number => Request(1) with { Key = $"request-{number}" })
            .ToList();
        var once = await StatesAsync(requests);

        Assert.Equal(once, await StatesAsync(requests));
        Assert.InRange(once.Count(state => state == SendState.Rejected), 15, 45);
    }

    [Fact]
    public async Task Misbehaves_for_one_address_or_for_some_requests_alone()
    {
        var request = Request(2);
        await _simulator.ScriptAsync(
            new Rule
            {
                Do = Act.Reject,
                Code = "isv.A",
                Channel = "sms",
                Addresses = [request.Items[1].Address[3..]],
            },
            new Rule
            {
                Do = Act.Reject,
                Code = "isv.B",
                From = 2,
                To = 2,
            },
            new Rule { Do = Act.Drop, Channel = "app" }
        );

        Assert.Equal(["isv.A", "isv.B", null], await CodesAsync(request, Request(1), Request(1)));
    }

    [Fact]
    public async Task Refuses_a_script_it_does_not_understand()
    {
        using var client = new HttpClient { BaseAddress = _simulator.Url };
        using var answer = await client.PutAsJsonAsync(
            "/simulator/script",
            new { rules = new[] { new { doo = "hang" } } }
        );

        Assert.Equal(400, (int)answer.StatusCode);
    }

    private static Dictionary<string, ReceiptScript> Sms(ReceiptScript receipts) => new() { ["sms"] = receipts };

    private static MassSendFinished Event(ReceivedCallback post)
    {
        var query = post.Query;
        Assert.Equal("/v1/callbacks/wechat", post.Path);
        Assert.True(
            WeChatCallbacks.Verify("simulator", $"{query["timestamp"]}", $"{query["nonce"]}", $"{query["signature"]}")
        );
        return WeChatCallbacks.Parse(post.Body).Value.MassSend!;
    }

    private async Task<List<ProviderReceipt>> ReceiptsAsync(int count)
    {
        List<ProviderReceipt> All() =>
            [
                .. _receiver.Received.SelectMany(post =>
                    AliyunCallbacks.ParseReports(post.Body, "simulator").Value.Items
                ),
            ];
        await Eventually.BeTrueAsync(() => All().Count >= count, $"{count} receipts came");
        Assert.All(_receiver.Received, post => Assert.Equal("/v1/callbacks/aliyun-sms/simulator/reports", post.Path));
        Assert.Equal(count, All().Count);
        return All();
    }

    private async Task<(long, long, int)> FlushedAsync()
    {
        var counts = await _simulator.FlushAsync();
        return (counts.Posted, counts.GivenUp, counts.Retrying);
    }

    private async Task<List<SendState>> StatesAsync(IEnumerable<SendRequest> requests)
    {
        var states = new List<SendState>();
        foreach (var request in requests)
        {
            states.Add(((SendResult.Answered)await Aliyun().SendAsync(request, default)).Items[0].State);
        }

        return states;
    }

    private async Task<List<string?>> CodesAsync(params SendRequest[] requests)
    {
        var codes = new List<string?>();
        foreach (var request in requests)
        {
            codes.Add(((SendResult.Answered)await Aliyun().SendAsync(request, default)).Items[0].Code);
        }

        return codes;
    }

    private AliyunSmsGateway Aliyun() => new(Settings(), Http, TimeProvider.System);

    private JPushGateway Push() => new(Settings(), Http, TimeProvider.System);

    private GatewaySettings Settings() =>
        new()
        {
            BaseUrl = _simulator.Url,
            KeyId = "simulator",
            Secret = "simulator",
            SignName = "示例银行",
        };

    private static SendItem[] Items(int count, Func<int, string> address) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(index => new SendItem($"t{index}", address(index), new Dictionary<string, string>())),
        ];

    private static SendRequest Request(int items) =>
        new(
            Guid.NewGuid().ToString("N"),
            Purpose.Marketing,
            new MessageContent(null, "新客专享", "SMS_1001", null, null),
            Items(items, index => $"+861380000{index:0000}")
        );
}
