using Campaigns.Channels;
using Campaigns.Channels.WeChat;
using Npgsql;

namespace Campaigns.Tests.Channels;

public sealed class WeChatMassGatewayTests(WeChatConformance.OneDatabase database) : WeChatConformance(database)
{
    private protected override string Channel => "wechat";

    private protected override string PermanentCode => "45028";

    private protected override IGateway Make(GatewaySettings settings, NpgsqlDataSource dataSource) =>
        new WeChatMassGateway(settings, Http, dataSource, TimeProvider.System);

    [Fact]
    public async Task Sends_an_article_where_the_template_names_one()
    {
        var request = Request(2);
        request = request with { Content = request.Content with { ProviderTemplate = "media-1" } };
        Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(request, default));

        Assert.All(await Simulator.LedgerAsync(), entry => Assert.Equal("media-1", entry.Content));
    }
}
