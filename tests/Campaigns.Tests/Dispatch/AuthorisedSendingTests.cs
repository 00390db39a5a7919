using Campaigns.Channels;

namespace Campaigns.Tests.Dispatch;

/// <summary>Messages of which each takes one that the customer has authorised.</summary>
public sealed class AuthorisedSendingTests
{
    private const string Template = "TPL_1";
    private const string NoneLeft = "43101";

    [Fact]
    public async Task Each_message_takes_an_authorisation_and_whoever_has_none_cannot_be_reached()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        await AuthoriseAsync(given, messages: 2, 1, 2, 3);
        await AuthoriseAsync(given, messages: 0, 4);
        var run = await given.RunAsync(Servicing(5));
        await using var node = new Node(given.DataSource, [Gateway()]);

        await node.LaneAsync(run);

        Assert.Equal("accepted 3, suppressed(unreachable) 2", await given.StatesAsync(run));
        Assert.Equal("1 1 1 0", await UnspentAsync(given));
    }

    [Fact]
    public async Task Two_campaigns_do_not_spend_the_same_authorisation()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await AuthoriseAsync(given, messages: 1, [.. Enumerable.Range(1, 20)]);
        int[] runs = [await given.RunAsync(Servicing(20)), await given.RunAsync(Servicing(20))];
        var gateway = Gateway();
        await using var one = new Node(given.DataSource, [gateway]);
        await using var other = new Node(given.DataSource, [gateway]);

        await Task.WhenAll(one.LaneAsync(runs[0]), other.LaneAsync(runs[1]));

        Assert.Equal(20, gateway.Ledger.Count);
        Assert.Equal(20, gateway.Ledger.Select(entry => entry.Address).Distinct().Count());
        Assert.Equal(
            20,
            await given.AskAsync<int>("SELECT coalesce(sum(cardinality(withheld_keys)), 0)::int FROM attempt")
        );
    }

    [Fact]
    public async Task What_the_provider_refuses_is_given_back_unless_it_says_that_none_is_left()
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        await AuthoriseAsync(given, messages: 3, 1, 2, 3);
        var run = await given.RunAsync(Servicing(3));
        var gateway = Gateway();
        gateway.Answer = request =>
            Task.FromResult<SendResult>(
                new SendResult.Answered([
                    request.Items[0].Address switch
                    {
                        "wechat-1" => new ItemResult(SendState.Rejected, NoneLeft, null),
                        "wechat-2" => new ItemResult(SendState.Rejected, "47003", null),
                        _ => gateway.Accept(request, request.Items[0]),
                    },
                ])
            );
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);

        Assert.Equal("accepted 1, failed 2", await given.StatesAsync(run));
        Assert.Equal("0 3 2", await UnspentAsync(given));
    }

    [Fact]
    public async Task Whose_authorisations_are_used_up_is_reached_by_the_next_channel()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        await AuthoriseAsync(given, messages: 3, 1, 2);
        var run = await given.RunAsync(Servicing(2) with { Channels = [Channel.WeChat, Channel.Sms] });
        var refusing = Gateway();
        refusing.Answer = _ =>
            Task.FromResult<SendResult>(new SendResult.Answered([new ItemResult(SendState.Rejected, NoneLeft, null)]));
        var sms = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [refusing, sms]);

        await node.LaneAsync(run);
        await node.LaneAsync(run, wave: 2);

        Assert.Equal("accepted 2", await given.StatesAsync(run));
        Assert.Equal(2, sms.Ledger.Count);
        Assert.Equal("0 0", await UnspentAsync(given));
    }

    [Fact]
    public async Task I1_an_unanswered_message_is_unknown_and_its_authorisation_stays_spent()
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        await AuthoriseAsync(given, messages: 2, 1, 2, 3);
        var run = await given.RunAsync(Servicing(3));
        var gateway = Gateway();
        gateway.Answer = _ => Task.FromResult<SendResult>(new SendResult.Unanswered("cut"));
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);
        await node.SweepAsync();
        await node.LaneAsync(run);

        Assert.Equal("unknown 3", await given.StatesAsync(run));
        Assert.Equal(3, gateway.Requests);
        Assert.Equal("1 1 1", await UnspentAsync(given));
    }

    [Fact]
    public async Task What_was_never_sent_spends_nothing()
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        await AuthoriseAsync(given, messages: 1, 1, 2, 3);
        var run = await given.RunAsync(Servicing(3));
        var gateway = Gateway();
        gateway.Answer = _ => Task.FromResult<SendResult>(new SendResult.Throttled(TimeSpan.FromHours(1)));
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);

        Assert.Equal("1 1 1", await UnspentAsync(given));
        Assert.Empty(gateway.Ledger);
    }

    private static RunSpec Servicing(int customers) =>
        new()
        {
            Customers = Enumerable.Range(1, customers),
            Channels = [Channel.WeChat],
            Purpose = Purpose.Servicing,
            Text = "hello",
            ProviderTemplate = Template,
        };

    private static ScriptedGateway Gateway()
    {
        var gateway = new ScriptedGateway(Channel.WeChat);
        gateway.Declaration = gateway.Declaration with
        {
            Dedupe = Dedupe.None,
            DedupePeriod = TimeSpan.Zero,
            MaxBatch = 1,
            NoAuthorisation = NoneLeft,
        };
        return gateway;
    }

    private static Task AuthoriseAsync(GivenRun given, int messages, params int[] customers) =>
        given.ExecuteAsync(
            """
            INSERT INTO authorised_template (name) VALUES (@Template) ON CONFLICT DO NOTHING;
            INSERT INTO authorisation (customer_key, authorised_template, unspent)
            SELECT key, authorised_template, @messages
            FROM unnest(@customers) key CROSS JOIN authorised_template
            """,
            new
            {
                Template,
                messages,
                customers,
            }
        );

    private static Task<string> UnspentAsync(GivenRun given) =>
        given.AskAsync<string>("SELECT string_agg(unspent::text, ' ' ORDER BY customer_key) FROM authorisation");
}
