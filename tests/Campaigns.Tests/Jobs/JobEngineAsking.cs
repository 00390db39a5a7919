using Campaigns.Jobs;
using Xunit;

namespace Campaigns.Tests.Jobs;

/// <summary>What every job engine makes of what it is asked, whichever is compiled in.</summary>
public abstract class JobEngineAsking : JobEngineTest
{
    private protected JobEngineAsking(EngineTables tables)
        : base(tables) { }

    [Fact]
    public async Task It_says_its_name()
    {
        var node = await NodeAsync("a");

        Assert.Equal(Tables.Engine, node.Engine.Name);
    }

    [Fact]
    public async Task A_job_asked_for_now_runs_with_what_was_asked()
    {
        var node = await NodeAsync("a");
        var job = new Job("wave:7:0", JobKind.DispatchWave, "7/0", "new-citizens-payday · WeChat · Mon 19:00");

        await node.Engine.RunNowAsync(job, default);

        var run = Assert.Single(await Log.RanAsync(job.Id));
        Assert.Equal(job, run.Job);
    }

    [Fact]
    public async Task Many_can_ask_at_once()
    {
        var node = await NodeAsync("a", worker: false);

        await Parallel.ForEachAsync(
            Enumerable.Range(0, 400),
            new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (i, token) => await node.Engine.RunAtAsync(AJob($"one:{i}"), InHours(1), token)
        );

        Assert.True(await Tables.ShowsAsync(Database, "one:399"));
    }

    [Fact]
    public async Task The_engine_s_own_tables_show_the_title()
    {
        var node = await NodeAsync("a", worker: false);
        var title = "new-citizens-payday · 微信 · Mon 19:00 · 182,344 touches";

        await node.Engine.RunAtAsync(AJob("wave:1:0") with { Title = title }, InHours(1), default);

        Assert.True(await Tables.ShowsAsync(Database, title));
    }

    [Fact]
    public async Task A_job_asked_for_at_an_instant_waits_for_it()
    {
        var node = await NodeAsync("a");
        var at = DateTimeOffset.UtcNow.AddSeconds(2);

        await node.Engine.RunAtAsync(AJob("later"), at, default);

        var run = Assert.Single(await Log.RanAsync("later"));
        Assert.True(run.At >= at, $"ran {at - run.At} early");
    }

    [Fact]
    public async Task A_job_asked_for_at_an_instant_that_has_passed_runs_at_once()
    {
        var node = await NodeAsync("a");

        await node.Engine.RunAtAsync(AJob("late"), InHours(-48), default);

        Assert.Single(await Log.RanAsync("late"));
    }

    [Fact]
    public async Task Instants_are_business_time()
    {
        await MoveClockAsync(TimeSpan.FromDays(10));
        var node = await NodeAsync("a");

        await node.Engine.RunAtAsync(AJob("tomorrow"), InHours(24 * 11), default);
        await node.Engine.RunAtAsync(AJob("yesterday"), InHours(24 * 9), default);

        await Log.RanAsync("yesterday");
        await FenceAsync(node);
        Assert.Empty(Log.Of("tomorrow"));
    }

    [Fact]
    public async Task Jobs_asked_for_at_an_instant_move_with_the_clock()
    {
        var node = await NodeAsync("a");
        await node.Engine.RunAtAsync(AJob("in-one-hour"), InHours(1), default);
        await node.Engine.RunAtAsync(AJob("in-three-hours"), InHours(3), default);

        await MoveClockAsync(TimeSpan.FromHours(2));

        await Log.RanAsync("in-one-hour");
        await FenceAsync(node);
        Assert.Empty(Log.Of("in-three-hours"));
        await MoveClockAsync(TimeSpan.FromHours(4));
        await Log.RanAsync("in-three-hours");
        Assert.Single(Log.Of("in-one-hour"));
    }

    [Fact]
    public async Task A_job_waits_longer_when_the_clock_is_set_back()
    {
        await MoveClockAsync(TimeSpan.FromHours(5));
        var node = await NodeAsync("a");
        await node.Engine.RunAtAsync(AJob("soon"), InHours(5).AddSeconds(10), default);

        await MoveClockAsync(TimeSpan.Zero);
        await node.Engine.ClockMovedAsync(default);

        await node.Engine.RunAtAsync(AJob("fence"), DateTimeOffset.UtcNow.AddSeconds(12), default);
        await Log.RanAsync("fence");
        Assert.Empty(Log.Of("soon"));
    }

