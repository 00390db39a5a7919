using Campaigns.Access;
using Campaigns.Api.Endpoints;
using Campaigns.Customers;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Outcomes;

/// <summary>Which goal events are one and the same, and whom and what they count for.</summary>
public sealed class GoalEventTests
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Fact]
    public async Task The_same_id_from_two_sources_is_two_events_and_each_takes_back_its_own()
    {
        await using var given = await GivenArms.CreateAsync(everyTime: true);
        var atTheBranch = given.Buys("t1", Day, "1", 7) with { Source = "branch" };

        var batch = await given.RecordAsync(given.Buys("t1", Day, "1", 5), atTheBranch, atTheBranch);

        Assert.Equal(
            [ItemStatus.Created, ItemStatus.Created, ItemStatus.Unchanged],
            batch.Items.Select(item => item.Status)
        );
        Assert.Equal((1, 2, 12m), await TreatedAsync(given));

        await given.RecordAsync(given.Cancels("t1", "1") with { Source = "branch" });

        Assert.Equal((1, 1, 5m), await TreatedAsync(given));
    }

    [Fact]
    public async Task Whom_the_bank_does_not_know_yet_is_in_neither_arm_of_the_report()
    {
        await using var given = await GivenArms.CreateAsync();
        var before = await given.ReportAsync();

        var batch = await given.RecordAsync(given.Buys("nobody", Day, amount: 9), given.Buys("t1", Day));

        Assert.Equal([true, false], batch.Items.Select(item => item.Unmatched));
        foreach (var report in new[] { await given.ReportAsync(), await given.ExactAsync() })
        {
            Assert.Equal(before.Ledger.Audience, report.Ledger.Audience);
            Assert.Equal((1, 0), (report.Lift.Treated.Converted, report.Lift.Control.Converted));
            Assert.Equal(0, report.Lift.Treated.Value);
        }
    }

    [Fact]
    public async Task Among_ten_thousand_runs_with_the_goal_an_event_counts_for_those_that_decided_for_the_customer()
    {
        await using var given = await GivenArms.CreateAsync();
        await given.ExecuteAsync(
            """
            INSERT INTO run (run_key, campaign_key, number, campaign_version, state, as_of, plan, created_at, planned_at)
            SELECT run_key - i, campaign_key, 1 + i, 1, 'closed', as_of, plan, created_at, planned_at
            FROM run, generate_series(1, 10000) i;
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at)
            SELECT r.run_key, w.wave, w.channel, w.opens_at, w.closes_at
            FROM wave w, run r
            WHERE r.run_key <> w.run_key;
            INSERT INTO decision (customer_key, run_key, wave, step, reason, channel, variant)
            SELECT customer_key, d.run_key - 5000, wave, step, reason, channel, variant
            FROM decision d JOIN customer c USING (customer_key) WHERE c.customer_id IN ('t1', 'h1')
            """
        );

        await given.RecordAsync(given.Buys("t1", Day), given.Buys("t2", Day), given.Buys("h1", Day));

        Assert.Equal(
            "1: 3, 5001: 2",
            await given.AskAsync<string>(
                """
                SELECT string_agg(number || ': ' || events, ', ' ORDER BY number)
                FROM (SELECT number, count(*) AS events FROM conversion JOIN run USING (run_key) GROUP BY number) n
                """
            )
        );
    }

    [Fact]
    public async Task The_answer_marks_what_is_of_a_customer_whom_the_bank_has_not_stated_yet()
    {
        await using var given = await GivenArms.CreateAsync();
        await using var host = await ApiHost.StartAsync(given.Database);
        var at = given.Start + Day;

        // One by one, as a batch of its own, and sent again.
        Assert.Equal("true -", await SendAsync(0));
        Assert.Equal("true -", await SendAsync(30));
        Assert.Equal("true -", await SendAsync(0));
        await host.As(Role.Backend).PutAsync("/v1/customers/nobody", new { }).ReadAsync<object>();
        Assert.Equal("- -", await SendAsync(0));

        async Task<string> SendAsync(int more)
        {
            var others = Enumerable.Range(0, more).Select(i => Conversion($"m-{i}", "t1"));
            var body = new { conversions = others.Prepend(Conversion("k", "t2")).Prepend(Conversion("u", "nobody")) };
            var answer = await host.As(Role.Backend).PostAsync("/v1/conversions", body).ReadAsync<BatchAnswer>();
            return string.Join(
                ' ',
                answer
                    .Items.Take(2)
                    .Select(item => item.Unmatched is { } unmatched ? (unmatched ? "true" : "false") : "-")
            );
        }

        object Conversion(string id, string customerId) =>
            new
            {
                source = "core-bank",
                id,
                customerId,
                name = GivenArms.Goal,
                occurredAt = at,
            };
    }

    private static async Task<(long, long, decimal)> TreatedAsync(GivenArms given)
    {
        var treated = (await given.ReportAsync()).Lift.Treated;
        Assert.Equal(treated, (await given.ExactAsync()).Lift.Treated);
        return (treated.Converted, treated.Conversions, treated.Value);
    }
}
