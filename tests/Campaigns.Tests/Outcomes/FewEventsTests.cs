using Campaigns.Customers;
using Campaigns.Outcomes;
using Campaigns.Results;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Outcomes;

public sealed class FewEventsTests
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Fact]
    public async Task Callers_that_come_together_are_committed_together_and_each_gets_its_own_answer()
    {
        await using var given = await GivenArms.CreateAsync(treated: 200, heldOut: 200);
        var wrong = given.Buys("t1", Day) with { Currency = "yuan" };
        var entries = Everyone(given, 200).Append(wrong).ToList();

        var answers = await RecordAsync(Few(given), entries);

        Assert.All(answers.SkipLast(1), answer => Assert.Equal(ItemStatus.Created, Assert.Single(answer.Value).Status));
        Assert.Equal("currency", Assert.Single(answers[^1].Value[0].Error!.Fields).Path);
        Assert.Equal(entries.Select(entry => entry.Id), answers.Select(answer => answer.Value[0].Id));
        Assert.Equal("200/200", await given.ConvertedAsync());
        Assert.InRange(await given.AskAsync<long>("SELECT count(*) FROM audit"), 1, 40);
    }

    [Fact]
    public async Task Who_gives_a_few_is_answered_for_each_of_them_by_its_place()
    {
        await using var given = await GivenArms.CreateAsync(treated: 200, heldOut: 0);
        var few = Few(given);

        var answers = await Task.WhenAll(
            Enumerable
                .Range(0, 20)
                .Select(caller =>
                    few.RecordAsync(
                        GivenArms.Backend,
                        [.. Enumerable.Range(1, 10).Select(n => given.Buys($"t{(caller * 10) + n}", Day))]
                    )
                )
        );

        Assert.All(answers, answer => Assert.Equal(Enumerable.Range(0, 10), answer.Value.Select(item => item.Index)));
        Assert.All(answers.SelectMany(answer => answer.Value), item => Assert.Equal(ItemStatus.Created, item.Status));
        Assert.Equal("200/0", await given.ConvertedAsync());
    }

    [Fact]
    public async Task One_that_the_database_will_not_take_fails_alone()
    {
        await using var given = await GivenArms.CreateAsync(treated: 50, heldOut: 50);
        await given.ExecuteAsync("ALTER TABLE event ADD CHECK (event_id <> 'poison')");
        var entries = Everyone(given, 50).Append(given.Buys("t1", Day, "poison")).ToList();
        var few = Few(given);

        var answers = entries.Select(entry => few.RecordAsync(GivenArms.Backend, [entry])).ToList();

        await Assert.ThrowsAnyAsync<Npgsql.PostgresException>(() => answers[^1]);
        Assert.All(
            await Task.WhenAll(answers.SkipLast(1)),
            answer => Assert.Equal(ItemStatus.Created, Assert.Single(answer.Value).Status)
        );
        Assert.Equal("50/50", await given.ConvertedAsync());
    }

    [Fact]
    public async Task A_cut_connection_is_waited_for_and_nothing_is_lost_or_counted_twice()
    {
        await using var given = await GivenArms.CreateAsync(treated: 50, heldOut: 50);
        await using var blocking = await given.DataSource.OpenConnectionAsync();
        await using var held = await blocking.BeginTransactionAsync();
        await ExecuteAsync(blocking, "LOCK TABLE event IN EXCLUSIVE MODE");
        var answers = RecordAsync(Few(given), Everyone(given, 50));
        await Eventually.BeAsync(
            () => given.AskAsync<long>($"SELECT count(*) {Waiting}"),
            waiting => waiting > 0,
            "a lane that waits"
        );

        await given.ExecuteAsync($"SELECT pg_terminate_backend(pid) {Waiting}");
        await held.RollbackAsync();

        Assert.All(await answers, answer => Assert.Null(answer.Error ?? answer.Value[0].Error));
        Assert.Equal("50/50", await given.ConvertedAsync());
    }

    [Fact]
    public async Task More_than_can_wait_are_refused_at_once_and_may_come_again()
    {
        await using var given = await GivenArms.CreateAsync();
        var few = Few(given);
        await using var blocking = await given.DataSource.OpenConnectionAsync();
        await using var held = await blocking.BeginTransactionAsync();
        await ExecuteAsync(blocking, "LOCK TABLE event IN EXCLUSIVE MODE");
        var entries = Enumerable
            .Range(0, FewEvents.MostWaiting + (3 * FewEvents.MostTogether))
            .Select(n => given.Buys("t1", Day, $"n-{n}"))
            .ToList();

        var answers = entries.Select(entry => few.RecordAsync(GivenArms.Backend, [entry])).ToList();
        var refused = answers.Where(answer => answer is { IsCompleted: true, Result.Error: not null }).ToList();
        await held.RollbackAsync();

        Assert.NotEmpty(refused);
        Assert.All(
            refused,
            answer =>
                Assert.Equal(
                    ("overloaded", true),
                    (answer.Result.Error!.Type, answer.Result.Error.RetryAfter > TimeSpan.Zero)
                )
        );
        var taken = (await Task.WhenAll(answers)).Count(answer => answer.Error is null);
        Assert.Equal(taken, await given.AskAsync<long>("SELECT count(*) FROM event"));
    }

    private const string Waiting =
        "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

    private static FewEvents Few(GivenArms given) => new(new EventIntake(given.DataSource), TimeProvider.System);

    private static List<EventEntry> Everyone(GivenArms given, int each) =>
        [.. Enumerable.Range(1, each).SelectMany(i => new[] { given.Buys($"t{i}", Day), given.Buys($"h{i}", Day) })];

    private static Task<Result<IReadOnlyList<BatchItem>>[]> RecordAsync(
        FewEvents few,
        IReadOnlyList<EventEntry> entries
    ) => Task.WhenAll(entries.Select(entry => few.RecordAsync(GivenArms.Backend, [entry])));

    private static async Task ExecuteAsync(Npgsql.NpgsqlConnection connection, string sql)
    {
        await using var command = new Npgsql.NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
