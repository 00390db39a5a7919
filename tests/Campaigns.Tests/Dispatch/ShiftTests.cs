using Campaigns.Access;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Dispatch;
using Campaigns.Outcomes;
using Campaigns.Planning;
using Dapper;
using Microsoft.Extensions.Logging.Abstractions;

namespace Campaigns.Tests.Dispatch;

/// <summary>Windows are an hour long, from 09:59 in Shanghai, where it is quiet from 20:00 to 08:00.</summary>
public sealed class ShiftTests
{
    private static readonly Actor Operator = new("olga", Role.Operator);
    private static readonly DateTimeOffset Friday = new(2030, 3, 8, 10, 0, 0, TimeSpan.FromHours(8));
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task What_is_left_moves_by_the_pauses_length_and_what_was_open_counts_from_where_it_opened()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(Friday);
        var run = await given.RunAsync(new RunSpec { Windows = 2 });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await given.PassAsync(TimeSpan.FromMinutes(29)); // 10:29

        await ShiftAsync(given, node, TimeSpan.FromHours(2));

        var waves = await WavesAsync(given, run);
        Near("2030-03-08T12:29", waves[0].Opens);
        Near("2030-03-08T12:59", waves[0].Closes);
        Near("2030-03-08T09:59", waves[0].Starts);
        Near("2030-03-09T11:59", waves[1].Opens);
        Near("2030-03-09T12:59", waves[1].Closes);
        Near("2030-03-09T11:59", waves[1].Starts);
        await node.LaneAsync(run);
        Assert.Equal("accepted 20", await given.StatesAsync(run));
    }

    [Fact]
    public async Task A_window_that_was_open_counts_from_where_it_opened_however_often_it_moves()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(Friday);
        var run = await given.RunAsync(new RunSpec());
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        await given.PassAsync(TimeSpan.FromMinutes(29)); // 10:29

        await ShiftAsync(given, node, TimeSpan.FromHours(2)); // 12:29
        await given.ExecuteAsync("UPDATE wave SET opens_at = opens_at + interval '5 minutes'"); // has not opened again
        await ShiftAsync(given, node, TimeSpan.FromHours(1));

        Near("2030-03-08T09:59", Assert.Single(await WavesAsync(given, run)).Starts);
    }

    [Fact]
    public async Task A_window_that_falls_into_quiet_hours_takes_the_next_legal_ones()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(Friday);
        var run = await given.RunAsync(new RunSpec { Windows = 2 });
        var gateway = new ScriptedGateway(Channel.Sms);
        await using var node = new Node(given.DataSource, [gateway]);
        await given.PassAsync(TimeSpan.FromMinutes(29)); // 10:29

        await ShiftAsync(given, node, TimeSpan.FromHours(12)); // 22:29

        var waves = await WavesAsync(given, run);
        Near("2030-03-09T08:00", waves[0].Opens);
        Near("2030-03-09T08:30", waves[0].Closes);
        Near("2030-03-10T08:00", waves[1].Opens);
        Near("2030-03-10T09:00", waves[1].Closes);
        await node.LaneAsync(run);
        Assert.Empty(gateway.Ledger);
        await given.AtAsync(Friday.AddHours(22).AddMinutes(1)); // 08:01 of the next day
        await node.LaneAsync(run);
        Assert.Equal("accepted 20", await given.StatesAsync(run));
    }

    [Fact]
    public async Task A_window_that_reaches_into_quiet_hours_ends_where_they_begin_and_the_rest_rolls()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(Friday);
        var run = await given.RunAsync(new RunSpec { OpensIn = TimeSpan.FromHours(1) }); // 11:00 to 12:00
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);

        await ShiftAsync(given, node, TimeSpan.FromHours(8.5)); // 19:30 to 20:30

        var wave = Assert.Single(await WavesAsync(given, run));
        Near("2030-03-08T19:30", wave.Opens);
        Near("2030-03-08T20:00", wave.Closes);
    }

    [Fact]
    public async Task A_policy_that_was_loosened_since_moves_no_window_out_of_the_hours_that_the_run_has_bound()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(Friday);
        var run = await given.RunAsync(new RunSpec { OpensIn = TimeSpan.FromHours(1), Hours = new ContactHours() });
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        var loose = new ContactPolicy { Hours = new ContactHours { QuietHours = null } };
        Assert.Null((await new ContactPolicies(given.DataSource).PutAsync(Operator, loose, null, default)).Error);

        await ShiftAsync(given, node, TimeSpan.FromHours(12)); // 23:00

        var wave = Assert.Single(await WavesAsync(given, run));
        Near("2030-03-09T08:00", wave.Opens);
        await given.AtAsync(Friday.AddHours(22).AddMinutes(1)); // 08:01 of the next day
        await node.LaneAsync(run);
        Assert.Equal("accepted 20", await given.StatesAsync(run));
    }

    [Fact]
    public async Task A_campaign_of_working_days_goes_on_on_a_working_day()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(Friday);
        var run = await given.RunAsync(new RunSpec { Days = DayKind.Working });
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        await given.PassAsync(TimeSpan.FromMinutes(29));

        await ShiftAsync(given, node, TimeSpan.FromDays(1)); // Saturday

        Near("2030-03-11T08:00", Assert.Single(await WavesAsync(given, run)).Opens);
    }

    [Fact]
    public async Task A_goal_event_between_the_old_opening_and_the_new_counts_for_neither_arm()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(Friday);
        var run = await given.RunAsync(new RunSpec { OpensIn = TimeSpan.FromHours(1) }); // 11:00
        await given.ExecuteAsync("UPDATE decision SET reason = 21 WHERE customer_key IN (1, 2)");
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);
        await node.Control.PauseAsync("campaign-1", Operator, default);
        await given.PassAsync(TimeSpan.FromHours(2)); // 12:00
        await BuyAsync(given, "early", "c1", "c3");
        Assert.Equal("1/1", await ConvertedAsync(given));

        await node.Control.ResumeAsync("campaign-1", Overdue.Shift, Operator, default); // opens at 13:00
        await CountEarlyAsync(given);
        Assert.Equal("0/0", await ConvertedAsync(given));
        Assert.Equal(0, await given.AskAsync<long>("SELECT coalesce(sum(n), 0)::bigint FROM report_delta"));

        await given.PassAsync(TimeSpan.FromMinutes(61));
        await BuyAsync(given, "late", "c1", "c3", "c4");
        Assert.Equal("2/1", await ConvertedAsync(given));
        Assert.NotEqual(0, run);
    }

    [Fact]
    public async Task The_instants_of_paced_chunks_move_with_their_window()
    {
        await using var given = await GivenRun.CreateAsync(customers: 20);
        await given.AtAsync(Friday);
        await given.RunAsync(new RunSpec { OpensIn = TimeSpan.FromHours(1) });
        await given.ExecuteAsync("UPDATE chunk SET due_at = due_at + interval '20 minutes' WHERE chunk = 2");
        await using var node = new Node(given.DataSource, [new ScriptedGateway(Channel.Sms)]);

        await ShiftAsync(given, node, TimeSpan.FromHours(3));

        Near("2030-03-08T14:00", await given.AskAsync<DateTimeOffset>("SELECT due_at FROM chunk WHERE chunk = 1"));
        Near("2030-03-08T14:20", await given.AskAsync<DateTimeOffset>("SELECT due_at FROM chunk WHERE chunk = 2"));
        Assert.Contains(node.Engine.Asked, asked => asked.Job.Title.Contains("14:00", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(9, 11, 9, 11)] // inside
    [InlineData(6, 9, 8, 9)] // its first stretch
    [InlineData(18, 22, 18, 20)] // its first stretch
    [InlineData(19, 40, 19, 20)] // over the night: the stretch before it
    [InlineData(21, 23, 32, 34)] // the next hours, for as long
    [InlineData(21, 31.5, 32, 42.5)]
    [InlineData(20, 34, 32, 34)]
    public void The_first_legal_stretch_is_kept_or_else_the_next_hours_are_taken(
        double opens,
        double closes,
        double expectedOpens,
        double expectedCloses
    )
    {
        LegalWindow[] legal = [Of(8, 20), Of(32, 44)];

        Assert.Equal(Of(expectedOpens, expectedCloses), Timetables.Place(Of(opens, closes), legal));
        Assert.Null(Timetables.Place(Of(44, 45), legal));

        static LegalWindow Of(double from, double to) => new(At(from), At(to));
        static DateTimeOffset At(double hour) => new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero).AddHours(hour);
    }

    private static async Task ShiftAsync(GivenRun given, Node node, TimeSpan pause)
    {
        await node.Control.PauseAsync("campaign-1", Operator, default);
        await given.PassAsync(pause);
        Assert.Null((await node.Control.ResumeAsync("campaign-1", Overdue.Shift, Operator, default)).Error);
    }

    private sealed class Line
    {
        public DateTimeOffset Opens { get; init; }
        public DateTimeOffset Closes { get; init; }
        public DateTimeOffset Starts { get; init; }
    }

    private static async Task<List<Line>> WavesAsync(GivenRun given, int run)
    {
        await using var connection = await given.DataSource.OpenConnectionAsync();
        return (
            await connection.QueryAsync<Line>(
                """
                SELECT opens_at AS opens, closes_at AS closes, coalesce(counts_from, opens_at) AS starts
                FROM wave WHERE run_key = @run ORDER BY wave
                """,
                new { run }
            )
        ).AsList();
    }

    private static void Near(string shanghai, DateTimeOffset instant) =>
        Assert.InRange(instant, Instant(shanghai) - Tick, Instant(shanghai) + Tick);

    private static DateTimeOffset Instant(string shanghai) =>
        DateTimeOffset.Parse($"{shanghai}:00+08:00", System.Globalization.CultureInfo.InvariantCulture);

    private static async Task BuyAsync(GivenRun given, string stem, params string[] customers)
    {
        var now = await given.AskAsync<DateTimeOffset>("SELECT clock_timestamp() + clock_offset FROM business_clock");
        var recorded = await new EventIntake(given.DataSource).RecordAsync(
            new Actor("core", Role.Backend),
            [.. customers.Select(id => new EventEntry("core", $"{stem}-{id}", id, "bought", now, null, "CNY"))],
            (connection, batch, at) => Conversions.CountAsync(connection, batch.Stored, at, default),
            default
        );
        Assert.Equal(customers.Length, recorded.Value.Stored.Count);
    }

    private static Task CountEarlyAsync(GivenRun given) =>
        new EarlyEvents(given.DataSource, NullLogger<EarlyEvents>.Instance).CountAsync(default);

    private static Task<string> ConvertedAsync(GivenRun given) =>
        given.AskAsync<string>(
            "SELECT count(*) FILTER (WHERE arm = 0) || '/' || count(*) FILTER (WHERE arm = 1) FROM conversion WHERE counted"
        );
}
