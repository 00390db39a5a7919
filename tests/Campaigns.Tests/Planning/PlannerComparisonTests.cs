using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Planning;
using Campaigns.Segments;
using Campaigns.Tests.Support;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Planning;

public sealed class PlannerComparisonTests
{
    private const int Banks = 400;
    private const int PeopleInABank = 15;

    [Fact]
    public async Task The_planner_decides_for_everyone_as_the_naive_planner_does()
    {
        await using var database = await Databases.CreateAsync();
        await PlanningBank.PrepareAsync(database.DataSource);
        var touches = 0;
        var seen = new HashSet<Reason>();

        Seeded.ForAll(
            RandomBank.Cases(PeopleInABank),
            Banks,
            bank =>
            {
                var (expected, actual) = PlanBothAsync(database.DataSource, bank).GetAwaiter().GetResult();
                Assert.Equal(expected, actual);
                touches += actual.Count(d => d.Reason is Reason.Touch);
                seen.UnionWith(actual.Select(d => d.Reason));
            }
        );

        Assert.True(touches > Banks, $"{touches} touches are too few to prove anything");
        var never = Enum.GetValues<Reason>().Except(seen);
        Assert.Equal([Reason.AlreadyEnrolled, Reason.Outranked], never);
    }

    private static async Task<(List<Decided> Expected, List<Decided> Actual)> PlanBothAsync(
        NpgsqlDataSource dataSource,
        Case bank
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        var keyed = await PlanningBank.FillAsync(connection, bank.People);
        var actual = await PlanAsync(dataSource, connection, bank);

        var calculator = WindowCalculator.Create(bank.Calendar, RandomBank.AsOf).Value;
        var naive = new NaivePlanner(bank.Plan, calculator, RandomBank.AsOf);
        return ([.. naive.Decide(keyed).OrderBy(d => d.CustomerKey)], actual);
    }

    private static async Task<List<Decided>> PlanAsync(
        NpgsqlDataSource dataSource,
        NpgsqlConnection connection,
        Case bank
    )
    {
        var created = await RunStore.CreateAsync(connection, 1, 1, bank.Plan, bank.Calendar, RandomBank.AsOf, default);
        if (!created.TryGet(out var run, out var error))
        {
            // No window for anyone present: the launch is refused, and there is nothing to compare.
            Assert.Equal("no-window-left", error.Type);
            return [];
        }

        Assert.True(
            (
                await new PartPlanner(dataSource, new SegmentStore(dataSource, new SegmentOptions())).PlanAsync(
                    run.RunKey,
                    default
                )
            ).Value
        );
        var rows = await connection.QueryAsync<DecisionRow>(
            """
            SELECT d.customer_key, d.reason, d.channel, w.opens_at, d.variant, d.segments
            FROM decision d LEFT JOIN wave w USING (run_key, wave)
            WHERE d.run_key = @RunKey ORDER BY d.customer_key
            """,
            new { run.RunKey }
        );
        return
        [
            .. rows.Select(r => new Decided(
                r.CustomerKey,
                (Reason)r.Reason,
                (Channel?)r.Channel,
                r.OpensAt,
                r.Variant,
                r.Segments
            )),
        ];
    }

    private sealed record DecisionRow
    {
        public long CustomerKey { get; init; }
        public short Reason { get; init; }
        public short? Channel { get; init; }
        public DateTimeOffset? OpensAt { get; init; }
        public short? Variant { get; init; }
        public long? Segments { get; init; }
    }
}
