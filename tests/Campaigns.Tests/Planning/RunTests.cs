using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Segments;
using Campaigns.Tests.Dispatch;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Campaigns.Tests.Planning;

public sealed class RunTests
{
    private const int Customers = 120_000;

    private static readonly CampaignCalendar Calendar = new()
    {
        From = RandomBank.Today,
        To = RandomBank.Today.AddDays(1),
        Windows =
        [
            new SendWindow { From = new(9, 0), To = new(11, 30) },
            new SendWindow { From = new(18, 0), To = new(20, 0) },
        ],
    };

    private static readonly RunPlan Plan = new()
    {
        CampaignId = "random",
        CampaignVersion = 1,
        Purpose = Purpose.Marketing,
        Priority = 5,
        Include = [new SegmentReference("members", 1)],
        Exclude = [],
        Channels = [Channel.WeChat, Channel.Sms],
        Variants = [new PlannedVariant(1, "a", 5_000), new PlannedVariant(2, "b", 10_000)],
        Templates = [],
        Goal = new Goal { Event = "opened", Window = TimeSpan.FromDays(14) },
        Caps = new FrequencyCaps(),
        HoldoutBuckets = 1_000,
        HoldoutSalt = "random:holdout",
        VariantSalt = "random:variant",
    };

    [Fact]
    public async Task Lanes_side_by_side_plan_each_customer_once_and_the_chunks_hold_every_touch_once()
    {
        await using var database = await Databases.CreateAsync();
        var runKey = await CreateLargeRunAsync(database.DataSource);
        var parts = Parts(database.DataSource);

        var done = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => parts.PlanAsync(runKey, default)));

        Assert.Contains(done, planned => planned.Value);
        var completion = new RunCompletion(database.DataSource);
        Assert.True(await completion.CompleteAsync(runKey, default));
        await using var connection = await database.DataSource.OpenConnectionAsync();
        var (decisions, touches, heldOut) = await connection.QuerySingleAsync<(long, long, long)>(
            """
            SELECT count(*), count(*) FILTER (WHERE reason = 0), count(*) FILTER (WHERE reason = 21)
            FROM decision WHERE run_key = @runKey
            """,
            new { runKey }
        );
        Assert.Equal(Customers, decisions);
        Assert.InRange(heldOut, 0.095 * (touches + heldOut), 0.105 * (touches + heldOut));

        var ledger = await Ledgers.ReadAsync(connection, runKey, Plan);
        Assert.Equal((decisions, touches, heldOut), (ledger.Audience, ledger.Touches, ledger.HeldOut));
        Assert.Equal(ledger.Audience, ledger.Touches + ledger.HeldOut + ledger.Suppressed.Values.Sum());
        Assert.Equal(touches, ledger.TouchesByVariant.Values.Sum());

        var inChunks = await connection.QuerySingleAsync<(long Rows, long Customers, long Said, int Most)>(
            """
            SELECT count(*), count(DISTINCT d.customer_key),
                (SELECT sum(touches)::bigint FROM chunk WHERE run_key = @runKey),
                (SELECT max(touches) FROM chunk WHERE run_key = @runKey)
            FROM chunk c JOIN decision d ON d.run_key = c.run_key AND d.wave = c.wave AND d.variant = c.variant
                AND d.reason = 0 AND d.customer_key BETWEEN c.low_key AND c.high_key
            WHERE c.run_key = @runKey
            """,
            new { runKey }
        );
        Assert.Equal((touches, touches, touches), (inChunks.Rows, inChunks.Customers, inChunks.Said));
        Assert.InRange(inChunks.Most, 1, 1_000);
    }

    [Fact]
    public async Task Planning_or_completing_again_adds_nothing()
    {
        await using var database = await Databases.CreateAsync();
        var runKey = await CreateLargeRunAsync(database.DataSource);
        var completion = new RunCompletion(database.DataSource);
        await Parts(database.DataSource).PlanAsync(runKey, default);
        Assert.True(await completion.CompleteAsync(runKey, default));

        Assert.False((await Parts(database.DataSource).PlanAsync(runKey, default)).Value);
        Assert.False(await completion.CompleteAsync(runKey, default));

        await using var connection = await database.DataSource.OpenConnectionAsync();
        Assert.Equal(
            Customers,
            await connection.QuerySingleAsync<long>(
                "SELECT count(*) FROM decision WHERE run_key = @runKey",
                new { runKey }
            )
        );
    }

    [Fact]
    public async Task Planning_that_stands_still_is_woken_by_other_names_and_one_that_goes_on_by_its_own()
    {
        await using var database = await Databases.CreateAsync();
        var runKey = await CreateLargeRunAsync(database.DataSource);
        await using var node = new Node(database.DataSource, []);
        var planner = new Planner(
            database.DataSource,
            Parts(database.DataSource),
            new RunCompletion(database.DataSource),
            node.Engine,
            node.Get<Gateways>(),
            new PlanningOptions()
        );
        using var sweep = new PlanningSweep(planner, TimeProvider.System, NullLogger<PlanningSweep>.Instance);

        for (var pass = 1; pass <= 3; pass++)
        {
            await sweep.RunAsync(default);
        }

        Assert.Equal($"plan:{runKey}:1", FirstLanes());

        for (var pass = 4; pass <= 30; pass++)
        {
            await sweep.RunAsync(default);
        }

        Assert.Equal($"plan:{runKey}:1, plan:{runKey}:1:2, plan:{runKey}:1:3", FirstLanes());

        await using var connection = await database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("UPDATE run_part SET planned_at = now() WHERE part = 1");
        while (node.Engine.TakeDue() is not null) { }
        await sweep.RunAsync(default);
        Assert.Equal($"plan:{runKey}:1", FirstLanes());

        string FirstLanes() =>
            string.Join(
                ", ",
                node.Engine.Asked.Select(asked => asked.Job.Id)
                    .Where(id => id.Split(':')[2] == "1")
                    .Order(StringComparer.Ordinal)
            );
    }

    [Fact]
    public async Task Who_finds_another_completing_the_run_leaves_it_to_that_one()
    {
        await using var database = await Databases.CreateAsync();
        var runKey = await CreateLargeRunAsync(database.DataSource);
        await Parts(database.DataSource).PlanAsync(runKey, default);
        var completion = new RunCompletion(database.DataSource);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await using (var another = new NpgsqlConnection($"{database.ConnectionString};Pooling=false"))
        {
            await another.OpenAsync(default);
            await another.ExecuteAsync("SELECT pg_advisory_lock(hashtext('complete-run'), @runKey)", new { runKey });
            Assert.False(await completion.CompleteAsync(runKey, patience.Token).WaitAsync(patience.Token));
        }

        Assert.True(await completion.CompleteAsync(runKey, default));
    }

    [Fact]
    public async Task One_connection_is_enough_to_plan_and_to_complete()
    {
        await using var database = await Databases.CreateAsync();
        var runKey = await CreateLargeRunAsync(database.DataSource);
        await using var one = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(database.ConnectionString) { MaxPoolSize = 1, Timeout = 10 }
        );

        Assert.True((await Parts(one).PlanAsync(runKey, default)).Value);
        Assert.True(await new RunCompletion(one).CompleteAsync(runKey, default));
    }

    [Fact]
    public async Task A_part_whose_lane_dies_is_wholly_absent_and_planned_by_the_next()
    {
        await using var database = await Databases.CreateAsync();
        var runKey = await CreateLargeRunAsync(database.DataSource);
        await using (var dying = await database.DataSource.OpenConnectionAsync())
        {
            await using var transaction = await dying.BeginTransactionAsync();
            await dying.ExecuteAsync(
                "SELECT FROM run_part WHERE run_key = @runKey AND part = 1 FOR UPDATE",
                new { runKey }
            );
            Assert.False((await Parts(database.DataSource).PlanAsync(runKey, default)).Value);
        }

        Assert.True((await Parts(database.DataSource).PlanAsync(runKey, default)).Value);
        await new RunCompletion(database.DataSource).CompleteAsync(runKey, default);
        await using var connection = await database.DataSource.OpenConnectionAsync();
        Assert.Equal(
            Customers,
            await connection.QuerySingleAsync<long>(
                "SELECT count(*) FROM decision WHERE run_key = @runKey",
                new { runKey }
            )
        );
    }

    private static PartPlanner Parts(NpgsqlDataSource dataSource) =>
        new(dataSource, new SegmentStore(dataSource, new SegmentOptions()));

    private static async Task<int> CreateLargeRunAsync(NpgsqlDataSource dataSource)
    {
        await PlanningBank.PrepareAsync(dataSource);
        await using var connection = await dataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            INSERT INTO customer (customer_id, tags, updated_at)
            SELECT 'C' || i, '{member}', now() FROM generate_series(1, @Customers) i;
            INSERT INTO contact (customer_key, reachable, consented, preferred_slots)
            SELECT customer_key, 1 + customer_key % 3, 3, customer_key % 4 FROM customer;
            ANALYZE customer, contact;
            """,
            new { Customers }
        );
        await using var transaction = await connection.BeginTransactionAsync();
        var run = await RunStore.CreateAsync(connection, 1, 1, Plan, Calendar, RandomBank.AsOf, default);
        await transaction.CommitAsync();
        Assert.True(run.Value.RunKey > 0, "the run should have a table of its own");
        return run.Value.RunKey;
    }
}
