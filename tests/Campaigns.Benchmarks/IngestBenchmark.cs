using System.Globalization;
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Endpoints;
using Campaigns.Customers;
using Campaigns.Outcomes;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Campaigns.Benchmarks;

/// <summary>Everything over HTTP, and PostgreSQL killed once in each measured run, the floors' too: a figure is void where
/// anything that was acknowledged is not there afterwards, exactly once. <c>ingest.batch</c>: events in batches of 1,000, one
/// in five a conversion, folded within the measured time; against bare inserts of the same rows by unnest, 1,000 a
/// transaction. <c>ingest.single</c>: conversions one a request, each answered after its commit; against an endpoint with
/// the same authentication, parsing and validation, and no database. <c>ingest.single_vs_insert</c>: against the same
/// endpoint with a transaction of its own for every request; <c>ingest.single_vs_row</c>: against one that does less, a bare
/// insert of the event's row.</summary>
internal static class IngestBenchmark
{
    private const string Batches = "/v1/events";
    private const string Single = "/v1/conversions";
    private const string Nothing = "/v1/bench/nothing";
    private const string Insert = "/v1/bench/insert";
    private const string Row = "/v1/bench/row";
    private const int BatchSize = 1_000;
    private const int BatchCallers = 2;
    private const int Callers = 512;

    // A transaction for every request takes ten times as long.
    private const int Fewer = 10;

    public static async Task RunAsync(Options options)
    {
        var rows = options.Rows ?? 200_000;
        await using var bench = await Bench.StartAsync("api", map: MapFloors);
        await ReportBank.PlanAsync(bench, rows);
        await bench.ExecuteAsync("CREATE TABLE bare_event (LIKE event INCLUDING ALL)");
        await bench.ExecuteAsync("VACUUM ANALYZE");
        using var client = await bench.ClientAsync(Role.Backend);
        await BatchAsync(bench, client, rows, options.Turns);
        await SinglyAsync(bench, client, rows, options.Turns);
    }

    private static async Task BatchAsync(Bench bench, HttpClient client, int rows, int turns)
    {
        var (values, floors) = (new List<double>(), new List<double>());
        for (var turn = 0; turn <= turns; turn++)
        {
            await EmptyAsync(bench);
            var drive = new IngestDrive(bench, client, Batches, BatchCallers);
            var value = await Bench.TimeAsync(async () =>
            {
                await drive.RunAsync(
                    rows / BatchSize,
                    batch => new IngestBodies(rows).Events(batch * BatchSize, BatchSize)
                );
                await bench.Services.GetRequiredService<Fold>().RunAsync(default);
            });
            await CheckAsync(bench, rows, rows / 5);
            var floor = await BareAsync(bench, rows);
            if (turn > 0) // the first warms both up
            {
                values.Add(rows / value);
                floors.Add(rows / floor);
            }
        }

        Print("ingest.batch", "events/s", values, floors);
    }

    private static async Task SinglyAsync(Bench bench, HttpClient client, int rows, int turns)
    {
        List<IngestDrive> values = [],
            nothings = [],
            inserts = [],
            bare = [];
        for (var turn = 0; turn <= turns; turn++)
        {
            await EmptyAsync(bench);
            var value = await DriveAsync(bench, client, Single, rows);
            await CheckAsync(bench, rows, rows);
            var nothing = await DriveAsync(bench, client, Nothing, rows);
            var row = await DriveAsync(bench, client, Row, rows);
            await EmptyAsync(bench);
            var insert = await DriveAsync(bench, client, Insert, rows / Fewer);
            await CheckAsync(bench, rows / Fewer, rows / Fewer);
            if (turn > 0)
            {
                values.Add(value);
                nothings.Add(nothing);
                inserts.Add(insert);
                bare.Add(row);
            }
        }

        Console.WriteLine($"# {Callers} callers, {rows} requests; {rows / Fewer} where each has its own transaction");
        Print("ingest.single", "requests/s", Rates(values), Rates(nothings));
        Print("ingest.single_vs_insert", "requests/s", Rates(values), Rates(inserts));
        Print("ingest.single_vs_row", "requests/s", Rates(values), Rates(bare));
        PrintP99("ingest.single_vs_insert.p99", P99(values), P99(inserts));
        PrintP99("ingest.single_vs_row.p99", P99(values), P99(bare));

        static IEnumerable<double> Rates(List<IngestDrive> drives) => drives.Select(drive => drive.PerSecond);
        static double P99(List<IngestDrive> drives) => Figure.Median(drives.Select(drive => drive.P99));
    }

