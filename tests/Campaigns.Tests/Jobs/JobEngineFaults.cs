using System.Collections.Concurrent;
using Campaigns.Jobs;
using Dapper;
using Xunit;

namespace Campaigns.Tests.Jobs;

/// <summary>What every job engine has to survive, whichever is compiled in.</summary>
public abstract class JobEngineFaults : JobEngineTest
{
    private protected JobEngineFaults(EngineTables tables)
        : base(tables) { }

    [Fact]
    public async Task A_job_by_cron_runs_when_its_minute_comes_and_not_when_another_zone_s_does()
    {
        var node = await NodeAsync("a");
        var soon = TimeZoneInfo.ConvertTime(
            DateTimeOffset.UtcNow.AddSeconds(75), // the minute asked for must not begin before it has been asked for
            TimeZoneInfo.FindSystemTimeZoneById("Asia/Shanghai")
        );
        var cron = $"{soon.Minute} {soon.Hour} * * *";
        await node.Engine.RunEveryAsync(AJob("elsewhere"), cron, "America/New_York", default);

        await node.Engine.RunEveryAsync(AJob("here"), cron, "Asia/Shanghai", default);

        var run = Assert.Single(await Log.RanAsync("here"));
        Assert.Equal(soon.Minute, run.At.Minute);
        Assert.Empty(Log.Of("elsewhere"));
    }

    [Fact]
    public async Task Two_nodes_share_the_work_and_each_job_runs_once()
    {
        var both = new TaskCompletionSource();
        var seen = new ConcurrentDictionary<string, bool>();
        var a = await NodeAsync("a", work: (_, _) => WorkAsync("a"));
        var b = await NodeAsync("b", work: (_, _) => WorkAsync("b"));
        var jobs = Enumerable.Range(0, 60).Select(number => AJob($"part:{number}")).ToList();

        foreach (var job in jobs)
        {
            await (job.Id.EndsWith('1') ? a : b).Engine.RunNowAsync(job, default);
        }

        await Log.UntilAsync(() => Log.Runs.Count >= jobs.Count ? Log : null, "all jobs");
        await FenceAsync(a);
        Assert.All(jobs, job => Assert.Single(Log.Of(job.Id)));
        Assert.All(["a", "b"], name => Assert.Contains(Log.Runs, run => run.Node == name));

        // Nobody ends a job before both nodes have taken one.
        async Task WorkAsync(string node)
        {
            seen[node] = true;
            if (seen.Count == 2)
            {
                both.TrySetResult();
            }

            await both.Task;
        }
    }

    [Fact]
    public async Task What_a_node_asks_for_another_sees_within_seconds()
    {
        var asking = await NodeAsync("asking", worker: false);
        await NodeAsync("working");
        var asked = DateTimeOffset.UtcNow;

        await asking.Engine.RunNowAsync(AJob("prompt"), default);

        var run = Assert.Single(await Log.RanAsync("prompt"));
        Assert.Equal("working", run.Node);
        Assert.True(run.At - asked < TimeSpan.FromSeconds(10), $"seen after {run.At - asked}");
    }

    [Fact]
    public async Task A_node_that_is_no_worker_runs_nothing()
    {
        var asking = await NodeAsync("asking", worker: false);
        await asking.Engine.RunNowAsync(AJob("first"), default);
        var working = await NodeAsync("working");

        await Log.RanAsync("first");
        await FenceAsync(working);

        Assert.All(Log.Runs, run => Assert.Equal("working", run.Node));
    }

    [Fact]
    public async Task A_job_asked_for_again_while_it_runs_runs_once_more_afterwards()
    {
        var release = new TaskCompletionSource();
        var running = 0;
        var node = await NodeAsync("a", work: (job, _) => job.Id == "wave" ? WorkAsync(job) : Task.CompletedTask);
        await node.Engine.RunNowAsync(AJob("wave", "first"), default);
        await Log.RanAsync("wave");

        await node.Engine.RunNowAsync(AJob("wave", "second"), default);
        await FenceAsync(node);
        Assert.Single(Log.Of("wave"));
        release.SetResult();

        var runs = await Log.RanAsync("wave", 2);
        await FenceAsync(node);
        Assert.Equal(["first", "second"], Log.Of("wave").Select(run => run.Job.Argument));

        async Task WorkAsync(Job job)
        {
            Assert.Equal(1, Interlocked.Increment(ref running));
            await (job.Argument == "first" ? release.Task : Task.CompletedTask);
            Interlocked.Decrement(ref running);
        }
    }

    [Fact]
    public async Task A_job_asked_for_again_while_it_runs_and_fails_is_not_lost()
    {
        var release = new TaskCompletionSource();
        var node = await NodeAsync("a", work: (job, _) => job.Argument == "first" ? release.Task : Task.CompletedTask);
        await node.Engine.RunNowAsync(AJob("wave", "first"), default);
        await Log.RanAsync("wave");
        await node.Engine.RunNowAsync(AJob("wave", "second"), default);

        release.SetException(new InvalidOperationException("the first one fails"));

        await Log.UntilAsync(() => Log.Of("wave").FirstOrDefault(run => run.Job.Argument == "second"), "the second");
    }

    [Fact]
    public async Task A_job_may_ask_for_itself_again_and_end()
    {
        JobNode node = null!;
        node = await NodeAsync(
            "a",
            work: (job, cancellationToken) =>
                job.Argument == "first"
                    ? node.Engine.RunAtAsync(
                        AJob("lane", "second"),
                        DateTimeOffset.UtcNow.AddSeconds(1),
                        cancellationToken
                    )
                    : Task.CompletedTask
        );

        await node.Engine.RunNowAsync(AJob("lane", "first"), default);

        await Log.RanAsync("lane", 2);
        await FenceAsync(node);
        Assert.Equal(["first", "second"], Log.Of("lane").Select(run => run.Job.Argument));
    }

