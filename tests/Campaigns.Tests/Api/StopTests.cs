using Campaigns.Dispatch;
using Campaigns.Jobs;
using Campaigns.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Campaigns.Tests.Api;

public sealed class StopTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("00:02:00")]
    public async Task A_node_that_is_stopped_lives_until_what_is_on_the_wire_may_have_answered(string? drain)
    {
        await using var api = await ApiHost.StartAsync(
            settings: new Dictionary<string, string?> { ["Dispatch:Drain"] = drain }
        );

        var engine = api.Services.GetRequiredService<JobEngineOptions>().StopWithin;
        var host = api.Services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout;
        Assert.True(api.Services.GetRequiredService<DispatchOptions>().Drain < engine);
        Assert.True(engine < host);
    }
}
