using Campaigns.Access;
using Campaigns.Api.Edge;
using Campaigns.Channels;
using Campaigns.Customers;
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
            Reply("r5", 2, "在吗？请打 139 1234 5678 或13912345678"),
        ];
        await node.Get<Replies>().TakeAsync(Channel.Sms, replies, CancellationToken.None);
        await EraseAsync(given, "c3");
        var operators = host.As(Role.Operator);

        var first = await operators.GetAsync("/v1/replies?limit=2").ReadAsync<Page<CustomerReply>>();
        var then = await operators
            .GetAsync($"/v1/replies?limit=2&cursor={first.Next}")
            .ReadAsync<Page<CustomerReply>>();

        Assert.Equal(
            [("在吗？请打 139****5678 或139****5678", "c2", false), ("R", null, true), ("谢谢", "c1", false)],
            first.Items.Concat(then.Items).Select(one => (one.Content, one.CustomerId, one.Refusal))
        );
        Assert.Null(then.Next);
        Assert.All(first.Items, one => Assert.Matches(@"^138\*{4}\d{4}$", one.Address));
        await host.As(Role.Marketer).GetAsync("/v1/replies").RefusedAsync(403, "forbidden");
    }

    [Fact]
    public async Task R7_what_is_said_in_the_future_counts_as_said_now()
    {
        await using var given = await GivenRun.CreateAsync(customers: 1);
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        ProviderReply[] refusals = [Reply("r1", 1, "R", At.AddYears(10)), Reply("r2", 900, "R", At.AddYears(10))];
        await node.Get<Replies>().TakeAsync(Channel.Sms, refusals, CancellationToken.None);

        Assert.Equal(
            "1 2",
            await given.AskAsync<string>(
                """
                SELECT (SELECT count(*) FROM consent WHERE NOT granted AND occurred_at <= now() AND recorded_at <= now())
                    || ' ' || (SELECT count(*) FROM reply WHERE occurred_at <= now())
                """
            )
        );
    }

    [Fact]
    public async Task R7_what_a_customer_wrote_goes_with_her_and_is_no_news_when_it_is_repeated()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        var replies = node.Get<Replies>();
        ProviderReply[] said = [Reply("r1", 1, "I am Wang"), Reply("r2", 1, "TD"), Reply("r3", 2, "谢谢")];
        await replies.TakeAsync(Channel.Sms, said, CancellationToken.None);

        await EraseAsync(given, "c1");

        Assert.Equal(0, await replies.TakeAsync(Channel.Sms, said, CancellationToken.None));
        Assert.Equal(
            "r1:, r2:, r3:谢谢138****0002",
            await given.AskAsync<string>(
                "SELECT string_agg(concat(reply_id, ':', content, address), ', ' ORDER BY reply_id) FROM reply"
            )
        );
        Assert.Equal("谢谢", Assert.Single(await replies.ListAsync(null, 10, CancellationToken.None)).Content);
    }

    private static async Task EraseAsync(GivenRun given, string customerId) =>
        Assert.Null(
            (
                await new CustomerRegister(given.DataSource, GivenRun.Vault).EraseAsync(
                    Actor.Service,
                    customerId,
                    CancellationToken.None
                )
            ).Error
        );

    private static ProviderReply Reply(string id, long customer, string content, DateTimeOffset? at = null) =>
        new(
            "aliyun-sms",
            id,
            GivenRun.Address(customer, Channel.Sms),
            content,
            RefusalWords.IsRefusal(content),
            at ?? At
        );
}