    private static async Task<IngestDrive> DriveAsync(Bench bench, HttpClient client, string path, int rows)
    {
        var drive = new IngestDrive(bench, client, path, Callers);
        await drive.RunAsync(rows, new IngestBodies(rows).Conversion);
        return drive;
    }

    private static void Print(string name, string unit, IEnumerable<double> values, IEnumerable<double> floors)
    {
        var (ours, floor) = (Figure.Median(values), Figure.Median(floors));
        new Figure(name, Math.Round(ours), unit, Math.Round(floor), Math.Round(ours / floor, 3)).Print();
    }

    private static void PrintP99(string name, double ours, double theirs) =>
        new Figure(name, Math.Round(ours, 1), "ms", Math.Round(theirs, 1), Math.Round(theirs / ours, 3)).Print();

    private static Task EmptyAsync(Bench bench) =>
        bench.ExecuteAsync("TRUNCATE event, conversion, report_delta, report_cell, bare_event; CHECKPOINT");

    /// <summary>All was acknowledged in the end: so all must be there, and counted once.</summary>
    private static async Task CheckAsync(Bench bench, int events, int conversions)
    {
        await bench.Services.GetRequiredService<Fold>().RunAsync(default);
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        var stored = await connection.QuerySingleAsync<long>("SELECT count(*) FROM event");
        var counted = await connection.QuerySingleAsync<long>(
            "SELECT coalesce(sum(n), 0)::bigint FROM report_cell WHERE metric = 'conversions'"
        );
        if ((stored, counted) != (events, conversions))
        {
            throw new InvalidOperationException(
                $"The figure is void: {stored} of {events} events are stored, {counted} of {conversions} conversions counted."
            );
        }
    }

    /// <summary>The rows that the product has just stored, into tables like its own.</summary>
    private static async Task<double> BareAsync(Bench bench, int rows)
    {
        await bench.ExecuteAsync(
            """
            DROP TABLE IF EXISTS source, bare_conversion;
            CREATE TABLE source AS
            SELECT row_number() OVER (ORDER BY e.recorded_at, e.customer_key) - 1 AS place, e.*, c.run_key, c.wave, c.arm, c.variant
            FROM event e
            LEFT JOIN conversion c USING (customer_key, event_source, event_id);
            CREATE TABLE bare_conversion (LIKE conversion INCLUDING ALL);
            CHECKPOINT
            """
        );
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        var batches = new List<BareRow[]>();
        for (var from = 0; from < rows; from += BatchSize)
        {
            var batch = await connection.QueryAsync<BareRow>(
                "SELECT * FROM source WHERE place >= @from AND place < @from + 1000",
                new { from }
            );
            batches.Add([.. batch]);
        }

        var next = -1;
        var time = await Bench.TimeAsync(() =>
            Task.WhenAll(
                Enumerable
                    .Range(0, BatchCallers)
                    .Select(_ =>
                        Task.Run(async () =>
                        {
                            while (Interlocked.Increment(ref next) is var batch && batch < batches.Count)
                            {
                                if (batch == batches.Count / 2)
                                {
                                    await bench.KillAsync();
                                }

                                await IngestDrive.UntilDoneAsync(() => InsertAsync(bench, batches[batch]));
                            }
                        })
                    )
            )
        );
        await bench.ExecuteAsync("DROP TABLE bare_conversion, source");
        return time;
    }