    [Fact]
    public async Task A_clock_that_moved_while_no_node_was_up_is_noticed()
    {
        var node = await NodeAsync("a");
        await node.Engine.RunAtAsync(AJob("in-one-hour"), InHours(1), default);
        await node.StopAsync();
        await MoveClockAsync(TimeSpan.FromHours(2));

        await NodeAsync("b");

        Assert.Equal("b", Assert.Single(await Log.RanAsync("in-one-hour")).Node);
    }

    [Fact]
    public async Task A_job_by_cron_runs_in_its_zone()
    {
        var node = await NodeAsync("a", worker: false);

        await node.Engine.RunEveryAsync(AJob("shanghai"), "30 9 * * *", "Asia/Shanghai", default);
        await node.Engine.RunEveryAsync(AJob("new-york"), "30 9 1 1 *", "America/New_York", default);

        Assert.Equal(new TimeSpan(1, 30, 0), (await Tables.NextOfAsync(Database, "shanghai"))?.UtcDateTime.TimeOfDay);
        Assert.Equal(new TimeSpan(14, 30, 0), (await Tables.NextOfAsync(Database, "new-york"))?.UtcDateTime.TimeOfDay);
    }

    [Fact]
    public async Task A_cron_expression_or_zone_that_means_nothing_is_refused()
    {
        var node = await NodeAsync("a", worker: false);

        await Assert.ThrowsAnyAsync<Exception>(() =>
            node.Engine.RunEveryAsync(AJob("x"), "61 * * * *", "Asia/Shanghai", default)
        );
        await Assert.ThrowsAnyAsync<Exception>(() =>
            node.Engine.RunEveryAsync(AJob("x"), "1 * * * *", "Mars/X", default)
        );
    }

    [Fact]
    public async Task A_forgotten_job_does_not_run()
    {
        var node = await NodeAsync("a");
        await node.Engine.RunAtAsync(AJob("forgotten"), InHours(1), default);
        await node.Engine.RunAtAsync(AJob("remembered"), InHours(1), default);
        await node.Engine.RunEveryAsync(AJob("nightly"), "0 3 * * *", "Asia/Shanghai", default);

        await node.Engine.ForgetAsync("forgotten", default);
        await node.Engine.ForgetAsync("nightly", default);
        await node.Engine.ForgetAsync("never-asked", default);

        await MoveClockAsync(TimeSpan.FromHours(2));
        await Log.RanAsync("remembered");
        await FenceAsync(node);
        Assert.Empty(Log.Of("forgotten"));
        Assert.Null(await Tables.NextOfAsync(Database, "nightly"));
    }

    [Fact]
    public async Task A_forgotten_job_can_be_asked_for_again()
    {
        var node = await NodeAsync("a");
        await node.Engine.RunAtAsync(AJob("again", "first"), InHours(1), default);
        await node.Engine.ForgetAsync("again", default);

        await node.Engine.RunNowAsync(AJob("again", "second"), default);

        Assert.Equal("second", Assert.Single(await Log.RanAsync("again")).Job.Argument);
    }

    [Fact]
    public async Task Asking_again_replaces_what_was_asked()
    {
        var node = await NodeAsync("a");
        await node.Engine.RunAtAsync(AJob("wave", "first"), InHours(1), default);
        await node.Engine.RunAtAsync(AJob("wave", "second"), InHours(3), default);

        await MoveClockAsync(TimeSpan.FromHours(2));
        await node.Engine.ClockMovedAsync(default);
        await FenceAsync(node);
        Assert.Empty(Log.Of("wave"));
        await node.Engine.RunNowAsync(AJob("wave", "third"), default);
        await Log.RanAsync("wave");
        await MoveClockAsync(TimeSpan.FromHours(4));
        await node.Engine.ClockMovedAsync(default);
        await FenceAsync(node);

        Assert.Equal("third", Assert.Single(Log.Of("wave")).Job.Argument);
    }
}
