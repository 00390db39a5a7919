using Campaigns.Channels;
using Campaigns.Channels.JPush;
using Campaigns.Results;
using Campaigns.Simulator;

namespace Campaigns.Tests.Channels;

public sealed class JPushGatewayTests : ProviderConformance
{
    private static readonly DateTimeOffset At = new(2026, 9, 1, 2, 3, 4, TimeSpan.Zero);

    private protected override string Channel => "app";

    private protected override string PermanentCode => "1011";

    private protected override IGateway Make(GatewaySettings settings) =>
        new JPushGateway(settings, Http, TimeProvider.System);

    private protected override string Address(int index) => $"1a0018970af{index:00000000}";

    [Fact]
    public async Task Reserves_keys_ten_a_call_and_keeps_what_is_left()
    {
        var gateway = Gateway();
        var first = await gateway.ReserveKeysAsync(25, default);
        var then = await gateway.ReserveKeysAsync(5, default);

        Assert.Null(first.Refusal);
        Assert.Equal(30, first.Keys.Concat(then.Keys).Distinct().Count());
        Assert.All(first.Keys, key => Assert.Matches("^[A-Za-z0-9_-]{1,64}$", key));
        var answered = Assert.IsType<SendResult.Answered>(await gateway.SendAsync(Request(2, first.Keys[0]), default));
        Assert.Equal(SendState.Accepted, answered.Items[0].State);
    }

    [Fact]
    public async Task Says_why_no_keys_can_be_had()
    {
        var refused = await Gateway(settings => settings.Secret = "another").ReserveKeysAsync(3, default);

        Assert.Empty(refused.Keys);
        Assert.IsType<SendResult.ChannelStopped>(refused.Refusal);
    }

    [Theory]
    [InlineData("1000")]
    [InlineData("1030")]
    public async Task Knows_nothing_when_the_provider_is_at_fault(string code)
    {
        Assert.IsType<SendResult.Unanswered>(await AnswerToAsync(code));
    }

    [Theory]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task Knows_nothing_when_the_provider_fails(int status)
    {
        await Simulator.ScriptAsync(new Rule { Do = Act.ServerError, Status = status });

        Assert.IsType<SendResult.Unanswered>(await Gateway().SendAsync(Request(2), default));
    }

    [Theory]
    [InlineData("1004")]
    [InlineData("1008")]
    [InlineData("1020")]
    public async Task Stops_the_channel_where_somebody_has_to_act(string code)
    {
        Assert.Equal(code, Assert.IsType<SendResult.ChannelStopped>(await AnswerToAsync(code)).Code);
    }

    [Theory]
    [InlineData("1002")]
    [InlineData("1003")]
    [InlineData("1005")]
    [InlineData("1011")]
    public async Task Rejects_what_would_be_refused_again(string code)
    {
        var answered = Assert.IsType<SendResult.Answered>(await AnswerToAsync(code));

        Assert.All(answered.Items, item => Assert.Equal((SendState.Rejected, code), (item.State, item.Code)));
    }

    [Fact]
    public async Task Learns_by_polling_which_items_arrived()
    {
        await Simulator.ScriptAsync(
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
                Receipts = new Dictionary<string, ReceiptScript> { ["app"] = new() { DelaySeconds = 3600 } },
            }
        );
        var gateway = (JPushGateway)Gateway();
        var request = Request(10);
        var sent = Assert.IsType<SendResult.Answered>(await gateway.SendAsync(request, default));
        var addresses = request.Items.Select(item => item.Address).Append("stranger").ToList();
        var id = sent.Items[0].ProviderId!;

        var early = await gateway.PollReceiptsAsync(id, new DateOnly(2026, 9, 1), addresses, At, default);
        Assert.Equal(["stranger"], early.Value.Select(receipt => receipt.Address));

        await Simulator.MoveClockAsync(TimeSpan.FromHours(2));
        var receipts = (await gateway.PollReceiptsAsync(id, new DateOnly(2026, 9, 1), addresses, At, default)).Value;
        Assert.Equal(6, receipts.Count(receipt => receipt.State == ReceiptState.Delivered));
        Assert.Equal(
            [.. addresses.Take(3), "stranger"],
            receipts.Where(receipt => receipt.State == ReceiptState.Failed).Select(receipt => receipt.Address)
        );
        Assert.Equal(receipts.Length, receipts.Select(receipt => receipt.EventId).Distinct().Count());
        Assert.All(receipts, receipt => Assert.Equal((id, At), (receipt.ProviderId, receipt.At)));
        Assert.All(
            receipts,
            receipt => Assert.DoesNotContain(receipt.Address!, $"{receipt}", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task Says_when_receipts_cannot_be_had()
    {
        var gateway = (JPushGateway)Gateway(settings => settings.Secret = "another");
        var polled = await gateway.PollReceiptsAsync("1", new DateOnly(2026, 9, 1), ["a"], At, default);

        Assert.Equal(ErrorKind.Unavailable, polled.Error?.Kind);
    }
}