    [Fact]
    public async Task A_job_that_asks_for_itself_again_and_then_throws_is_not_lost()
    {
        JobNode node = null!;
        node = await NodeAsync("a", work: WorkAsync);

        await node.Engine.RunNowAsync(AJob("lane", "first"), default);

        await Log.UntilAsync(() => Log.Of("lane").FirstOrDefault(run => run.Job.Argument == "second"), "the second");

        async Task WorkAsync(Job job, CancellationToken cancellationToken)
        {
            if (job.Argument == "first")
            {
                await node.Engine.RunAtAsync(
                    AJob("lane", "second"),
                    DateTimeOffset.UtcNow.AddSeconds(3),
                    cancellationToken
                );
                throw new InvalidOperationException("after asking");
            }
        }
    }

    [Fact]
    public async Task A_job_asked_for_many_times_at_once_never_runs_beside_itself()
    {
        var running = 0;
        var overlaps = 0;
        var nodes = new[] { await NodeAsync("a", work: WorkAsync), await NodeAsync("b", work: WorkAsync) };

        await Task.WhenAll(
            Enumerable
                .Range(0, 10)
                .Select(number => nodes[number % 2].Engine.RunNowAsync(AJob("wave", "last"), default))
        );

        await Log.RanAsync("wave");
        await FenceAsync(nodes[0]);
        Assert.Equal(0, overlaps);
        Assert.InRange(Log.Of("wave").Count, 1, 10);

        async Task WorkAsync(Job job, CancellationToken cancellationToken)
        {
            if (job.Id != "wave")
            {
                return;
            }

            if (Interlocked.Increment(ref running) > 1)
            {
                Interlocked.Increment(ref overlaps);
            }

            await Task.Yield();
            Interlocked.Decrement(ref running);
        }
    }

    [Fact]
    public async Task A_job_that_throws_is_tried_again_until_it_succeeds()
    {
        var tries = 0;
        var node = await NodeAsync(
            "a",
            work: (_, _) =>
                Interlocked.Increment(ref tries) < 3
                    ? throw new InvalidOperationException("not yet")
                    : Task.CompletedTask
        );

        await node.Engine.RunNowAsync(AJob("stubborn"), default);

        var runs = await Log.RanAsync("stubborn", 3);
        Assert.True(runs[2].At - runs[1].At > TimeSpan.FromSeconds(0.9), "it does not wait between two tries");
        await FenceAsync(node);
        Assert.Equal(3, Log.Of("stubborn").Count);
    }

    [Fact]
    public async Task A_job_that_throws_can_be_forgotten()
    {
        var node = await NodeAsync(
            "a",
            work: (job, _) => job.Id == "poison" ? throw new InvalidOperationException("never") : Task.CompletedTask
        );
        await node.Engine.RunNowAsync(AJob("poison"), default);
        await Log.RanAsync("poison", 2);

        await node.Engine.ForgetAsync("poison", default);

        var before = Log.Of("poison").Count;
        await node.Engine.RunAtAsync(AJob("fence"), DateTimeOffset.UtcNow.AddSeconds(4), default);
        await Log.RanAsync("fence");
        Assert.InRange(Log.Of("poison").Count, before, before + 1);
    }

    [Fact]
    public async Task The_job_of_a_node_that_is_killed_runs_on_another()
    {
        await using var doomed = DoomedJobNode.Start(Tables.Engine, Database.ConnectionString);
        var asking = await NodeAsync("asking", worker: false);
        await asking.Engine.RunNowAsync(AJob("wave:1:0", "7/0"), default);
        Assert.Equal("took wave:1:0", await doomed.ReadLineAsync());
        await NodeAsync("survivor");

        await doomed.KillAsync();

        var run = Assert.Single(await Log.RanAsync("wave:1:0"));
        Assert.Equal(("survivor", "7/0"), (run.Node, run.Job.Argument));
    }

    [Fact]
    public async Task A_job_that_a_stopping_node_breaks_off_runs_on_another()
    {
        var leaving = await NodeAsync(
            "leaving",
            work: (_, cancellationToken) => Task.Delay(Timeout.Infinite, cancellationToken)
        );
        await leaving.Engine.RunNowAsync(AJob("wave:1:0"), default);
        await Log.RanAsync("wave:1:0");
        await NodeAsync("staying");

        await leaving.StopAsync();

        var runs = await Log.RanAsync("wave:1:0", 2);
        Assert.Equal(["leaving", "staying"], runs.Select(run => run.Node));
    }

    [Fact]
    public async Task The_engine_survives_the_loss_of_everything_in_its_tables()
    {
        var node = await NodeAsync("a");
        var other = await NodeAsync("b");
        await node.Engine.RunNowAsync(AJob("before"), default);
        await Log.RanAsync("before");
        await node.Engine.RunAtAsync(AJob("lost"), InHours(1), default);

        await EmptyTablesAsync();

        await node.Engine.RunNowAsync(AJob("after"), default);
        await other.Engine.RunAtAsync(AJob("after-in-an-hour"), InHours(1), default);
        await Log.RanAsync("after");
        await MoveClockAsync(TimeSpan.FromHours(2));
        await Log.RanAsync("after-in-an-hour");
        Assert.Empty(Log.Of("lost"));
        var late = await NodeAsync("c");
        await late.Engine.RunNowAsync(AJob("on-a-new-node"), default);
        await Log.RanAsync("on-a-new-node");
    }

    private async Task EmptyTablesAsync()
    {
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        var tables = await connection.QueryAsync<string>(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = @Schema",
            new { Tables.Schema }
        );
        await connection.ExecuteAsync($"TRUNCATE {string.Join(", ", tables)}");
    }
}
