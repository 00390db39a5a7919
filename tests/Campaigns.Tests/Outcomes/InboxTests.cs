using System.Text.Json;
using Campaigns.Access;
using Campaigns.Api.Edge;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Customers.Inbox;
using Campaigns.Outcomes;
using Campaigns.Reports;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Receipts;
using Campaigns.Tests.Support;
using Dapper;
using static Campaigns.Tests.Outcomes.GivenInbox;

namespace Campaigns.Tests.Outcomes;

public sealed class InboxTests
{
    [Fact]
    public async Task What_was_sent_is_delivered_and_waits_unread_with_the_customers_own_values()
    {
        await using var bank = await CreateAsync();
        var run = await bank.SendAsync();

        Assert.Equal("delivered 3", await bank.Given.StatesAsync(run));
        Assert.Equal("accepted 3, attempted 3, delivered 3", await ReceiptTests.CountersAsync(bank.Given, run));
        await using var connection = await bank.Given.DataSource.OpenConnectionAsync();
        var again = (
            await connection.QueryAsync<(string, long)>(
                $"SELECT metric, sum(n)::bigint FROM ({Recount.Cells}) c GROUP BY 1",
                new { runKey = run }
            )
        ).ToDictionary();
        Assert.All(["attempted", "accepted", "delivered"], metric => Assert.Equal(3, again[metric]));
        var inbox = await bank.ListAsync("c2");
        Assert.Equal((1, null), (inbox.Unread, inbox.Next));
        var message = Assert.Single(inbox.Items);
        Assert.Equal(
            ("Dear name 2", InboxState.Unread, "campaign-1", Purpose.Marketing),
            (message.Text, message.State, message.CampaignId, message.Purpose)
        );
        Assert.Equal(TimeSpan.FromDays(30), message.ExpiresAt - message.StoredAt);
    }

    [Fact]
    public async Task Who_has_consented_is_reached_without_any_address_and_nobody_else_is()
    {
        await using var bank = await CreateAsync();
        await bank.Given.ExecuteAsync(
            """
            DELETE FROM address;
            UPDATE contact SET reachable = 0, consented = CASE customer_key WHEN 3 THEN 3 ELSE 4 END
            """
        );
        var run = await bank.SendAsync();
        Assert.Equal("delivered 2, suppressed(no_consent) 1", await bank.Given.StatesAsync(run));

        var servicing = await bank.SendAsync(new RunSpec { Customers = [1, 2, 3], Purpose = Purpose.Servicing });
        Assert.Equal("delivered 2, suppressed(unreachable) 1", await bank.Given.StatesAsync(servicing));
    }

    [Fact]
    public async Task A_mark_changes_the_message_and_is_an_engagement_once()
    {
        await using var bank = await CreateAsync();
        var run = await bank.SendAsync();
        var id = (await bank.OnlyAsync("c1")).Id;

        Assert.Equal(1, (await bank.MarkAsync("c1", Mark(id, InboxMarkKind.Shown))).Created);
        Assert.Equal(1, (await bank.MarkAsync("c1", Mark(id, InboxMarkKind.Shown))).Unchanged);
        var shown = await bank.ListAsync("c1");
        Assert.Equal((InboxState.Shown, 0), (shown.Items[0].State, shown.Unread));

        var clicks = await bank.MarkAsync("c1", Mark(id, InboxMarkKind.Clicked), Mark(id, InboxMarkKind.Clicked));
        Assert.Equal((1, 1), (clicks.Created, clicks.Unchanged));
        Assert.Equal(InboxState.Clicked, (await bank.OnlyAsync("c1")).State);
        await bank.MarkAsync("c1", Mark(id, InboxMarkKind.Dismissed));
        Assert.Equal(InboxState.Dismissed, (await bank.OnlyAsync("c1")).State);

        Assert.Equal("c1 clicked, c1 dismissed, c1 opened", await bank.EngagementsAsync(run));
        Assert.Contains(
            "opened 1, opened_customers 1",
            await ReceiptTests.CountersAsync(bank.Given, run),
            StringComparison.Ordinal
        );
        Assert.Equal(1, (await bank.ListAsync("c2")).Unread);
    }

