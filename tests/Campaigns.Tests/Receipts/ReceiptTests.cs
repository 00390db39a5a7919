using Campaigns.Channels;
using Campaigns.Channels.WeChat;
using Campaigns.Receipts;
using Campaigns.Tests.Dispatch;
using Dapper;

namespace Campaigns.Tests.Receipts;

public sealed class ReceiptTests
{
    private static readonly DateTimeOffset At = DateTimeOffset.UtcNow;

    [Fact]
    public async Task Receipts_in_any_order_and_as_often_as_they_come_end_in_the_same_state()
    {
        await using var given = await GivenRun.CreateAsync(customers: 6);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 6), ChunkSize = 6 });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        var key = gateway.Ledger[0].RequestKey;
        ProviderReceipt[] receipts =
        [
            Receipt(key, 1, ReceiptState.Delivered),
            Receipt(key, 2, ReceiptState.Failed),
            Receipt(key, 3, ReceiptState.Failed),
            Receipt(key, 3, ReceiptState.Delivered),
            Receipt(key, 4, ReceiptState.Delivered),
            Receipt(key, 4, ReceiptState.Failed),
        ];
        var random = new Random(7);
        for (var round = 0; round < 5; round++)
        {
            random.Shuffle(receipts);
            foreach (var some in receipts.Chunk(1 + (round % 3)))
            {
                await node.Get<ReceiptIntake>().TakeAsync(Channel.Sms, some, CancellationToken.None);
            }
        }

        Assert.Equal("accepted 2, delivered 3, failed 1", await given.StatesAsync(run));
        Assert.Equal("accepted 6, attempted 6, delivered 3", await CountersAsync(given, run));
    }

    [Fact]
    public async Task Receipts_at_once_over_many_connections_are_counted_once()
    {
        await using var given = await GivenRun.CreateAsync(customers: 50);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 50) });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        var receipts = gateway
            .Ledger.SelectMany(entry =>
                new[] { ReceiptState.Failed, ReceiptState.Delivered }.Select(state => Of(entry, state))
            )
            .ToArray();

        await Task.WhenAll(
            Enumerable
                .Range(0, 6)
                .Select(seed =>
                {
                    var mine = receipts.ToArray();
                    new Random(seed).Shuffle(mine);
                    return Task.WhenAll(
                        mine.Chunk(20)
                            .Select(some =>
                                node.Get<ReceiptIntake>().TakeAsync(Channel.Sms, some, CancellationToken.None)
                            )
                    );
                })
        );

        Assert.Equal("delivered 50", await given.StatesAsync(run));
        Assert.Equal("accepted 50, attempted 50, delivered 50", await CountersAsync(given, run));
    }

    [Fact]
    public async Task A_receipt_settles_what_was_unknown()
    {
        await using var given = await GivenRun.CreateAsync(customers: 4);
        var run = await given.RunAsync(new RunSpec { Customers = [1, 2, 3, 4] });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Declaration = gateway.Declaration with { Dedupe = Dedupe.None };
        var key = "";
        gateway.Answer = request =>
        {
            key = request.Key;
            return Task.FromResult<SendResult>(new SendResult.Unanswered("cut"));
        };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        Assert.Equal("attempted 4", await CountersAsync(given, run));

        await node.Get<ReceiptIntake>()
            .TakeAsync(
                Channel.Sms,
                [Receipt(key, 1, ReceiptState.Delivered), Receipt(key, 2, ReceiptState.Failed)],
                CancellationToken.None
            );

        Assert.Equal("delivered 1, failed 1, unknown 2", await given.StatesAsync(run));
        Assert.Equal("accepted 1, attempted 4, delivered 1", await CountersAsync(given, run));
    }

    [Fact]
    public async Task What_was_delivered_although_it_was_refused_for_now_is_not_tried_again()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        var run = await given.RunAsync(new RunSpec { Customers = [1, 2] });
        var gateway = new ScriptedGateway(Channel.Sms);
        var key = "";
        gateway.Answer = request =>
        {
            key = request.Key;
            return Task.FromResult<SendResult>(
                new SendResult.Answered([
                    .. request.Items.Select(_ => new ItemResult(SendState.Retryable, "busy", null)),
                ])
            );
        };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        await node.Get<ReceiptIntake>()
            .TakeAsync(Channel.Sms, [Receipt(key, 1, ReceiptState.Delivered)], CancellationToken.None);
        gateway.Answer = null;
        await given.PassAsync(TimeSpan.FromMinutes(1));

        await node.LaneAsync(run);

        Assert.Equal([GivenRun.Address(2, Channel.Sms)], gateway.Ledger.Select(entry => entry.Address));
        Assert.Equal("accepted 1, delivered 1", await given.StatesAsync(run));
        Assert.Equal(1, await given.AskAsync<int>("SELECT sum(contacts)::int FROM contact"));
    }

    [Fact]
    public async Task A_receipt_before_its_send_is_recorded_is_kept_and_joined()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        var run = await given.RunAsync(new RunSpec { Customers = [1, 2] });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        ReceiptBatch? early = null;
        gateway.Answer = async request =>
        {
            early = await node.Get<ReceiptIntake>()
                .TakeAsync(
                    Channel.Sms,
                    [
                        .. request.Items.Select(item => new ProviderReceipt(
                            "p",
                            item.TouchKey,
                            request.Key,
                            null,
                            item.Address,
                            ReceiptState.Delivered,
                            null,
                            At
                        )),
                    ],
                    CancellationToken.None
                );
            return gateway.Accept(request);
        };
        await node.LaneAsync(run);
        Assert.Equal(new ReceiptBatch(0, 0, 2), early);
        Assert.Equal("accepted 2", await given.StatesAsync(run));

        await node.Get<ReceiptSweep>().RunAsync(CancellationToken.None);

        Assert.Equal("delivered 2", await given.StatesAsync(run));
        Assert.Equal("accepted 2, attempted 2, delivered 2", await CountersAsync(given, run));
        Assert.Equal(0, await given.AskAsync<int>("SELECT count(*)::int FROM parked_receipt WHERE joined_at IS NULL"));
    }

    [Fact]
    public async Task Receipts_of_which_nobody_is_found_keep_no_later_one_from_being_joined()
    {
        await using var given = await GivenRun.CreateAsync(customers: 4);
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        var intake = node.Get<ReceiptIntake>();
        var sent = await given.RunAsync(new RunSpec { Customers = [1, 2] });
        await node.LaneAsync(sent);
        var strangers = Enumerable
            .Range(1_000, 2_500)
            .Select(number => Receipt(gateway.Ledger[0].RequestKey, number, ReceiptState.Delivered));
        Assert.Equal(2_500, (await intake.TakeAsync(Channel.Sms, [.. strangers], CancellationToken.None)).Parked);
        var run = await given.RunAsync(new RunSpec { Customers = [3, 4] });
        gateway.Answer = async request =>
        {
            ProviderReceipt[] early = [Receipt(request.Key, 3, ReceiptState.Delivered)];
            Assert.Equal(1, (await intake.TakeAsync(Channel.Sms, early, CancellationToken.None)).Parked);
            return gateway.Accept(request);
        };
        await node.LaneAsync(run);

        await node.Get<ReceiptSweep>().RunAsync(CancellationToken.None);

        Assert.Equal("accepted 1, delivered 1", await given.StatesAsync(run));
        Assert.Equal("accepted 2", await given.StatesAsync(sent));
    }

    [Fact]
    public async Task A_receipt_that_refers_to_nothing_is_kept_without_its_address()
    {
        await using var given = await GivenRun.CreateAsync(customers: 1);
        await using var node = new Node(given.DataSource, []);
        var stranger = Receipt("no-such-key", 1, ReceiptState.Delivered);

        await node.Get<ReceiptIntake>().TakeAsync(Channel.Sms, [stranger, stranger], CancellationToken.None);
        await node.Get<ReceiptSweep>().RunAsync(CancellationToken.None);

        var kept = await given.AskAsync<string>("SELECT receipt::text FROM parked_receipt WHERE joined_at IS NULL");
        Assert.Contains("no-such-key", kept, StringComparison.Ordinal);
        Assert.DoesNotContain("13800", kept, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_receipt_is_matched_by_the_providers_id_and_the_address()
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        var run = await given.RunAsync(new RunSpec { Customers = [1, 2, 3] });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        var id = $"id-{gateway.Ledger[0].RequestKey}";

        await node.Get<ReceiptIntake>()
            .TakeAsync(
                Channel.Sms,
                [Receipt(null, 2, ReceiptState.Failed) with { ProviderId = id, Code = "UNDELIVERED" }],
                CancellationToken.None
            );

        Assert.Equal("failed", (await given.StateAsync(run, 2))!.State);
        Assert.Equal("accepted 2, failed 1", await given.StatesAsync(run));
    }

    [Fact]
    public async Task A_receipt_is_not_taken_for_a_message_to_which_another_gateway_gave_the_same_id()
    {
        await using var given = await GivenRun.CreateAsync(customers: 1);
        var run = await given.RunAsync(new RunSpec { Customers = [1] });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        var others = Receipt(null, 1, ReceiptState.Failed) with
        {
            Provider = "another",
            ProviderId = $"id-{gateway.Ledger[0].RequestKey}",
        };

        var taken = await node.Get<ReceiptIntake>().TakeAsync(Channel.Sms, [others], CancellationToken.None);
        await node.Get<ReceiptSweep>().RunAsync(CancellationToken.None);

        Assert.Equal(new ReceiptBatch(0, 0, 1), taken);
        Assert.Equal("accepted 1", await given.StatesAsync(run));
    }

    [Fact]
    public async Task The_counts_of_a_mass_send_belong_to_its_request_whenever_they_come()
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        var run = await given.RunAsync(new RunSpec { Customers = [1, 2, 3], Channels = [Channel.WeChat] });
        var gateway = new ScriptedGateway(Channel.WeChat, "wechat-mass");
        await using var node = new Node(given.DataSource, [gateway]);
        var key = $"{run}-1-1";
        var finished = new MassSendFinished($"e/{key}", $"id-{key}", "sendsuccess", 3, 2, 2, 0, At);
        await node.Get<ReceiptIntake>().TakeMassSendAsync(finished, CancellationToken.None);
        await node.LaneAsync(run);

        await node.Get<ReceiptSweep>().RunAsync(CancellationToken.None);
        await node.Get<ReceiptIntake>().TakeMassSendAsync(finished, CancellationToken.None);

        Assert.Equal(3, await given.AskAsync<int>("SELECT total FROM request_receipt"));
        Assert.Equal("accepted 3", await given.StatesAsync(run));
    }

    [Fact]
    public async Task The_counts_of_a_mass_send_are_not_taken_for_a_template_message_of_the_same_id()
    {
        await using var given = await GivenRun.CreateAsync(customers: 1);
        var run = await given.RunAsync(
            new RunSpec
            {
                Customers = [1],
                Channels = [Channel.WeChat],
                Purpose = Purpose.Servicing,
            }
        );
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.WeChat, "wechat-template")]);
        await node.LaneAsync(run);
        var finished = new MassSendFinished($"e/{run}", $"id-{run}-1-1", "sendsuccess", 9, 9, 9, 0, At);

        await node.Get<ReceiptIntake>().TakeMassSendAsync(finished, CancellationToken.None);

        Assert.Equal(0, await given.AskAsync<int>("SELECT count(*)::int FROM request_receipt"));
        Assert.Equal(1, await given.AskAsync<int>("SELECT count(*)::int FROM parked_receipt"));
    }

    [Theory]
    [InlineData("退订", true)]
    [InlineData("td", true)]
    [InlineData("谢谢", false)]
    public async Task A_reply_that_refuses_holds_at_once_and_any_other_is_kept_to_be_read(string content, bool refuses)
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        var run = await given.RunAsync(new RunSpec { Customers = [1, 2] });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        var reply = new ProviderReply(
            "aliyun-sms",
            "r1",
            GivenRun.Address(1, Channel.Sms),
            content,
            RefusalWords.IsRefusal(content),
            At
        );

        await node.Get<Replies>().TakeAsync(Channel.Sms, [reply, reply], CancellationToken.None);
        await node.LaneAsync(run);

        Assert.Equal(refuses ? "accepted 1, suppressed(opted_out) 1" : "accepted 2", await given.StatesAsync(run));
        Assert.Equal(refuses ? 1 : 0, await given.AskAsync<int>("SELECT count(*)::int FROM consent WHERE NOT granted"));
        Assert.Equal(
            1,
            await given.AskAsync<int>("SELECT count(*)::int FROM reply WHERE understood = @refuses", new { refuses })
        );
    }

    private static ProviderReceipt Receipt(string? key, long customer, ReceiptState state) =>
        new(
            "scripted-Sms",
            $"{key}/{customer}/{state}",
            key,
            null,
            GivenRun.Address(customer, Channel.Sms),
            state,
            state == ReceiptState.Failed ? "UNDELIVERED" : null,
            At
        );

    private static ProviderReceipt Of(LedgerEntry entry, ReceiptState state) =>
        new("p", $"{entry.TouchKey}/{state}", entry.RequestKey, null, entry.Address, state, null, At);

    /// <summary>How many touches came so far.</summary>
    internal static async Task<string> CountersAsync(GivenRun given, int run)
    {
        await using var connection = await given.DataSource.OpenConnectionAsync();
        var rows = await connection.QueryAsync<(string Metric, long Count)>(
            """
            SELECT metric, sum(n)::bigint
            FROM (
                SELECT run_key, metric, n FROM report_delta
                UNION ALL
                SELECT run_key, metric, n FROM report_cell
            ) counted
            WHERE run_key = @run AND metric NOT IN ('attempts', 'acceptances', 'deliveries')
                AND NOT starts_with(metric, 'state_')
            GROUP BY 1
            HAVING sum(n) <> 0
            ORDER BY 1
            """,
            new { run }
        );
        return string.Join(", ", rows.Select(row => $"{row.Metric} {row.Count}"));
    }
}
