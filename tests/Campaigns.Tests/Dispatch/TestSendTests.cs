using System.Net;
using System.Net.Http.Json;
using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers.Inbox;
using Campaigns.Dispatch;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Simulator;
using Campaigns.Tests.Support;
using Channel = Campaigns.Channels.Channel;

namespace Campaigns.Tests.Dispatch;

/// <summary>Templates sent to testers, over HTTP and through the channels' own gateways.</summary>
public sealed class TestSendTests
{
    private static readonly ReceiptScript AtOnce = new()
    {
        DelaySeconds = 0,
        FailedAddresses = [GivenRun.Address(2, Channel.Sms)],
        RetrySeconds = [1, 1, 1, 1, 1],
    };

    [Fact]
    public async Task Testers_get_it_as_the_preview_shows_it_and_no_counter_knows()
    {
        await using var given = await GivenTesters.CreateAsync();
        await given.TemplateAsync(GivenTesters.Sms);
        var preview = await given
            .Api.As(Role.Marketer)
            .PostAsync("/v1/templates/shown/preview", new TemplatePreviewRequest { CustomerId = "c1" })
            .ReadAsync<TemplatePreview>();

        var sent = await given.SendAsync("c2", "c1");

        Assert.Equal("c2 Accepted, c1 Accepted", GivenTesters.Shown(sent));
        Assert.Equal(["138****0002", "138****0001"], sent.Messages.Select(message => message.Address));
        Assert.Equal(("shown", 1, "bank-sms"), (sent.TemplateId, sent.Version, sent.Gateway));
        var entries = await given.Simulator.LedgerAsync();
        Assert.Equal(preview.Text, entries.Single(entry => entry.Address == GivenRun.Address(1, Channel.Sms)).Content);
        Assert.Equal(2, entries.Count);
        Assert.Equal(
            0,
            await given.Given.AskAsync<int>(
                """
                SELECT (SELECT count(*) FROM attempt)::int + (SELECT count(*) FROM outcome)::int
                     + (SELECT count(*) FROM report_delta)::int + (SELECT count(*) FROM contact WHERE contacts > 0)::int
                """
            )
        );
        Assert.Equal(1, await given.Given.AskAsync<int>("SELECT count(*)::int FROM audit WHERE action = 'tested'"));
    }

    [Fact]
    public async Task Receipts_of_a_test_show_with_it_and_nowhere_else()
    {
        await using var given = await GivenTesters.CreateAsync();
        await given.TemplateAsync(GivenTesters.Sms);
        await given.Simulator.ScriptAsync(
            new Script { Receipts = new Dictionary<string, ReceiptScript> { ["bank-sms"] = AtOnce } }
        );

        var sent = await given.SendAsync("c1", "c2");

        var told = await Eventually.BeAsync(
            () => given.AgainAsync(sent),
            send => send.Messages.All(message => message.State is TestState.Delivered or TestState.Failed),
            "both receipts have come"
        );
        Assert.StartsWith("c1 Delivered, c2 Failed", GivenTesters.Shown(told), StringComparison.Ordinal);
        Assert.Equal(
            0,
            await given.Given.AskAsync<int>(
                "SELECT (SELECT count(*) FROM parked_receipt)::int + (SELECT count(*) FROM receipt)::int"
            )
        );
    }

    [Fact]
    public async Task A_mass_send_takes_two_testers_and_its_counts_are_not_strange()
    {
        await using var given = await GivenTesters.CreateAsync();
        await given.TemplateAsync(GivenTesters.WeChat);
        await given.Simulator.ScriptAsync(
            new Script { Receipts = new Dictionary<string, ReceiptScript> { ["wechat"] = new() { Hold = true } } }
        );

        await given.PostAsync("c1").RefusedAsync(422, "too-few-testers");
        var sent = await given.SendAsync("c1", "c2");
        await given.Simulator.FlushAsync();

        Assert.Equal("c1 Accepted, c2 Accepted", GivenTesters.Shown(sent));
        Assert.Equal(0, await given.Given.AskAsync<int>("SELECT count(*)::int FROM parked_receipt"));
        Assert.Equal(0, await given.Given.AskAsync<int>("SELECT count(*)::int FROM request_receipt"));
    }

