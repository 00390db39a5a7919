using Campaigns.Channels;
using Campaigns.Channels.WeChat;
using Campaigns.Simulator;
using Npgsql;

namespace Campaigns.Tests.Channels;

public sealed class WeChatSubscribeGatewayTests(WeChatConformance.OneDatabase database) : WeChatConformance(database)
{
    private protected override string Channel => "wechat-subscribe";

    private protected override string PermanentCode => "43101";

    private protected override string? ProviderTemplate => "tpl-1";

    private protected override string Text => "thing1: 还款提醒";

    private protected override string? KeyOnTheWire(SendRequest request) => null;

    private protected override IGateway Make(GatewaySettings settings, NpgsqlDataSource dataSource) =>
        new WeChatSubscribeGateway(settings, Http, dataSource, TimeProvider.System);

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        await AuthoriseAsync(Address(0), messages: 1_000);
    }

    [Fact]
    public async Task Each_message_takes_one_that_its_user_has_authorised()
    {
        await AuthoriseAsync("oWx_two", messages: 2);

        var answers = new List<(SendState, string?)>();
        foreach (var openid in new[] { "oWx_two", "oWx_two", "oWx_two", "oWx_none" })
        {
            var answered = Assert.IsType<SendResult.Answered>(await SendAsync(openid));
            answers.Add((answered.Items[0].State, answered.Items[0].Code));
        }

        Assert.Equal(
            [
                (SendState.Accepted, null),
                (SendState.Accepted, null),
                (SendState.Rejected, "43101"),
                (SendState.Rejected, "43101"),
            ],
            answers
        );
    }

    [Fact]
    public async Task A_message_that_is_refused_takes_none()
    {
        await AuthoriseAsync("oWx_one", messages: 1);
        await Simulator.ScriptAsync(
            new Rule
            {
                Do = Act.Reject,
                Code = "47003",
                Times = 1,
            }
        );

        Assert.Equal("47003", Assert.IsType<SendResult.Answered>(await SendAsync("oWx_one")).Items[0].Code);
        Assert.Null(Assert.IsType<SendResult.Answered>(await SendAsync("oWx_one")).Items[0].Code);
    }

    [Fact]
    public async Task Shares_its_token_with_the_template_gateway()
    {
        var settings = new GatewaySettings();
        Configured(settings);
        var template = new WeChatTemplateGateway(settings, Http, Database.DataSource, TimeProvider.System);

        await Gateway().SendAsync(Request(1), default);
        await template.SendAsync(Request(1), default);

        Assert.Equal(1, (await Simulator.CountsAsync()).WeChatTokensFetched);
    }

    private Task<SendResult> SendAsync(string openid)
    {
        var request = Request(1);
        return Gateway().SendAsync(request with { Items = [request.Items[0] with { Address = openid }] }, default);
    }

    private async Task AuthoriseAsync(string openid, int messages)
    {
        using var answer = await Simulator.PostAsync(
            "/simulator/wechat/authorisations",
            new AuthorisationSetting(openid, "tpl-1", messages)
        );
        answer.EnsureSuccessStatusCode();
    }
}
