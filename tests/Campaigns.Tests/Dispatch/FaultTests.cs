using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Planning;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Dispatch;

public sealed class FaultTests
{
    [Fact]
    public async Task A_wave_that_stays_idle_although_it_was_woken_is_woken_by_other_names()
    {
        await using var given = await GivenRun.CreateAsync(customers: 10);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 10) });
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);

        await node.SweepAsync();
        var first = node.Engine.Asked.Where(asked => asked.At is null).Select(asked => asked.Job.Id).ToList();
        await node.SweepAsync();
        var all = node.Engine.Asked.Where(asked => asked.At is null).Select(asked => asked.Job.Id).ToList();

        Assert.Equal($"dispatch:{run}:1:1", Assert.Single(first));
        Assert.Equal([$"dispatch:{run}:1:1", $"dispatch:{run}:1:1:2"], all.Order());
    }

    [Fact]
    public async Task What_is_refused_for_now_is_tried_again_later_under_the_same_cap()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var caps = new FrequencyCaps { PerDay = 1, MinimumGap = TimeSpan.FromDays(1) };
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5), Caps = caps });
        var gateway = new ScriptedGateway(Channel.Sms);
        var first = true;
        gateway.Answer = request =>
        {
            var items = request.Items.Select(
                (item, index) =>
                    first && index < 2
                        ? new ItemResult(SendState.Retryable, "busy", null)
                        : gateway.Accept(request, item)
            );
            var result = new SendResult.Answered([.. items]);
            first = false;
            return Task.FromResult<SendResult>(result);
        };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        Assert.Equal("accepted 3, attempted 2", await given.StatesAsync(run));
        var (_, at) = Assert.Single(node.Engine.Asked);
        Assert.NotNull(at);

        await node.LaneAsync(run);
        Assert.Equal(1, gateway.Requests);
        await given.PassAsync(TimeSpan.FromMinutes(1));
        await node.LaneAsync(run);

        Assert.Equal("accepted 5", await given.StatesAsync(run));
        Assert.Equal(2, gateway.Requests);
        Assert.Equal(5, await given.AskAsync<int>("SELECT sum(contacts)::int FROM contact"));
    }

    [Fact]
    public async Task What_a_repeat_finds_to_be_refused_does_not_count_as_a_contact()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        var run = await given.RunAsync(
            new RunSpec
            {
                Customers = [1, 2],
                Channels = [Channel.WeChat, Channel.Sms],
                Caps = new FrequencyCaps { PerDay = 1, MinimumGap = TimeSpan.FromDays(1) },
            }
        );
        var wechat = new ScriptedGateway(Channel.WeChat);
        wechat.Answer = request =>
            Task.FromResult<SendResult>(
                wechat.Requests == 1
                    ? new SendResult.Unanswered("cut")
                    : new SendResult.Answered([
                        .. request.Items.Select(_ => new ItemResult(SendState.Rejected, "45028", null)),
                    ])
            );
        var sms = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [wechat, sms]);

        await node.LaneAsync(run);
        await given.PassAsync(TimeSpan.FromMinutes(2));
        await node.LaneAsync(run);
        await node.LaneAsync(run, wave: 2);

        Assert.Equal("accepted 2", await given.StatesAsync(run));
        Assert.Equal(2, sms.Ledger.Count);
    }

    [Fact]
    public async Task Tries_end_with_the_window()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        var run = await given.RunAsync(new RunSpec { Customers = [1, 2] });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Answer = request =>
            Task.FromResult<SendResult>(
                new SendResult.Answered([
                    .. request.Items.Select(_ => new ItemResult(SendState.Retryable, "busy", null)),
                ])
            );
        await using var node = new Node(given.DataSource, [gateway]);
        for (var minute = 0; minute < 65; minute += 5)
        {
            await node.LaneAsync(run);
            await given.PassAsync(TimeSpan.FromMinutes(5));
        }

        await node.SweepAsync();

        Assert.InRange(gateway.Requests, 4, 9);
        // Failed where the next try would have come after the window, expired where the window closed before it was made.
        Assert.Contains(await given.StatesAsync(run), new[] { "failed 2", "expired 2" });
        Assert.Equal(0, await given.AskAsync<int>("SELECT sum(contacts)::int FROM contact"));
    }

    [Fact]
    public async Task One_item_that_spoils_a_request_is_found_and_its_siblings_go()
    {
        await using var given = await GivenRun.CreateAsync(customers: 10);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 10) });
        var gateway = new ScriptedGateway(Channel.Sms);
        var poison = GivenRun.Address(7, Channel.Sms);
        gateway.Answer = request =>
            Task.FromResult<SendResult>(
                request.Items.All(item => item.Address != poison) ? gateway.Accept(request)
                : request.Items.Count > 1 ? new SendResult.Spoiled("bad")
                : new SendResult.Answered([new ItemResult(SendState.Rejected, "bad", null)])
            );
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);

        Assert.Equal("accepted 9, failed 1", await given.StatesAsync(run));
        Assert.Equal(9, gateway.Ledger.Select(entry => entry.TouchKey).Distinct().Count());
        Assert.Equal("failed", (await given.StateAsync(run, 7))!.State);
    }

    [Fact]
    public async Task A_rejected_touch_goes_on_to_the_next_channel_that_may_reach_the_customer()
    {
        await using var given = await GivenRun.CreateAsync(customers: 4);
        await given.ExecuteAsync("UPDATE contact SET consented = 2 WHERE customer_key = 4");
        var run = await given.RunAsync(
            new RunSpec
            {
                Customers = [1, 2, 3, 4],
                Channels = [Channel.WeChat, Channel.Sms],
                Caps = new FrequencyCaps { PerDay = 1 },
            }
        );
        var wechat = new ScriptedGateway(Channel.WeChat);
        wechat.Answer = request =>
            Task.FromResult<SendResult>(
                new SendResult.Answered([
                    .. request.Items.Select(_ => new ItemResult(SendState.Rejected, "45028", null)),
                ])
            );
        var sms = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [wechat, sms]);

        await node.LaneAsync(run);
        Assert.Equal("attempted 3, failed 1", await given.StatesAsync(run));
        await node.LaneAsync(run, wave: 2);

        Assert.Equal("accepted 3, failed 1", await given.StatesAsync(run));
        Assert.Equal(3, sms.Ledger.Count);
        Assert.Equal(3, await given.AskAsync<int>("SELECT sum(contacts)::int FROM contact"));
        Assert.Equal(
            1,
            await given.AskAsync<int>("SELECT sum(n)::int FROM report_delta WHERE metric = 'state_failed'")
        );
        Assert.Equal(4, await given.AskAsync<int>("SELECT sum(n)::int FROM report_delta WHERE metric = 'attempted'"));
    }

    [Fact]
    public async Task Too_few_for_a_mass_send_go_on_to_the_next_channel_or_expire()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        await given.ExecuteAsync("UPDATE contact SET opted_out = 2 WHERE customer_key = 1");
        var spec = new RunSpec { Customers = [1, 2], Channels = [Channel.WeChat, Channel.Sms] };
        var run = await given.RunAsync(spec);
        var alone = await given.RunAsync(spec with { Channels = [Channel.WeChat] });
        var wechat = new ScriptedGateway(Channel.WeChat);
        wechat.Declaration = wechat.Declaration with { MinBatch = 2, MonthlyPerCustomer = 4 };
        var sms = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [wechat, sms]);

        await node.LaneAsync(run);
        await node.LaneAsync(alone);
        await node.LaneAsync(run, wave: 2);

        Assert.Empty(wechat.Ledger);
        Assert.Equal("accepted 1, suppressed(opted_out) 1", await given.StatesAsync(run));
        Assert.Equal("expired 1, suppressed(opted_out) 1", await given.StatesAsync(alone));
        Assert.Equal(1, await given.AskAsync<int>("SELECT sum(contacts)::int FROM contact"));
    }

    [Fact]
    public async Task A_window_that_closes_moves_its_touches_to_the_next_and_the_last_lets_them_expire()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20), Windows = 2 });
        var gateway = new ScriptedGateway(Channel.Sms)
        {
            Answer = _ => Task.FromResult<SendResult>(new SendResult.Unanswered("cut")),
        };
        await using var node = new Node(given.DataSource, [gateway]);
        await node.LaneAsync(run);
        await given.ExecuteAsync("UPDATE chunk SET due_at = due_at + interval '1 day' WHERE chunk = 2");
        await given.PassAsync(TimeSpan.FromHours(2));
        await node.LaneAsync(run);
        await node.SweepAsync();

        Assert.Equal("unknown 20", await given.StatesAsync(run));

        var other = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20), Windows = 2 });
        await given.PassAsync(TimeSpan.FromHours(2));
        await node.SweepAsync();
        Assert.Equal("planned 20", await given.StatesAsync(other));
        Assert.Equal(2, await given.AskAsync<int>("SELECT count(*)::int FROM chunk WHERE state = 0 AND wave = 2"));
        await given.PassAsync(TimeSpan.FromHours(22));
        gateway.Answer = null;
        await node.LaneAsync(other, wave: 2);
        Assert.Equal("accepted 20", await given.StatesAsync(other));

        var last = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20) });
        await given.PassAsync(TimeSpan.FromHours(2));
        await node.SweepAsync();
        Assert.Equal("expired 20", await given.StatesAsync(last));
        Assert.Equal(
            "closed",
            await given.AskAsync<string>("SELECT state FROM run WHERE run_key = @last", new { last })
        );
    }

    [Fact]
    public async Task Nothing_is_sent_before_the_window_opens()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(
            new RunSpec { Customers = Enumerable.Range(1, 20), OpensIn = TimeSpan.FromHours(3) }
        );
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);

        await node.SweepAsync();
        await node.LaneAsync(run);

        Assert.Empty(gateway.Ledger);
        var (job, at) = Assert.Single(node.Engine.Asked);
        Assert.InRange((at!.Value - DateTimeOffset.UtcNow).TotalHours, 2.9, 3.1);
        Assert.Equal($"dispatch:{run}:1:1", job.Id);
    }

    [Fact]
    public async Task A_node_whose_clock_is_wrong_stands_aside()
    {
        await using var given = await GivenRun.CreateAsync(customers: 5);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 5) });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var wrong = new Node(given.DataSource, [gateway], time: new ClockOff(TimeSpan.FromHours(2)));

        await wrong.LaneAsync(run);
        Assert.Empty(gateway.Ledger);
        await using var right = new Node(given.DataSource, [gateway]);
        await right.LaneAsync(run);

        Assert.Equal(5, gateway.Ledger.Count);
    }

    [Fact]
    public async Task A_chunk_is_not_done_while_one_of_its_requests_has_no_outcome()
    {
        await using var given = await GivenRun.CreateAsync(customers: 2);
        var run = await given.RunAsync(new RunSpec { Customers = [1, 2] });
        await using var node = new Node(given.DataSource, []);
        var chunk = await node.Get<ChunkQueue>().ClaimAsync(run, 1, gateway: "", CancellationToken.None);
        await given.ExecuteAsync(
            """
            INSERT INTO attempt (run_key, chunk, request, channel, variant, try, attempted_at, request_key, customer_keys)
            VALUES (@run, 1, 1, 1, 1, 1, now(), 'k', '{1,2}')
            """,
            new { run }
        );

        Assert.False(await node.Get<ChunkEnd>().DoneAsync(chunk!));
        await given.ExecuteAsync(
            "INSERT INTO outcome (run_key, chunk, request, answer, recorded_at, states) VALUES (@run, 1, 1, 1, now(), '{1}')",
            new { run }
        );
        Assert.True(await node.Get<ChunkEnd>().DoneAsync(chunk!));
    }

    [Fact]
    public async Task A_gateway_that_throws_leaves_its_siblings_unharmed()
    {
        await using var given = await GivenRun.CreateAsync(customers: 40);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 40), ChunkSize = 40 });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Declaration = gateway.Declaration with { Dedupe = Dedupe.None };
        gateway.Answer = request =>
            request.Items.Any(item => item.Address == GivenRun.Address(5, Channel.Sms))
                ? throw new InvalidOperationException("a bug")
                : Task.FromResult(gateway.Accept(request));
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);

        Assert.Equal("accepted 30, unknown 10", await given.StatesAsync(run));
    }

    [Fact]
    public async Task Connections_that_are_cut_cost_no_touch_and_send_none_twice()
    {
        await using var given = await GivenRun.CreateAsync(customers: 100);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 100) });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Declaration = gateway.Declaration with { Dedupe = Dedupe.None, MaxBatch = 5 };
        await using var node = new Node(
            given.DataSource,
            [gateway],
            options => options.Lease = TimeSpan.FromSeconds(10)
        );
        using var over = new CancellationTokenSource();
        var cutting = CutAsync(given, gateway, over.Token);

        await Eventually.BeTrueAsync(
            async () =>
            {
                try
                {
                    await Task.WhenAll(node.LaneAsync(run), node.LaneAsync(run, lane: 2));
                }
                catch (Npgsql.NpgsqlException)
                {
                    // the engine would run the lane again
                }

                return gateway.Ledger.Count >= 100 || await Ended(given);
            },
            "every touch has gone",
            TimeSpan.FromSeconds(60)
        );
        await over.CancelAsync();
        await cutting;
        given.DataSource.Clear(); // what the last cut has left in the pool
        await node.LaneAsync(run);

        Assert.Equal(gateway.Ledger.Count, gateway.Ledger.Select(entry => entry.TouchKey).Distinct().Count());
        Assert.Equal("accepted 100", await given.StatesAsync(run));
    }

    private static async Task<bool> Ended(GivenRun given)
    {
        try
        {
            return !await given.AskAsync<bool>("SELECT EXISTS (SELECT FROM chunk WHERE state = 0)");
        }
        catch (Npgsql.NpgsqlException)
        {
            return false;
        }
    }

    /// <summary>Cuts at the pace of the work, so that a loaded machine is not cut more than it works.</summary>
    private static async Task CutAsync(GivenRun given, ScriptedGateway gateway, CancellationToken over)
    {
        await using var own = Npgsql.NpgsqlDataSource.Create(given.ConnectionString + ";Application Name=cutter");
        while (!over.IsCancellationRequested)
        {
            await using var connection = await own.OpenConnectionAsync(CancellationToken.None);
            await using var command = connection.CreateCommand();
            command.CommandText = """
                SELECT pg_terminate_backend(pid)
                FROM pg_stat_activity
                WHERE datname = current_database() AND application_name <> 'cutter' AND pid <> pg_backend_pid()
                ORDER BY random()
                LIMIT 1
                """;
            await command.ExecuteNonQueryAsync(CancellationToken.None);
            var (seen, since) = (gateway.Requests, System.Diagnostics.Stopwatch.StartNew());
            while (gateway.Requests == seen && since.Elapsed < TimeSpan.FromSeconds(2) && !over.IsCancellationRequested)
            {
                await Task.Delay(5, CancellationToken.None);
            }
        }
    }

    private sealed class ClockOff(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
    }
}
