using Campaigns.Channels;
using Campaigns.Planning;

namespace Campaigns.Tests.Dispatch;

public sealed class SendingTests
{
    [Fact]
    public async Task Every_touch_of_a_wave_goes_out_once_with_its_own_address_and_values()
    {
        await using var given = await GivenRun.CreateAsync(customers: 25);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 25) });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);

        Assert.Equal(
            Enumerable.Range(1, 25).Select(key => (GivenRun.Address(key, Channel.Sms), $"name {key}")),
            gateway.Ledger.Select(entry => (entry.Address, entry.Variables["name"])).Order()
        );
        Assert.Equal("accepted 25", await given.StatesAsync(run));
        Assert.Equal("closed", await given.AskAsync<string>("SELECT state FROM run"));
        Assert.Equal("finished", await given.AskAsync<string>("SELECT state FROM campaign"));
    }

    [Fact]
    public async Task Lanes_that_race_over_two_nodes_send_each_touch_once()
    {
        await using var given = await GivenRun.CreateAsync(customers: 300);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 300) });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var one = new Node(given.DataSource, [gateway]);
        await using var other = new Node(given.DataSource, [gateway]);

        await Task.WhenAll(one.LaneAsync(run), one.LaneAsync(run, lane: 2), other.LaneAsync(run, lane: 3));

        Assert.Equal(300, gateway.Ledger.Count);
        Assert.Equal(300, gateway.Ledger.Select(entry => entry.TouchKey).Distinct().Count());
        Assert.Equal("accepted 300", await given.StatesAsync(run));
        Assert.Equal(300, await given.AskAsync<int>("SELECT sum(n)::int FROM report_delta WHERE metric = 'accepted'"));
        Assert.Equal(300, await given.AskAsync<int>("SELECT sum(n)::int FROM report_delta WHERE metric = 'attempted'"));
    }

    [Fact]
    public async Task Answers_that_come_together_are_all_recorded()
    {
        await using var given = await GivenRun.CreateAsync(customers: 600);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 600), ChunkSize = 600 });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Declaration = gateway.Declaration with { MaxBatch = 2 };
        gateway.Answer = async request =>
        {
            await Task.Yield();
            return gateway.Accept(request);
        };
        await using var node = new Node(given.DataSource, [gateway], channels: settings => settings.Concurrency = 50);

        await node.LaneAsync(run);

        Assert.Equal("accepted 600", await given.StatesAsync(run));
        Assert.Equal(300, await given.AskAsync<int>("SELECT count(*)::int FROM outcome"));
    }

    // It is never the same day in the second and in the third.
    [Theory]
    [InlineData("Asia/Shanghai", "Asia/Shanghai")]
    [InlineData("Pacific/Kiritimati", "Pacific/Pago_Pago")]
    public async Task Everyone_s_contacts_are_counted_in_the_day_that_it_is_where_she_lives(string one, string other)
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        await given.AtAsync(new(2026, 6, 10, 3, 30, 0, TimeSpan.Zero)); // midnight is near in none of them
        await given.ExecuteAsync(
            """
            INSERT INTO time_zone (name) VALUES (@one), (@other) ON CONFLICT DO NOTHING;
            UPDATE contact SET zone = (SELECT zone FROM time_zone WHERE name = @one) WHERE customer_key = 2;
            UPDATE contact SET zone = (SELECT zone FROM time_zone WHERE name = @other) WHERE customer_key = 3
            """,
            new { one, other }
        );
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        var spec = new RunSpec
        {
            Customers = [1, 2, 3],
            Caps = new() { PerDay = 1, WeChatPerMonth = null },
        };
        var first = await given.RunAsync(spec);
        await node.LaneAsync(first);

        Assert.Equal("accepted 3", await given.StatesAsync(first));
        Assert.Equal(
            3,
            await given.AskAsync<int>(
                """
                SELECT count(*)::int
                FROM contact c
                JOIN time_zone z USING (zone)
                WHERE last_day = (last_contact_at AT TIME ZONE z.name)::date - date '2000-01-01' AND contacts & 15 = 1
                """
            )
        );

        var second = await given.RunAsync(spec);
        await node.LaneAsync(second);
        Assert.Equal("suppressed(frequency_cap) 3", await given.StatesAsync(second));

        await given.ExecuteAsync("UPDATE contact SET last_day = last_day - 1"); // a day later
        var third = await given.RunAsync(spec);
        await node.LaneAsync(third);
        Assert.Equal("accepted 3", await given.StatesAsync(third));
    }

    [Fact]
    public async Task What_changed_since_planning_is_read_again_before_anything_is_sent()
    {
        await using var given = await GivenRun.CreateAsync(customers: 10);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 10), UsesProfiling = true });
        await given.ExecuteAsync(
            """
            UPDATE contact SET opted_out = 1 WHERE customer_key = 1;
            UPDATE contact SET consented = 0 WHERE customer_key = 2;
            UPDATE contact SET personalisation_off = true WHERE customer_key = 3;
            UPDATE contact SET erased = true, reachable = 0 WHERE customer_key = 4;
            DELETE FROM address WHERE customer_key = 4;
            INSERT INTO event_type (name) VALUES ('bought');
            INSERT INTO event (customer_key, occurred_at, recorded_at, event_type, event_source, event_id)
            SELECT 5, now(), now(), event_type, 1, 'e' FROM event_type;
            UPDATE customer SET attributes = '{}' WHERE customer_key = 6;
            """
        );
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);

        Assert.Equal(
            "accepted 4, failed(template_error) 1, suppressed(converted) 1, suppressed(no_consent) 1, "
                + "suppressed(opted_out) 1, suppressed(personalisation_off) 1, suppressed(unreachable) 1",
            await given.StatesAsync(run)
        );
        Assert.Equal([7, 8, 9, 10], gateway.Ledger.Select(entry => Key(entry)).Order());
    }

    [Theory]
    [InlineData(true, "accepted 3", "1 name 1, 2 friend, 3 friend")]
    [InlineData(false, "accepted 1, failed(template_error) 2", "1 name 1")] // made sensitive after it was approved
    public async Task R10_a_sensitive_value_is_said_to_whoever_consents_now(bool hasDefault, string states, string said)
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        await given.ExecuteAsync("UPDATE contact SET sensitive_consent = customer_key < 3");
        var defaults = hasDefault ? new Dictionary<string, string> { ["name"] = "friend" } : [];
        var run = await given.RunAsync(new RunSpec { Customers = [1, 2, 3], Defaults = defaults });
        await given.ExecuteAsync(
            """
            INSERT INTO field (name, type, sensitive, profiling, updated_at) VALUES ('name', 'text', true, false, now());
            UPDATE contact SET sensitive_consent = false WHERE customer_key = 2;
            """
        );
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);

        Assert.Equal(states, await given.StatesAsync(run));
        Assert.Equal(
            said,
            string.Join(", ", gateway.Ledger.Select(one => $"{Key(one)} {one.Variables["name"]}").Order())
        );
    }

    [Fact]
    public async Task Who_has_the_first_such_event_of_all_while_others_are_sent_to_needs_no_touch()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 20) });
        var gateway = new ScriptedGateway(Channel.Sms);
        gateway.Answer = async request =>
        {
            if (gateway.Requests == 1)
            {
                await given.ExecuteAsync(
                    """
                    INSERT INTO event_type (name) VALUES ('bought');
                    INSERT INTO event (customer_key, occurred_at, recorded_at, event_type, event_source, event_id)
                    SELECT 15, now(), now(), event_type, 1, 'e' FROM event_type;
                    """
                );
            }

            return gateway.Accept(request);
        };
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);

        Assert.Equal("accepted 19, suppressed(converted) 1", await given.StatesAsync(run));
    }

    [Fact]
    public async Task Who_converted_without_a_touch_is_not_taken_for_one_that_lies_between()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        var run = await given.RunAsync(new RunSpec { Customers = Enumerable.Range(1, 10).Select(i => 2 * i) });
        await given.ExecuteAsync(
            """
            INSERT INTO event_type (name) VALUES ('bought');
            INSERT INTO event (customer_key, occurred_at, recorded_at, event_type, event_source, event_id)
            SELECT 5, now(), now(), event_type, 1, 'e' FROM event_type;
            """
        );
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);

        await node.LaneAsync(run);

        Assert.Equal("accepted 10", await given.StatesAsync(run));
        Assert.Equal(0, await given.AskAsync<int>("SELECT count(*)::int FROM attempt WHERE 5 = ANY (withheld_keys)"));
    }

    [Fact]
    public async Task Two_campaigns_at_once_never_pass_a_cap_together()
    {
        await using var given = await GivenRun.CreateAsync(customers: 100);
        var spec = new RunSpec
        {
            Customers = Enumerable.Range(1, 100),
            Caps = new FrequencyCaps { PerDay = 1 },
        };
        var runs = new[] { await given.RunAsync(spec), await given.RunAsync(spec), await given.RunAsync(spec) };
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);

        await Task.WhenAll(runs.Select(run => node.LaneAsync(run)));

        Assert.Equal(100, gateway.Ledger.Count);
        Assert.Equal(100, gateway.Ledger.Select(Key).Distinct().Count());
        Assert.Equal(1, await given.AskAsync<int>("SELECT max(contacts & 15) FROM contact"));
    }

    [Fact]
    public async Task A_servicing_message_needs_no_consent_and_takes_no_place()
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        await given.ExecuteAsync("UPDATE contact SET consented = 0, opted_out = 7");
        var run = await given.RunAsync(
            new RunSpec
            {
                Customers = [1, 2, 3],
                Purpose = Purpose.Servicing,
                Caps = new FrequencyCaps { PerDay = 1 },
            }
        );
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);

        await node.LaneAsync(run);

        Assert.Equal("accepted 3", await given.StatesAsync(run));
        Assert.Equal(0, await given.AskAsync<int>("SELECT max(contacts) FROM contact"));
    }

    [Fact]
    public async Task R8_a_servicing_message_that_profiles_leaves_out_who_refused_that_since_it_was_planned()
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        var run = await given.RunAsync(Profiling([Channel.Sms]));
        await given.ExecuteAsync(RefuseProfiling);
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);

        await node.LaneAsync(run);

        Assert.Equal("accepted 2, suppressed(personalisation_off) 1", await given.StatesAsync(run));
    }

    [Fact]
    public async Task R8_who_refuses_profiling_while_it_is_on_the_wire_gets_it_by_no_other_channel_and_not_again()
    {
        await using var given = await GivenRun.CreateAsync(customers: 3);
        var refused = await given.RunAsync(Profiling([Channel.WeChat, Channel.Sms]));
        var unanswered = await given.RunAsync(Profiling([Channel.App]));
        var wechat = new ScriptedGateway(Channel.WeChat)
        {
            Answer = async request =>
            {
                await given.ExecuteAsync(RefuseProfiling);
                return await Answered(SendState.Rejected, request);
            },
        };
        var app = new ScriptedGateway(Channel.App)
        {
            Answer = _ => Task.FromResult<SendResult>(new SendResult.Unanswered("cut")),
        };
        await using var node = new Node(given.DataSource, [wechat, new ScriptedGateway(Channel.Sms), app]);

        await node.LaneAsync(unanswered);
        await node.LaneAsync(refused);
        await node.LaneAsync(refused, wave: 2);
        await given.PassAsync(TimeSpan.FromMinutes(2));
        await node.LaneAsync(unanswered);

        Assert.Equal("accepted 2, failed 1", await given.StatesAsync(refused));
        Assert.Equal((1, "unknown 3"), (app.Requests, await given.StatesAsync(unanswered)));
    }

    private const string RefuseProfiling = "UPDATE contact SET personalisation_off = true WHERE customer_key = 2";

    private static RunSpec Profiling(IReadOnlyList<Channel> channels) =>
        new()
        {
            Customers = [1, 2, 3],
            Channels = channels,
            Purpose = Purpose.Servicing,
            UsesProfiling = true,
        };

    private static Task<SendResult> Answered(SendState state, SendRequest request) =>
        Task.FromResult<SendResult>(
            new SendResult.Answered([.. request.Items.Select(_ => new ItemResult(state, "no", null))])
        );

    private static long Key(LedgerEntry entry) => long.Parse(entry.TouchKey[(entry.TouchKey.LastIndexOf('-') + 1)..]);
}