    [Fact]
    public async Task Marks_are_judged_one_by_one()
    {
        await using var bank = await CreateAsync();
        await bank.SendAsync();
        var (own, others) = ((await bank.OnlyAsync("c1")).Id, (await bank.OnlyAsync("c2")).Id);
        var now = DateTimeOffset.UtcNow;

        var answer = await bank.MarkAsync(
            "c1",
            Mark("no number", InboxMarkKind.Shown),
            Mark(others, InboxMarkKind.Shown),
            Mark(own, InboxMarkKind.Shown, now.AddMinutes(6)),
            Mark(own, InboxMarkKind.Clicked, now.AddMinutes(4))
        );

        Assert.Equal((1, 3), (answer.Created, answer.Refused));
        Assert.Equal(["not-found", "not-found", "invalid-time", null], answer.Items.Select(item => item.Type));
        Assert.Equal("at", Assert.Single(answer.Items[2].Errors!).Path);
        Assert.Equal(InboxState.Clicked, (await bank.OnlyAsync("c1")).State);
        Assert.Equal(InboxState.Unread, (await bank.OnlyAsync("c2")).State);
    }

    [Fact]
    public async Task What_cannot_be_asked_is_refused()
    {
        await using var bank = await CreateAsync();
        await bank.SendAsync();
        var id = (await bank.OnlyAsync("c1")).Id;
        var backend = bank.Api.As(Role.Backend);

        await bank.PostAsync("c1", [.. Enumerable.Repeat(Mark(id, InboxMarkKind.Shown), 1_001)])
            .RefusedAsync(413, "batch-too-large");
        await bank.PostAsync("c1").RefusedAsync(400, "validation-failed");
        await bank.PostAsync("nobody", Mark(id, InboxMarkKind.Shown)).RefusedAsync(404, "not-found");
        await bank.PostAsync("c1", Mark("7777", InboxMarkKind.Shown)).RefusedAsync(404, "not-found");
        await backend.GetAsync("/v1/customers/nobody/inbox").RefusedAsync(404, "not-found");
        await backend.GetAsync("/v1/customers/c1/inbox?cursor=AAAAAAAAAAAAAAAA").RefusedAsync(400, "invalid-cursor");
        await backend.GetAsync("/v1/customers/c1/inbox?limit=0").RefusedAsync(400, "validation-failed");
        await bank.Api.As(Role.Analyst).GetAsync("/v1/customers/c1/inbox").RefusedAsync(403, "forbidden");
        Assert.Equal(InboxState.Unread, (await bank.OnlyAsync("c1")).State);
    }

    [Fact]
    public async Task The_inbox_is_read_page_by_page_from_the_newest()
    {
        await using var bank = await CreateAsync();
        for (var message = 1; message <= 3; message++)
        {
            await bank.SendAsync(new RunSpec { Customers = [1], Text = $"{message}" });
        }

        var first = await bank.ListAsync("c1", "?limit=2");
        var last = await bank.ListAsync("c1", $"?limit=2&cursor={first.Next}");

        Assert.Equal(["3", "2", "1"], first.Items.Concat(last.Items).Select(message => message.Text));
        Assert.Equal((3, 3, null), (first.Unread, last.Unread, last.Next));
        await bank
            .Api.As(Role.Backend)
            .GetAsync($"/v1/customers/c2/inbox?cursor={first.Next}")
            .RefusedAsync(400, "invalid-cursor");
    }

    [Fact]
    public async Task An_expired_message_is_not_shown_can_be_marked_for_a_week_and_goes()
    {
        await using var bank = await CreateAsync();
        var run = await bank.SendAsync();
        var id = (await bank.OnlyAsync("c1")).Id;

        await bank.Given.PassAsync(TimeSpan.FromDays(30));
        Assert.Empty((await bank.ListAsync("c1")).Items);
        Assert.Equal(0, (await bank.ListAsync("c1")).Unread);
        await bank.Node.SweepAsync();
        Assert.Equal(1, (await bank.MarkAsync("c1", Mark(id, InboxMarkKind.Shown))).Created);
        Assert.Equal("c1 opened", await bank.EngagementsAsync(run));

        await bank.Given.PassAsync(TimeSpan.FromDays(7));
        await bank.Node.SweepAsync();
        await bank.PostAsync("c1", Mark(id, InboxMarkKind.Clicked)).RefusedAsync(404, "not-found");
        Assert.Equal(0, await bank.Given.AskAsync<int>("SELECT count(*)::int FROM inbox_message"));
    }

