using Campaigns.Channels;
using Campaigns.Channels.BankSms;
using Campaigns.Simulator;

namespace Campaigns.Tests.Channels;

public sealed class BankSmsGatewayTests : ProviderConformance
{
    private protected override string Channel => "bank-sms";

    private protected override string PermanentCode => "blacklisted";

    private protected override IGateway Make(GatewaySettings settings)
    {
        settings.BaseUrl = new Uri(settings.BaseUrl!, "/bank-sms");
        return new BankSmsGateway(settings, Http, TimeProvider.System);
    }

    private protected override string Address(int index) => $"+861380013{index:0000}";

    [Fact]
    public async Task A_message_says_who_sends_it_and_how_to_refuse_it()
    {
        var request = Request(1);
        await Gateway().SendAsync(request, default);
        await Gateway().SendAsync(Request(1) with { Purpose = Purpose.Servicing }, default);
        await Gateway().SendAsync(Request(1) with { Content = request.Content with { Sender = "另一银行" } }, default);

        Assert.Equal(
            ["【示例银行】新客专享 拒收请回复R", "【示例银行】新客专享", "【另一银行】新客专享 拒收请回复R"],
            (await Simulator.LedgerAsync()).Select(entry => entry.Content)
        );
    }

    [Theory]
    [InlineData("\"}],\"phone\":\"+8613900000000\"}")]
    [InlineData("</xml><!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>&e;")]
    [InlineData("{{name}}{{other}}")]
    [InlineData("\\u0022\\n'; DROP TABLE customer; --\r\n")]
    public async Task A_value_arrives_as_the_text_it_is(string value)
    {
        var variables = new Dictionary<string, string> { ["name"] = value, ["other"] = "somebody else's" };
        var request = Request(2) with { Content = new MessageContent(null, "{{name}}您好", null, null, null) };
        await Gateway()
            .SendAsync(
                request with
                {
                    Items = [.. request.Items.Select(item => item with { Variables = variables })],
                },
                default
            );

        var ledger = await Simulator.LedgerAsync();
        Assert.Equal(request.Items.Select(item => item.Address), ledger.Select(entry => entry.Address));
        Assert.All(ledger, entry => Assert.Equal($"【示例银行】{value}您好 拒收请回复R", entry.Content));
    }

    [Fact]
    public async Task A_message_is_known_by_its_own_key_in_another_request_too()
    {
        var first = Request(3);
        await Gateway().SendAsync(first, default);
        var more = Request(2) with { Items = [.. first.Items.Take(2), .. Request(2).Items] };
        var answered = Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(more, default));

        Assert.All(answered.Items, item => Assert.Equal(SendState.Accepted, item.State));
        var ledger = await Simulator.LedgerAsync();
        Assert.Equal(5, ledger.Count(entry => entry.Outcome == Outcome.Accepted));
        Assert.Equal(2, ledger.Count(entry => entry.Outcome == Outcome.Duplicate));
    }

    [Fact]
    public async Task Who_lacks_a_value_is_left_out_and_the_others_get_theirs()
    {
        var request = Request(2) with { Content = new MessageContent(null, "{{name}}您好", null, null, null) };
        var named = request.Items[1] with { Variables = new Dictionary<string, string> { ["name"] = "李雷" } };
        var sent = await Gateway().SendAsync(request with { Items = [request.Items[0], named] }, default);

        Assert.Equal(
            [(SendState.Rejected, "template_error"), (SendState.Accepted, null)],
            Assert.IsType<SendResult.Answered>(sent).Items.Select(item => (item.State, item.Code))
        );
        Assert.StartsWith(
            "【示例银行】李雷您好",
            Assert.Single(await Simulator.LedgerAsync()).Content,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task A_secret_in_base64_signs_as_Standard_Webhooks_has_it()
    {
        var gateway = Gateway(settings => settings.Secret = $"whsec_{Convert.ToBase64String("simulator"u8)}");

        Assert.IsType<SendResult.Answered>(await gateway.SendAsync(Request(1), default));
    }

    [Fact]
    public async Task Every_result_counts_for_its_own_message()
    {
        await using var sender = await AnsweringSender.StartAsync(
            200,
            """
            {"id":"b-1","results":[
              {"key":"k-2","status":"rejected","code":"blacklisted"}, {"key":"k-1","status":"accepted"}, 7,
              {"key":"k-3","status":"retry","code":"+8613800000000"}, {"key":"k-5","status":"perhaps"}]}
            """
        );
        var answered = Assert.IsType<SendResult.Answered>(await sender.AskAsync(Http, messages: 5));

        Assert.Equal(
            [
                new ItemResult(SendState.Accepted, null, "b-1"),
                new ItemResult(SendState.Rejected, "blacklisted", null),
                new ItemResult(SendState.Retryable, "unreadable", null),
                new ItemResult(SendState.Unknown, "unanswered", null),
                new ItemResult(SendState.Unknown, "unanswered", null),
            ],
            answered.Items
        );
    }

    [Theory]
    [InlineData(400, 2, typeof(SendResult.Spoiled))]
    [InlineData(422, 2, typeof(SendResult.Spoiled))]
    [InlineData(422, 1, typeof(SendResult.Answered))]
    [InlineData(401, 2, typeof(SendResult.ChannelStopped))]
    [InlineData(403, 2, typeof(SendResult.ChannelStopped))]
    [InlineData(404, 1, typeof(SendResult.ChannelStopped))]
    [InlineData(302, 1, typeof(SendResult.Unanswered))]
    [InlineData(408, 1, typeof(SendResult.Unanswered))]
    [InlineData(500, 1, typeof(SendResult.Unanswered))]
    [InlineData(503, 2, typeof(SendResult.Unanswered))]
    public async Task A_status_is_understood(int status, int messages, Type result)
    {
        await using var sender = await AnsweringSender.StartAsync(status, """{"code":"text-too-long"}""");
        var answer = await sender.AskAsync(Http, messages);

        Assert.IsType(result, answer);
        if (answer is SendResult.Spoiled spoiled)
        {
            Assert.Equal("text-too-long", spoiled.Code);
        }
    }
}