    [Fact]
    public async Task A_test_by_the_inbox_lies_there_without_a_campaign_and_may_be_marked()
    {
        await using var given = await GivenTesters.CreateAsync();
        await given.TemplateAsync(GivenTesters.Sms with { Channel = Channel.App, Title = "理财" });

        Assert.Equal("c1 Delivered", GivenTesters.Shown(await given.SendAsync("c1")));

        var backend = given.Api.As(Role.Backend);
        var page = await backend.GetAsync("/v1/customers/c1/inbox").ReadAsync<InboxPage>();
        var message = Assert.Single(page.Items);
        Assert.Equal((null, "name 1，发薪日理财专享。"), (message.CampaignId, message.Text));
        var marks = new InboxMarksBody
        {
            Marks =
            [
                new InboxMarkItem
                {
                    MessageId = message.Id,
                    Mark = InboxMarkKind.Clicked,
                    At = DateTimeOffset.UtcNow,
                },
            ],
        };
        await backend.PostAsync("/v1/customers/c1/inbox/marks", marks).ReadAsync<BatchAnswer>();
        page = await backend.GetAsync("/v1/customers/c1/inbox").ReadAsync<InboxPage>();
        Assert.Equal(Campaigns.Outcomes.InboxState.Clicked, Assert.Single(page.Items).State);
        Assert.Equal(0, await given.Given.AskAsync<int>("SELECT count(*)::int FROM engagement"));
    }

    [Fact]
    public async Task Only_testers_get_one_and_every_stranger_is_named()
    {
        await using var given = await GivenTesters.CreateAsync();
        await given.TemplateAsync(GivenTesters.Sms);

        var strangers = await given.PostAsync("c1", "c3", "nobody").RefusedAsync(422, "not-a-tester");
        Assert.Equal(["testers[1]", "testers[2]"], strangers.Errors.Select(error => error.Path));
        var twice = await given.PostAsync("c1", "c1").RefusedAsync(400, "validation-failed");
        Assert.Equal(["testers[1]"], twice.Errors.Select(error => error.Path));
        await given.PostAsync().RefusedAsync(400, "validation-failed");
        var many = Enumerable.Range(1, 21).Select(number => $"c{number}").ToArray();
        await given.PostAsync(many).RefusedAsync(400, "validation-failed");
        Assert.Empty(await given.Simulator.LedgerAsync());
    }

    [Fact]
    public async Task Who_sends_tests_does_not_keep_the_list_and_who_is_erased_is_off_it()
    {
        await using var given = await GivenTesters.CreateAsync();
        await given.TemplateAsync(GivenTesters.Sms);
        var (marketer, keeper) = (given.Api.As(Role.Marketer), given.Api.As(Role.Operator));

        await marketer.PutAsync("/v1/testers/c3", new TesterBody { Name = "me" }).RefusedAsync(403, "forbidden");
        await marketer.DeleteAsync("/v1/testers/c1").RefusedAsync(403, "forbidden");
        await keeper
            .PostAsync("/v1/templates/shown/test-sends", new TestSendRequest { Testers = ["c1"] })
            .RefusedAsync(403, "forbidden");
        await keeper.PutAsync("/v1/testers/nobody", new TesterBody { Name = "x" }).RefusedAsync(404, "not-found");
        await keeper.PutAsync("/v1/testers/c3", new TesterBody { Name = " " }).RefusedAsync(400, "validation-failed");

        using var removed = await keeper.DeleteAsync("/v1/testers/c1");
        Assert.Equal(HttpStatusCode.NoContent, removed.StatusCode);
        using var erased = await given.Api.As(Role.Backend).DeleteAsync("/v1/customers/c2");
        Assert.True(erased.IsSuccessStatusCode);
        Assert.Empty((await marketer.GetAsync("/v1/testers").ReadAsync<TesterList>()).Items);
        await given.PostAsync("c1", "c2").RefusedAsync(422, "not-a-tester");
    }

    [Fact]
    public async Task It_is_no_way_round_consent_refusal_or_quiet_hours()
    {
        await using var given = await GivenTesters.CreateAsync(customers: 5, testers: 5);
        await given.TemplateAsync(GivenTesters.Sms);
        await given.Given.ExecuteAsync(
            """
            UPDATE contact SET opted_out = 1 WHERE customer_key = 1;
            UPDATE contact SET consented = 6 WHERE customer_key = 2;
            DELETE FROM address WHERE customer_key = 3;
            UPDATE customer SET attributes = '{}' WHERE customer_key = 4;
            """
        );

        Assert.Equal(
            "c1 Withheld(opted_out), c2 Withheld(no_consent), c3 Withheld(unreachable), c4 Withheld(template_error), "
                + "c5 Accepted",
            GivenTesters.Shown(await given.SendAsync("c1", "c2", "c3", "c4", "c5"))
        );

        var hour = TimeZones.ToLocal(TimeZones.Bank, DateTimeOffset.UtcNow).Hour;
        await given.PolicyAsync(new QuietHours { From = new((hour + 23) % 24, 0), To = new((hour + 2) % 24, 0) });
        Assert.Equal("c5 Withheld(quiet_hours)", GivenTesters.Shown(await given.SendAsync("c5")));
        Assert.Single(await given.Simulator.LedgerAsync());
    }