    [Fact]
    public async Task Of_a_cancelled_campaign_only_what_was_read_is_still_shown()
    {
        await using var bank = await CreateAsync();
        var run = await bank.Given.RunAsync(
            new RunSpec
            {
                Customers = [1, 2, 3],
                Channels = [Channel.App],
                ChunkSize = 1,
            }
        );
        await bank.Given.ExecuteAsync("UPDATE chunk SET due_at = due_at + interval '30 min' WHERE low_key = 3");
        await bank.Node.LaneAsync(run);
        await bank.MarkAsync("c1", Mark((await bank.OnlyAsync("c1")).Id, InboxMarkKind.Shown));

        await bank.Node.Control.CancelAsync("campaign-1", Actor.Service, default);

        Assert.Equal(InboxState.Shown, (await bank.OnlyAsync("c1")).State);
        var unread = await bank.ListAsync("c2");
        Assert.Empty(unread.Items);
        Assert.Equal(0, unread.Unread);
    }

    [Fact]
    public async Task Who_refuses_is_shown_no_unread_marketing_any_more()
    {
        await using var bank = await CreateAsync();
        await bank.SendAsync();
        await bank.SendAsync(
            new RunSpec
            {
                Customers = [1, 2],
                UsesProfiling = true,
                Text = "because you",
            }
        );
        await bank.SendAsync(
            new RunSpec
            {
                Customers = [1, 2],
                Purpose = Purpose.Servicing,
                Text = "your card",
            }
        );

        await bank.Given.ExecuteAsync(
            """
            UPDATE contact SET opted_out = 4 WHERE customer_key = 1;
            UPDATE contact SET personalisation_off = true WHERE customer_key = 2
            """
        );

        Assert.Equal(["your card"], (await bank.ListAsync("c1")).Items.Select(message => message.Text));
        Assert.Equal(["your card", "Dear name 2"], (await bank.ListAsync("c2")).Items.Select(message => message.Text));
        Assert.Equal((1, 2), ((await bank.ListAsync("c1")).Unread, (await bank.ListAsync("c2")).Unread));
    }

    [Fact]
    public async Task An_erased_customer_has_no_inbox()
    {
        await using var bank = await CreateAsync();
        await bank.SendAsync();
        var backend = bank.Api.As(Role.Backend);

        using var erased = await backend.DeleteAsync("/v1/customers/c1");
        Assert.True(erased.IsSuccessStatusCode);

        await backend.GetAsync("/v1/customers/c1/inbox").RefusedAsync(404, "not-found");
        Assert.Equal(2, await bank.Given.AskAsync<int>("SELECT count(*)::int FROM inbox_message"));
    }

    [Fact]
    public async Task A_mark_counts_for_the_run_its_message_came_from()
    {
        await using var bank = await CreateAsync();
        var run = await bank.SendAsync();
        await bank.Given.ExecuteAsync(
            """
            INSERT INTO run (run_key, campaign_key, number, campaign_version, state, as_of, plan, created_at, planned_at)
            SELECT -1000, campaign_key, 2, 1, 'planned', as_of, plan, created_at, planned_at FROM run;
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at)
            SELECT -1000, wave, channel, opens_at, closes_at FROM wave;
            INSERT INTO decision (customer_key, run_key, wave, step, reason, channel, variant)
            SELECT customer_key, -1000, wave, step, reason, channel, variant FROM decision
            """
        );

        await bank.MarkAsync("c1", Mark((await bank.OnlyAsync("c1")).Id, InboxMarkKind.Shown));

        Assert.Equal("c1 opened", await bank.EngagementsAsync(run));
        Assert.Equal("", await bank.EngagementsAsync(-1000));
    }
}
