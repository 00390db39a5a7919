using Campaigns.Channels;
using Campaigns.Channels.Aliyun;
using Campaigns.Simulator;

namespace Campaigns.Tests.Channels;

public sealed class AliyunSmsGatewayTests : ProviderConformance
{
    private protected override string Channel => "sms";

    private protected override string PermanentCode => "isv.SMS_TEMPLATE_ILLEGAL";

    private protected override string? ProviderTemplate => "SMS_1001";

    private protected override IGateway Make(GatewaySettings settings) =>
        new AliyunSmsGateway(settings, Http, TimeProvider.System);

    private protected override string Address(int index) => $"+861380000{index:0000}";

    private protected override string OnTheWire(string address) => address[3..];

    private protected override SendRequest Unfillable(SendRequest request) =>
        request with
        {
            Content = request.Content with { ProviderTemplate = null },
        };

    /// <summary>The vendor's own sample: DescribeRegions, testid, testsecret.</summary>
    [Fact]
    public void Signs_as_the_vendors_sample()
    {
        var parameters = new Dictionary<string, string>
        {
            ["Timestamp"] = "2016-02-23T12:46:24Z",
            ["Format"] = "XML",
            ["AccessKeyId"] = "testid",
            ["Action"] = "DescribeRegions",
            ["SignatureMethod"] = "HMAC-SHA1",
            ["SignatureNonce"] = "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
            ["Version"] = "2014-05-26",
            ["SignatureVersion"] = "1.0",
        };

        Assert.Equal("OLeaidS1JvxuMvnyHOwuJ+uX5qY=", AliyunSignature.Of("GET", parameters, "testsecret"));
    }

    [Fact]
    public async Task Signs_what_has_to_be_escaped()
    {
        var variables = new Dictionary<string, string> { ["name"] = "张三 +*~/&=%\"'", ["amount"] = "1,000.00" };
        var request = Request(2);
        request = request with
        {
            Items = [.. request.Items.Select(item => item with { Variables = variables })],
            Content = request.Content with { Sender = "另一家" },
        };
        var answered = Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(request, default));

        Assert.All(answered.Items, item => Assert.Equal(SendState.Accepted, item.State));
        var entry = (await Simulator.LedgerAsync())[0];
        Assert.Equal("""【另一家】SMS_1001{"name":"张三 +*~/&=%\"'","amount":"1,000.00"}""", entry.Content);
    }

    [Fact]
    public async Task Leaves_out_what_is_no_number_and_sends_to_the_others()
    {
        var request = Request(3);
        var wrong = request.Items[1] with { Address = "+86abc" };
        request = request with { Items = [request.Items[0], wrong, request.Items[2]] };
        var answered = Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(request, default));

        Assert.Equal(
            [SendState.Accepted, SendState.Rejected, SendState.Accepted],
            answered.Items.Select(item => item.State)
        );
        Assert.Equal("isv.MOBILE_NUMBER_ILLEGAL", answered.Items[1].Code);
        Assert.Equal(2, (await Simulator.LedgerAsync()).Count);
    }

    [Theory]
    [InlineData("isp.SYSTEM_ERROR")]
    [InlineData("isv.BUSINESS_LIMIT_CONTROL")]
    public async Task Retries_what_the_provider_refuses_for_now(string code)
    {
        var answered = Assert.IsType<SendResult.Answered>(await AnswerToAsync(code));

        Assert.All(answered.Items, item => Assert.Equal((SendState.Retryable, code), (item.State, item.Code)));
    }

    [Theory]
    [InlineData(500, SendState.Retryable)]
    [InlineData(503, SendState.Retryable)]
    public async Task Retries_what_the_provider_failed_to_take(int status, SendState state)
    {
        await Simulator.ScriptAsync(new Rule { Do = Act.ServerError, Status = status });
        var answered = Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(Request(2), default));

        Assert.All(answered.Items, item => Assert.Equal(state, item.State));
    }

    [Theory]
    [InlineData(502)]
    [InlineData(504)]
    public async Task Knows_nothing_when_something_in_front_of_the_provider_fails(int status)
    {
        await Simulator.ScriptAsync(
            new Rule
            {
                Do = Act.ServerError,
                Status = status,
                Accepted = true,
            }
        );

        Assert.IsType<SendResult.Unanswered>(await Gateway().SendAsync(Request(2), default));
    }

    [Theory]
    [InlineData("isv.OUT_OF_SERVICE")]
    [InlineData("isv.AMOUNT_NOT_ENOUGH")]
    [InlineData("isv.DAY_LIMIT_CONTROL")]
    [InlineData("isv.MONTH_LIMIT_CONTROL")]
    [InlineData("isp.RAM_PERMISSION_DENY")]
    public async Task Stops_the_channel_where_somebody_has_to_act(string code)
    {
        Assert.Equal(code, Assert.IsType<SendResult.ChannelStopped>(await AnswerToAsync(code)).Code);
    }

    [Theory]
    [InlineData("isv.SMS_TEMPLATE_ILLEGAL")]
    [InlineData("isv.SMS_SIGNATURE_ILLEGAL")]
    [InlineData("isv.MOBILE_COUNT_OVER_LIMIT")]
    [InlineData("isv.SOMETHING_NEW")]
    public async Task Rejects_what_would_be_refused_again(string code)
    {
        var answered = Assert.IsType<SendResult.Answered>(await AnswerToAsync(code));

        Assert.All(answered.Items, item => Assert.Equal((SendState.Rejected, code), (item.State, item.Code)));
    }

    [Theory]
    [InlineData("isv.MOBILE_NUMBER_ILLEGAL")]
    [InlineData("isv.BLACK_KEY_CONTROL_LIMIT")]
    [InlineData("isv.TEMPLATE_MISSING_PARAMETERS")]
    [InlineData("isv.INVALID_JSON_PARAM")]
    [InlineData("isv.PARAM_LENGTH_LIMIT")]
    [InlineData("isv.SMS_CONTENT_ILLEGAL")]
    public async Task Does_not_let_many_suffer_for_one(string code)
    {
        Assert.Equal(code, Assert.IsType<SendResult.Spoiled>(await AnswerToAsync(code, items: 3)).Code);
        var alone = Assert.IsType<SendResult.Answered>(await AnswerToAsync(code, items: 1));
        Assert.Equal((SendState.Rejected, code), (alone.Items[0].State, alone.Items[0].Code));
    }

    [Fact]
    public async Task Stops_the_channel_when_its_clock_is_far_off()
    {
        var late = new AliyunSmsGateway(
            new GatewaySettings
            {
                BaseUrl = Simulator.Url,
                KeyId = "simulator",
                Secret = "simulator",
                SignName = "示例银行",
            },
            Http,
            new ShiftedTime(TimeSpan.FromHours(-2))
        );
        var stopped = Assert.IsType<SendResult.ChannelStopped>(await late.SendAsync(Request(2), default));

        Assert.Equal("InvalidTimeStamp.Expired", stopped.Code);
    }

    private sealed class ShiftedTime(TimeSpan shift) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + shift;
    }
}
