using Npgsql;

namespace Campaigns.Tests.Outcomes;

/// <summary>Goal events that came before their run was planned, and runs whose timetable was shifted.</summary>
public sealed class EarlyEventTests
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Fact]
    public async Task Events_that_came_before_the_run_was_planned_are_counted_afterwards()
    {
        await using var given = await PlannedAfterAsync(await GivenArms.CreateAsync(), "t1", "h1");
        Assert.Equal("0/0", await given.ConvertedAsync());

        await given.CountEarlyAsync();
        await given.CountEarlyAsync();

        Assert.Equal("1/1", await given.ConvertedAsync());
    }

    [Fact]
    public async Task After_a_failure_the_count_goes_on_where_it_was()
    {
        string[] customers = [.. Enumerable.Range(1, 9).SelectMany(i => new[] { $"t{i}", $"h{i}" })];
        await using var given = await PlannedAfterAsync(await GivenArms.CreateAsync(9, 9), customers);
        await given.ExecuteAsync("ALTER TABLE conversion ADD CONSTRAINT cut CHECK (customer_key <> 12)");
        await given.CountEarlyAsync(mostTogether: 5);
        Assert.Equal(10, await given.AskAsync<long>("SELECT count(*) FROM conversion"));
        Assert.Equal(11, await given.AskAsync<long>("SELECT next_key FROM counted_run"));

        await given.ExecuteAsync("ALTER TABLE conversion DROP CONSTRAINT cut");
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => given.CountEarlyAsync(mostTogether: 5))));
        await given.CountEarlyAsync();

        Assert.Equal("9/9", await given.ConvertedAsync());
        Assert.Equal((await given.ReportAsync()).Lift, (await given.ExactAsync()).Lift);
    }

    [Fact]
    public async Task A_run_that_cannot_be_counted_does_not_keep_back_the_others()
    {
        await using var given = await GivenArms.CreateAsync();
        await given.ExecuteAsync(
            """
            INSERT INTO run (run_key, campaign_key, number, campaign_version, state, as_of, plan, created_at, planned_at)
            SELECT run_key - 50, campaign_key, 0, 1, 'closed', as_of, plan, created_at, planned_at FROM run;
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at)
            SELECT r.run_key, w.wave, w.channel, w.opens_at, w.closes_at
            FROM wave w, run r
            WHERE r.run_key <> w.run_key;
            INSERT INTO decision_small (customer_key, run_key, wave, step, reason, channel, variant)
            SELECT customer_key, d.run_key - 50, wave, step, reason, channel, variant
            FROM decision d
            """
        );
        await PlannedAfterAsync(given, "t1", "h1");
        var broken = await given.AskAsync<int>("SELECT min(run_key) FROM run");
        await given.ExecuteAsync($"ALTER TABLE conversion ADD CONSTRAINT cut CHECK (run_key <> {broken})");

        await given.CountEarlyAsync();

        Assert.Equal("1/1", await given.ConvertedAsync());
    }

    [Fact]
    public async Task Whoever_keeps_what_is_counted_is_not_waited_for_at_a_shift()
    {
        await using var given = await GivenArms.CreateAsync();
        await given.RecordAsync(given.Buys("t1", Day), given.Buys("t2", 3 * Day), given.Buys("h1", Day));
        await given.CountEarlyAsync();
        await ShiftAsync(given, by: 2 * Day, at: "now()");
        await using var connection = await given.DataSource.OpenConnectionAsync();
        await using var busy = await connection.BeginTransactionAsync();
        await using var hold = new NpgsqlCommand(
            "SELECT FROM customer WHERE customer_id = 't2' FOR UPDATE",
            connection,
            busy
        );
        await hold.ExecuteNonQueryAsync();

        await given.CountEarlyAsync();

        Assert.Equal("1/0", await given.ConvertedAsync());
    }

    [Fact]
    public async Task A_shift_that_was_decided_before_the_count_and_seen_after_it_is_counted()
    {
        await using var given = await PlannedAfterAsync(await GivenArms.CreateAsync(), "t1", "h1");
        await given.CountEarlyAsync();
        Assert.Equal("1/1", await given.ConvertedAsync());

        await ShiftAsync(given, by: 2 * Day, at: "now() - interval '1 minute'");
        await given.CountEarlyAsync();

        Assert.Equal("0/0", await given.ConvertedAsync());
    }

    /// <summary>Of the runs, which are planned only after these have bought.</summary>
    private static async Task<GivenArms> PlannedAfterAsync(GivenArms given, params string[] customers)
    {
        await given.ExecuteAsync("UPDATE run SET planned_at = NULL");
        await given.RecordAsync([given.Buys("h2", -Day), .. customers.Select(customer => given.Buys(customer, Day))]);
        await given.ExecuteAsync("UPDATE run SET planned_at = now()");
        return given;
    }

    private static Task ShiftAsync(GivenArms given, TimeSpan by, string at) =>
        given.ExecuteAsync(
            $"""
            UPDATE wave SET opens_at = opens_at + interval '{by}', closes_at = closes_at + interval '{by}';
            UPDATE run SET shifted_at = {at}
            """
        );
}
