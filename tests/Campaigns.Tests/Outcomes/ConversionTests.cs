using System.Text.Json;
using Campaigns.Customers;
using Campaigns.Lifecycle;
using Campaigns.Outcomes;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Outcomes;

public sealed class ConversionTests
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Fact]
    public async Task The_window_includes_its_start_and_excludes_its_end_in_both_arms()
    {
        await using var given = await GivenArms.CreateAsync(treated: 4, heldOut: 4);

        foreach (var arm in new[] { "t", "h" })
        {
            await given.RecordAsync(
                given.Buys($"{arm}1", -Tick),
                given.Buys($"{arm}2", TimeSpan.Zero),
                given.Buys($"{arm}3", (7 * Day) - Tick),
                given.Buys($"{arm}4", 7 * Day)
            );
        }

        Assert.Equal("2/2", await given.ConvertedAsync());
    }

    [Fact]
    public async Task A_conversion_is_stored_as_what_it_counts_for_and_not_written_again()
    {
        await using var given = await GivenArms.CreateAsync(treated: 2);

        await given.RecordAsync(given.Buys("t1", Day), given.Buys("t1", 2 * Day), given.Buys("t2", Day));

        await using var connection = await given.DataSource.OpenConnectionAsync();
        var places = await connection.QueryAsync<(string, bool)>(
            "SELECT ctid::text, counted FROM conversion ORDER BY customer_key, occurred_at"
        );
        Assert.Equal([true, false, true], places.Select(place => place.Item2));
        Assert.Equal(["(0,1)", "(0,2)", "(0,3)"], places.Select(place => place.Item1).Order());
    }

    [Fact]
    public async Task An_instant_with_an_offset_counts_as_the_same_in_UTC()
    {
        await using var given = await GivenArms.CreateAsync();
        var bought = given.Buys("t1", Day);

        await given.RecordAsync(bought with { OccurredAt = bought.OccurredAt.ToOffset(TimeSpan.FromHours(8)) });

        Assert.Equal("1/0", await given.ConvertedAsync());
    }

    [Fact]
    public async Task A_commit_reads_no_table_as_a_whole_however_small_it_is_when_it_is_planned()
    {
        const int Others = 20;
        await using var given = await GivenArms.CreateAsync(treated: 3 + Others);
        await given.RecordAsync([.. Enumerable.Range(0, Others).Select(i => given.Buys($"t{4 + i}", Day, $"o-{i}"))]);
        await given.RecordAsync([.. Enumerable.Range(0, Others).Select(i => given.Cancels($"t{4 + i}", $"o-{i}"))]);
        await using (var connection = await given.DataSource.OpenConnectionAsync())
        {
            await connection.ExecuteAsync("ANALYZE", commandType: System.Data.CommandType.Text);
        }

        await using var own = NpgsqlDataSource.Create(given.Database.ConnectionString + ";Maximum Pool Size=1");
        var intake = new EventIntake(own);
        EventEntry[] first = [given.Buys("t2", Day), given.Cancels("t2", "w")]; // their names are learnt
        await intake.RecordAsync(GivenArms.Backend, first, also: null, default);
        await using (var connection = await own.OpenConnectionAsync())
        {
            await connection.ExecuteAsync("SELECT pg_stat_force_next_flush()");
        }

        IEnumerable<string> read = [];
        await intake.RecordAsync(
            GivenArms.Backend,
            [given.Buys("t1", Day, "a"), given.Buys("h1", Day), given.Cancels("t1", "a")],
            async (connection, batch, now) =>
            {
                await Conversions.CountAsync(connection, batch.Stored, now, default);
                read = await connection.QueryAsync<string>(
                    """
                    SELECT relname FROM pg_stat_xact_user_tables
                    WHERE seq_scan > 0 OR idx_tup_fetch >= @Others AND relname IN ('customer', 'conversion', 'reversal')
                    """,
                    new { Others }
                );
            },
            default
        );

        Assert.Empty(read.Except(["business_clock"])); // which has one row
    }

    [Fact]
    public async Task The_suppressed_and_the_held_out_bank_wide_are_in_neither_arm()
    {
        await using var given = await GivenArms.CreateAsync(suppressed: 1, heldOutGlobal: 1);

        await given.RecordAsync(given.Buys("s1", Day), given.Buys("g1", Day), given.Buys("nobody", Day));

        Assert.Equal("0/0", await given.ConvertedAsync());
    }

    [Fact]
    public async Task A_repeated_event_counts_once_and_a_second_one_only_where_every_one_counts()
    {
        await using var once = await GivenArms.CreateAsync();
        await using var each = await GivenArms.CreateAsync(everyTime: true);
        foreach (var given in new[] { once, each })
        {
            await given.RecordAsync(given.Buys("t1", Day, "a", 10), given.Buys("t1", 2 * Day, "b", 5));
            await given.RecordAsync(given.Buys("t1", Day, "a", 10));
        }

        var (first, every) = (await once.ReportAsync(), await each.ReportAsync());
        Assert.Equal((1, 1, 10m), Counted(first));
        Assert.Equal((1, 2, 15m), Counted(every));

        static (long, long, decimal) Counted(Campaigns.Reports.CampaignReport report) =>
            (report.Lift.Treated.Converted, report.Lift.Treated.Conversions, report.Lift.Treated.Value);
    }

    [Fact]
    public async Task The_earliest_event_counts_though_it_comes_late()
    {
        await using var given = await GivenArms.CreateAsync();

        await given.RecordAsync(given.Buys("h1", 3 * Day, amount: 5));
        await given.RecordAsync(given.Buys("h1", Day, amount: 70));

        var report = await given.ReportAsync();
        Assert.Equal(70m, report.Lift.Control.Value);
        Assert.Equal(DateOnly.FromDateTime(given.Start.AddDays(1).Date), Assert.Single(report.ByDay).Day);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_reversal_takes_its_conversion_back_whichever_comes_first(bool conversionFirst)
    {
        await using var given = await GivenArms.CreateAsync();
        EventEntry[] both = [given.Buys("t1", Day, "loan-1"), given.Cancels("t1", "loan-1")];

        foreach (var entry in conversionFirst ? both : both.Reverse())
        {
            await given.RecordAsync(entry);
        }

        Assert.Equal("0/0", await given.ConvertedAsync());
        await given.RecordAsync(given.Buys("t1", 2 * Day));
        Assert.Equal("1/0", await given.ConvertedAsync());
    }

    [Fact]
    public async Task Only_events_that_the_goal_asks_for_count_whenever_they_come()
    {
        var goal = new Goal
        {
            Event = GivenArms.Goal,
            Window = GivenArms.Week,
            AtLeast = 1_000,
            Where = new Dictionary<string, JsonElement> { ["product"] = JsonSerializer.SerializeToElement("gold") },
        };
        await using var given = await GivenArms.CreateAsync(5, 1, goal: goal);
        EventEntry[] entries =
        [
            Of("gold", given.Buys("t1", Day, amount: 1_000)),
            Of("gold", given.Buys("t2", Day, amount: 999.99m)),
            Of("iron", given.Buys("t3", Day, amount: 1_000)),
            given.Buys("t4", Day, amount: 1_000),
            Of("gold", given.Buys("t5", Day, amount: 1_000, currency: "USD")),
            Of("gold", given.Buys("h1", Day, amount: 1_000, currency: null)),
        ];
        await given.ExecuteAsync("UPDATE run SET planned_at = NULL, state = 'planning'");
        await given.RecordAsync(entries[..3]);
        await given.ExecuteAsync("UPDATE run SET planned_at = now(), state = 'planned'");
        await given.RecordAsync(entries[3..]);
        await given.CountEarlyAsync();

        Assert.Equal("1/1", await given.ConvertedAsync());

        static EventEntry Of(string product, EventEntry entry) =>
            entry with
            {
                Attributes = new Dictionary<string, JsonElement>
                {
                    ["product"] = JsonSerializer.SerializeToElement(product),
                },
            };
    }

    [Fact]
    public async Task Amounts_of_another_currency_are_never_added()
    {
        await using var given = await GivenArms.CreateAsync(everyTime: true);
        await given.RecordAsync(
            given.Buys("t1", Day, "a", 100),
            given.Buys("t1", Day, "b", 7, "USD"),
            given.Buys("t2", Day, "c", 5, "USD"),
            given.Buys("t3", Day, "d", 20, currency: null)
        );
        await given.RecordAsync(given.Cancels("t2", "c"));

        var treated = (await given.ReportAsync()).Lift.Treated;

        Assert.Equal((2, 3, 120m, 1), (treated.Converted, treated.Conversions, treated.Value, treated.OtherCurrency));
        Assert.Equal(treated, (await given.ExactAsync()).Lift.Treated);
    }

    [Fact]
    public async Task Amounts_too_large_are_refused_one_by_one_and_the_largest_are_reported()
    {
        await using var given = await GivenArms.CreateAsync(everyTime: true);
        const decimal largest = 9_999_999_999_999_999.9999m;

        var batch = await given.RecordAsync(
            given.Buys("t1", Day, "a", largest),
            given.Buys("t2", Day, "b", 10_000_000_000_000_000m),
            given.Buys("t3", Day, "c", decimal.MaxValue),
            given.Buys("t3", Day, "d", largest)
        );

        Assert.Equal(
            [ItemStatus.Created, ItemStatus.Refused, ItemStatus.Refused, ItemStatus.Created],
            batch.Items.Select(item => item.Status)
        );
        Assert.Equal("amount", batch.Items[1].Error!.Fields[0].Path);
        var lift = (await given.ReportAsync()).Lift;
        Assert.Equal((2 * largest, 2), (lift.Treated.Value, lift.Treated.Converted));
        Assert.Null(lift.ValuePerCustomer.Missing);
        Assert.Equal(lift, (await given.ExactAsync()).Lift);
    }

    [Fact]
    public async Task Many_writers_over_the_same_customers_count_what_one_would()
    {
        await using var given = await GivenArms.CreateAsync(treated: 20, heldOut: 20, everyTime: true);
        var random = new Random(7);
        var entries = Enumerable
            .Range(0, 600)
            .Select(n =>
            {
                var customer = $"{(random.Next(2) == 0 ? "t" : "h")}{random.Next(1, 21)}";
                return random.Next(4) == 0
                    ? given.Cancels(customer, $"x-{random.Next(300)}")
                    : given.Buys(customer, random.Next(-1, 9) * Day, $"x-{random.Next(300)}", random.Next(1, 50));
            })
            .ToArray();

        await Task.WhenAll(entries.Chunk(60).Select(chunk => Task.Run(() => given.RecordAsync(chunk))));
        await given.FoldAsync();

        var counted = (await given.ReportAsync()).Lift;
        var cells = await CellsAsync(given);
        Assert.Equal(await NaiveAsync(given), cells);
        Assert.Equal(
            cells,
            $"t {counted.Treated.Converted} {counted.Treated.Conversions} {counted.Treated.Value:0.####}, "
                + $"h {counted.Control.Converted} {counted.Control.Conversions} {counted.Control.Value:0.####}"
        );
    }

    private static Task<string> CellsAsync(GivenArms given) =>
        AskAsync(
            given,
            """
            SELECT string_agg(line, ', ' ORDER BY arm)
            FROM (
                SELECT arm, CASE arm WHEN 0 THEN 't ' ELSE 'h ' END
                    || sum(n) FILTER (WHERE metric = 'converted') || ' '
                    || sum(n) FILTER (WHERE metric = 'conversions') || ' '
                    || trim_scale(sum(amount) FILTER (WHERE metric = 'conversions')) AS line
                FROM report_cell
                GROUP BY arm
            ) l
            """
        );

    /// <summary>From the stored events alone.</summary>
    private static Task<string> NaiveAsync(GivenArms given) =>
        AskAsync(
            given,
            """
            SELECT string_agg(line, ', ' ORDER BY line DESC)
            FROM (
                SELECT left(c.customer_id, 1) || ' ' || count(DISTINCT e.customer_key) || ' ' || count(*) || ' '
                    || trim_scale(sum(e.amount)) AS line
                FROM event e
                JOIN event_type t USING (event_type)
                JOIN customer c USING (customer_key)
                CROSS JOIN wave w
                WHERE t.name = 'deposit.opened' AND e.occurred_at >= w.opens_at
                    AND e.occurred_at < w.opens_at + interval '7 days'
                    AND NOT EXISTS (
                        SELECT FROM event r
                        WHERE r.customer_key = e.customer_key AND r.event_source = e.event_source
                            AND r.attributes ->> 'reverses' = e.event_id
                    )
                GROUP BY left(c.customer_id, 1)
            ) l
            """
        );

    private static async Task<string> AskAsync(GivenArms given, string sql)
    {
        await using var command = given.DataSource.CreateCommand(sql);
        return (string)(await command.ExecuteScalarAsync())!;
    }
}