    [Fact]
    public async Task A_day_has_room_for_few()
    {
        await using var given = await GivenTesters.CreateAsync(settings: ("Dispatch:TestsPerDay", "3"));
        await given.TemplateAsync(GivenTesters.Sms);

        await given.SendAsync("c1", "c2");
        await given.PostAsync("c1", "c2").RefusedAsync(429, "rate-limited");
        await given.SendAsync("c1");

        Assert.Equal(3, (await given.Simulator.LedgerAsync()).Count);
    }

    [Fact]
    public async Task A_repeat_with_the_same_key_sends_nothing_more()
    {
        await using var given = await GivenTesters.CreateAsync();
        await given.TemplateAsync(GivenTesters.Sms);
        var numbers = new List<int>();
        for (var i = 0; i < 2; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/templates/shown/test-sends")
            {
                Content = JsonContent.Create(new TestSendRequest { Testers = ["c1"] }, options: ProductJson.Options),
            };
            request.Headers.Add("Idempotency-Key", "once");
            numbers.Add((await given.Api.As(Role.Marketer).SendAsync(request).ReadAsync<TestSend>()).Number);
        }

        Assert.Equal(numbers[0], numbers[1]);
        Assert.Single(await given.Simulator.LedgerAsync());
    }

    [Fact]
    public async Task A_channel_that_is_held_says_why()
    {
        await using var given = await GivenTesters.CreateAsync();
        await given.TemplateAsync(GivenTesters.Sms);
        await given
            .Api.As(Role.Operator)
            .PostAsync("/v1/channels/sms/stop", new StopChannelRequest { Reason = "a fire" });

        var held = await given.PostAsync("c1").RefusedAsync(409, "channel-held");

        Assert.Contains("stopped the channel", held.Detail, StringComparison.Ordinal);
        Assert.Contains("a fire", held.Detail, StringComparison.Ordinal);
        Assert.Empty(await given.Simulator.LedgerAsync());
    }

    [Fact]
    public async Task Wrong_credentials_found_by_a_test_hold_the_gateway_and_are_told()
    {
        await using var given = await GivenTesters.CreateAsync(settings: ("Channels:sms:Secret", "very-wrong"));
        await given.TemplateAsync(GivenTesters.Sms);

        Assert.StartsWith("c1 NotSent(", GivenTesters.Shown(await given.SendAsync("c1")), StringComparison.Ordinal);

        var gateway = (await given.ChannelAsync(Channel.Sms))["gateways"]![0]!;
        Assert.True(gateway["stopped"]!.GetValue<bool>());
        Assert.Contains("then start the channel", gateway["heldBecause"]!.ToString(), StringComparison.Ordinal);
        Assert.NotEmpty(gateway["lastErrors"]!.AsArray());
        Assert.DoesNotContain("very-wrong", gateway.ToJsonString(), StringComparison.Ordinal);
        await given.PostAsync("c1").RefusedAsync(409, "channel-held");
    }

    [Fact]
    public async Task An_answer_that_does_not_come_leaves_it_unknown_and_nothing_is_sent_again()
    {
        await using var given = await GivenTesters.CreateAsync(settings: ("Channels:sms:Timeout", "00:00:01"));
        await given.TemplateAsync(GivenTesters.Sms);
        await given.Simulator.ScriptAsync(new Rule { Do = Act.AcceptThenDrop });

        var sent = await given.SendAsync("c1");

        Assert.Equal("c1 Unknown", GivenTesters.Shown(sent));
        Assert.Single(await given.Simulator.LedgerAsync());
        var error = (await given.ChannelAsync(Channel.Sms))["gateways"]![0]!["lastErrors"]![0]!;
        Assert.Equal("unanswered", error["code"]!.ToString());
    }
}
