using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Api;

/// <summary>What <c>GET /v1/channels</c> tells operators.</summary>
public sealed class ChannelStatusTests
{
    [Fact]
    public async Task A_gateway_goes_at_the_rate_its_provider_takes_unless_the_operator_says_another()
    {
        var settings = new Dictionary<string, string?>();
        Serve("sms", "aliyun-sms");
        Serve("wechat", "wechat-mass");
        Serve("app", "jpush");
        await using var host = await ApiHost.StartAsync(settings: settings);
        Assert.Equal((10, 1, 10), await RatesAsync(host)); // 60 a minute, 600 a minute
        settings["Channels:sms:RatePerSecond"] = "200";
        settings["Channels:wechat:RatePerSecond"] = "0.5";
        settings["Channels:app:RatePerSecond"] = "50";
        await using var other = await ApiHost.StartAsync(settings: settings);

        Assert.Equal((200, 0.5, 50), await RatesAsync(other));

        void Serve(string channel, string gateway)
        {
            settings[$"Channels:{channel}:Gateway"] = gateway;
            settings[$"Channels:{channel}:BaseUrl"] = "http://127.0.0.1:9";
            settings[$"Channels:{channel}:KeyId"] = "id";
            settings[$"Channels:{channel}:Secret"] = "secret";
            settings[$"Channels:{channel}:SignName"] = "示例银行";
        }
    }

    private static async Task<(double Sms, double WeChat, double App)> RatesAsync(ApiHost host)
    {
        var list = await host.As(Role.Operator).GetAsync("/v1/channels").ReadAsync<ChannelList>();
        return (Rate(Channel.Sms), Rate(Channel.WeChat), Rate(Channel.App));

        double Rate(Channel channel) =>
            Assert.Single(list.Items.Single(one => one.Channel == channel).Gateways).RatePerSecond;
    }
}