    private static async Task<bool> InsertAsync(Bench bench, BareRow[] rows)
    {
        var goals = rows.Where(row => row.RunKey is not null).ToArray();
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await connection.ExecuteAsync(
            """
            INSERT INTO bare_event
                (customer_key, occurred_at, recorded_at, event_type, event_source, event_id, amount, currency)
            SELECT customer_key, occurred_at, now(), event_type, 1, event_id, amount, currency
            FROM unnest(@keys, @ats, @types, @ids, @amounts, @currencies)
                AS e (customer_key, occurred_at, event_type, event_id, amount, currency)
            ON CONFLICT DO NOTHING
            """,
            new
            {
                keys = rows.Select(row => row.CustomerKey).ToArray(),
                ats = rows.Select(row => row.OccurredAt).ToArray(),
                types = rows.Select(row => row.EventType).ToArray(),
                ids = rows.Select(row => row.EventId).ToArray(),
                amounts = rows.Select(row => row.Amount).ToArray(),
                currencies = rows.Select(row => row.Currency).ToArray(),
            }
        );
        await connection.ExecuteAsync(
            """
            INSERT INTO bare_conversion
                (run_key, wave, customer_key, arm, variant, event_source, event_id, occurred_at, recorded_at, amount,
                 currency, counted)
            SELECT run_key, wave, customer_key, arm, variant, 1, event_id, occurred_at, now(), amount, currency, true
            FROM unnest(@runs, @waves, @keys, @arms, @variants, @ids, @ats, @amounts, @currencies)
                AS e (run_key, wave, customer_key, arm, variant, event_id, occurred_at, amount, currency)
            ON CONFLICT DO NOTHING
            """,
            new
            {
                runs = goals.Select(row => row.RunKey!.Value).ToArray(),
                waves = goals.Select(row => row.Wave!.Value).ToArray(),
                variants = goals.Select(row => row.Variant).ToArray(),
                keys = goals.Select(row => row.CustomerKey).ToArray(),
                arms = goals.Select(row => row.Arm!.Value).ToArray(),
                ids = goals.Select(row => row.EventId).ToArray(),
                ats = goals.Select(row => row.OccurredAt).ToArray(),
                amounts = goals.Select(row => row.Amount).ToArray(),
                currencies = goals.Select(row => row.Currency).ToArray(),
            }
        );
        await transaction.CommitAsync();
        return true;
    }

    private static void MapFloors(WebApplication app)
    {
        app.MapPost(Nothing, (ConversionsBody body, Actor actor) => Answer(body, actor)).RequireRole(Role.Backend);
        app.MapPost(
                Insert,
                async (ConversionsBody body, Actor actor, EventIntake events) =>
                {
                    var recorded = await events.RecordAsync(
                        actor,
                        [.. body.Conversions.Select(item => item.Entry)],
                        (connection, batch, now) =>
                            Conversions.CountAsync(connection, batch.Stored, now, CancellationToken.None),
                        CancellationToken.None
                    );
                    return TypedResults.Json(
                        BatchAnswer.Of(recorded.Value.Items.ToArray(), "conversions").Value,
                        Json.ProductJson.Options
                    );
                }
            )
            .RequireRole(Role.Backend);
        app.MapPost(
                Row,
                async (ConversionsBody body, Actor actor, NpgsqlDataSource dataSource) =>
                {
                    var (answer, entry) = (Answer(body, actor), body.Conversions[0].Entry);
                    await using var connection = await dataSource.OpenConnectionAsync();
                    await connection.ExecuteAsync(
                        """
                        INSERT INTO bare_event
                            (customer_key, occurred_at, recorded_at, event_type, event_source, event_id, amount, currency)
                        VALUES (@key, @at, now(), 1, 1, @Id, @Amount, @Currency)
                        ON CONFLICT DO NOTHING
                        """,
                        new
                        {
                            key = long.Parse(entry.CustomerId.AsSpan(1), CultureInfo.InvariantCulture),
                            at = entry.OccurredAt.UtcDateTime,
                            entry.Id,
                            entry.Amount,
                            entry.Currency,
                        }
                    );
                    return answer;
                }
            )
            .RequireRole(Role.Backend);
    }

    private static IResult Answer(ConversionsBody body, Actor actor)
    {
        ArgumentNullException.ThrowIfNull(actor);
        var items = body.Conversions.Select(
            (item, index) => EventIntake.Check(item.Entry, index, DateTimeOffset.UtcNow)
        );
        return TypedResults.Json(BatchAnswer.Of(items.ToArray(), "conversions").Value, Json.ProductJson.Options);
    }

    private sealed class BareRow
    {
        public long CustomerKey { get; init; }
        public DateTime OccurredAt { get; init; }
        public short EventType { get; init; }
        public string EventId { get; init; } = "";
        public decimal? Amount { get; init; }
        public string? Currency { get; init; }
        public int? RunKey { get; init; }
        public short? Arm { get; init; }
        public int? Wave { get; init; }
        public short? Variant { get; init; }
    }
}
