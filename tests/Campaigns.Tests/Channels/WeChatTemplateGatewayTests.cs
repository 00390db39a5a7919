using Campaigns.Channels;
using Campaigns.Channels.WeChat;
using Campaigns.Simulator;
using Npgsql;

namespace Campaigns.Tests.Channels;

public sealed class WeChatTemplateGatewayTests(WeChatConformance.OneDatabase database) : WeChatConformance(database)
{
    private protected override string Channel => "wechat-template";

    private protected override string PermanentCode => "43019";

    private protected override string? ProviderTemplate => "tpl-1";

    private protected override string Text => "thing1: 还款提醒";

    private protected override IGateway Make(GatewaySettings settings, NpgsqlDataSource dataSource) =>
        new WeChatTemplateGateway(settings, Http, dataSource, TimeProvider.System);

    [Fact]
    public async Task Shares_its_token_with_the_mass_gateway()
    {
        var settings = new GatewaySettings();
        Configured(settings);
        var mass = new WeChatMassGateway(settings, Http, Database.DataSource, TimeProvider.System);
        var template = Gateway();
        SendItem[] two = [Request(1).Items[0], Request(1).Items[0] with { Address = "oWx7Kt_another" }];
        var marketing = Request(1) with { Purpose = Purpose.Marketing, Items = two };
        marketing = marketing with { Content = new MessageContent(null, "hello", null, null, null) };

        SendResult[] results = await Task.WhenAll(
            mass.SendAsync(marketing, default),
            template.SendAsync(Request(1), default)
        );

        Assert.All(results, result => Assert.IsType<SendResult.Answered>(result));
        Assert.Equal(1, (await Simulator.CountsAsync()).WeChatTokensFetched);
        using var forgotten = await Simulator.PostAsync("/simulator/wechat/forget-tokens");
        Assert.IsType<SendResult.Answered>(await template.SendAsync(Request(1), default));
        Assert.IsType<SendResult.Answered>(await mass.SendAsync(marketing with { Key = "again" }, default));
        Assert.Equal(2, (await Simulator.CountsAsync()).WeChatTokensFetched);
    }

    [Theory]
    [InlineData("40001")]
    [InlineData("42001")]
    public async Task A_token_that_expires_while_sending_is_renewed_and_the_message_sent_once_under_its_key(string code)
    {
        await Simulator.ScriptAsync(
            new Rule
            {
                Do = Act.Reject,
                Code = code,
                Times = 1,
            }
        );
        var request = Request(1);

        var answered = Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(request, default));

        Assert.Equal(SendState.Accepted, answered.Items[0].State);
        var ledger = await Simulator.LedgerAsync();
        Assert.Equal([Outcome.Rejected, Outcome.Accepted], ledger.Select(entry => entry.Outcome));
        Assert.All(ledger, entry => Assert.Equal(request.Key, entry.RequestKey));
        // The first; that one again, for it might have been renewed elsewhere; one made anew.
        Assert.Equal(3, (await Simulator.CountsAsync()).WeChatTokensFetched);
    }

    [Fact]
    public async Task Fills_each_keyword_in_and_lets_no_value_name_another()
    {
        await SendAsync(
            "thing1: {{name}}您好\namount2：{{due}}\ntime3: 2026年9月1日 15:01",
            ("name", """王"小"\明,"thing9":{}"""),
            ("due", "¥100.50")
        );

        Assert.Equal(
            """
            tpl-1
            thing1=王"小"\明,"thing9":{}您好
            amount2=¥100.50
            time3=2026年9月1日 15:01
            """.ReplaceLineEndings("\n"),
            Assert.Single(await Simulator.LedgerAsync()).Content
        );
    }

    [Theory]
    [InlineData("thing1: {{value}}", "一二三四五六七八九十一二三四五六七八九十一")]
    [InlineData("thing1: {{value}}", "one\nthing2: two")]
    [InlineData("thing1: {{value}}", " ")]
    [InlineData("amount1: {{value}}", "a lot")]
    [InlineData("phrase1: {{value}}", "配送中abc")]
    [InlineData("number1: {{value}}", "12a")]
    public async Task Sends_nothing_where_a_value_is_not_what_its_keyword_may_be(string text, string value)
    {
        var answered = Assert.IsType<SendResult.Answered>(await SendAsync(text, ("value", value)));

        Assert.Equal((SendState.Rejected, "template_error"), (answered.Items[0].State, answered.Items[0].Code));
        Assert.Empty(await Simulator.LedgerAsync());
    }

    [Theory]
    [InlineData("thing1: {{name}}\n\nphrase2: 配送中\nname3: 王小明\ncharacter_string4: A-1\ndate5: 2026-09-01", null)]
    [InlineData("您的信用卡", "no keyword")]
    [InlineData("thing: 您的信用卡", "no keyword")]
    [InlineData("keyword1: 您的信用卡", "no keyword")]
    [InlineData("", "no keyword")]
    [InlineData("thing1: a\nthing1: b", "thing1 twice")]
    [InlineData("thing1: 一二三四五六七八九十一二三四五六七八九十{{name}}一", "at most 20 characters")]
    [InlineData("phrase1: 配送中了吗？", "at most 5")]
    [InlineData("time1: tomorrow", "a time")]
    [InlineData("thing1:", "at most 20 characters")]
    public void Says_of_a_template_what_the_provider_would_refuse(string text, string? expected)
    {
        var faults = Gateway().FaultsOf(new MessageContent(null, text, "tpl-1", null, null)).ToList();

        Assert.Equal(expected is null, faults.Count == 0);
        Assert.All(faults, fault => Assert.Contains(expected!, fault, StringComparison.Ordinal));
    }

    private async Task<SendResult> SendAsync(string text, params (string Name, string Value)[] values)
    {
        var request = Request(1);
        return await Gateway()
            .SendAsync(
                request with
                {
                    Content = request.Content with { Text = text },
                    Items =
                    [
                        request.Items[0] with
                        {
                            Variables = values.ToDictionary(one => one.Name, one => one.Value),
                        },
                    ],
                },
                default
            );
    }
}
