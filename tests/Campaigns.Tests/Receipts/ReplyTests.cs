using Campaigns.Access;
using Campaigns.Api.Edge;
using Campaigns.Channels;
using Campaigns.Receipts;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Receipts;

public sealed class ReplyTests
{
    private static readonly DateTimeOffset At = DateTimeOffset.UtcNow;

    [Fact]
    public async Task A_refusal_from_an_address_that_is_nobodys_holds_for_whoever_has_it_next()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        var replies = node.Get<Replies>();
        await replies.TakeAsync(Channel.Sms, [Reply("r1", 900, "TD")], CancellationToken.None);
        await node.Get<ReceiptSweep>().RunAsync(CancellationToken.None);
        var kept = Assert.Single(await replies.ListAsync(null, 10, CancellationToken.None));
        Assert.Equal(("TD", true, null), (kept.Content, kept.Refusal, kept.CustomerId));

        await given.ExecuteAsync(
            "UPDATE address SET lookup = @lookup WHERE customer_key = 2 AND channel = 1",
            new { lookup = GivenRun.Vault.Lookup(Channel.Sms, GivenRun.Address(900, Channel.Sms)) }
        );
        await node.Get<ReceiptSweep>().RunAsync(CancellationToken.None);

        Assert.Equal(2, await given.AskAsync<long>("SELECT customer_key FROM consent WHERE NOT granted"));
        Assert.Empty(await replies.ListAsync(null, 10, CancellationToken.None));
        Assert.Equal(0, await given.AskAsync<int>("SELECT count(*)::int FROM reply WHERE lookup IS NOT NULL"));
    }

    [Fact]
    public async Task Operators_read_page_by_page_what_opted_nobody_out_with_the_address_masked()
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        await using var host = await ApiHost.StartAsync(given.Database);
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        ProviderReply[] replies =
        [
            Reply("r1", 1, "谢谢"),
            Reply("r2", 2, "TD"),
            Reply("r3", 3, "erase me"),
            Reply("r4", 900, "R"),
            Reply("r5", 2, "在吗"),
        ];
        await node.Get<Replies>().TakeAsync(Channel.Sms, replies, CancellationToken.None);
        await given.ExecuteAsync("UPDATE customer SET erased = true WHERE customer_key = 3");
        var operators = host.As(Role.Operator);

        var first = await operators.GetAsync("/v1/replies?limit=2").ReadAsync<Page<CustomerReply>>();
        var then = await operators
            .GetAsync($"/v1/replies?limit=2&cursor={first.Next}")
            .ReadAsync<Page<CustomerReply>>();

        Assert.Equal(
            [("在吗", "c2", false), ("R", null, true), ("谢谢", "c1", false)],
            first.Items.Concat(then.Items).Select(one => (one.Content, one.CustomerId, one.Refusal))
        );
        Assert.Null(then.Next);
        Assert.All(first.Items, one => Assert.Matches(@"^138\*{4}\d{4}$", one.Address));
        await host.As(Role.Marketer).GetAsync("/v1/replies").RefusedAsync(403, "forbidden");
    }

    private static ProviderReply Reply(string id, long customer, string content) =>
        new("aliyun-sms", id, GivenRun.Address(customer, Channel.Sms), content, RefusalWords.IsRefusal(content), At);
}
