using System.Data;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Campaigns.Benchmarks;

/// <summary><c>dispatch.noop</c>: the production path with as many lanes as a large wave has (claim, decrypt, render, consent, caps and priority
/// read, attempts, outcomes) into a gateway that answers at once; against two sessions that insert the same attempts and
/// outcomes as bare rows, one a touch, in the same order, 1,000 a transaction. <c>dispatch.noop.arrays</c>: the same against
/// bare inserts of the very rows that are written, an array a request. <c>dispatch.snapshot</c>: the first again while a
/// report holds a snapshot for a minute, against itself without.</summary>
internal static class DispatchBenchmark
{
    private const int Sessions = 2;
    private const int ATransaction = 1_000;

    private static readonly TimeSpan Held = TimeSpan.FromMinutes(1);

    public static async Task RunAsync(Options options)
    {
        var customers = options.Rows ?? 200_000;
        var gateway = new LedgerGateway();
        await using var bench = await Bench.StartAsync(
            "api",
            new Dictionary<string, string?>
            {
                ["Channels:sms:Gateway"] = LedgerGateway.Name,
                ["Channels:sms:RatePerSecond"] = "100000",
            },
            services =>
                services.AddSingleton(
                    new GatewayKind(LedgerGateway.Name, Channel.Sms, _ => gateway, NeedsProvider: false)
                )
        );
        await DispatchBank.FillAsync(bench, customers);
        await DispatchBank.PlanAsync(bench, customers / 20, priority: 9, opensTomorrow: true);
        var (values, rowFloors, arrayFloors) = (new List<double>(), new List<double>(), new List<double>());
        for (var turn = 0; turn <= options.Turns; turn++)
        {
            var (run, value) = await TurnAsync(bench, gateway, customers);
            if (turn == 0)
            {
                await DescribeAsync(bench, customers);
            }

            await PrepareAsync(bench, run);
            var rows = await Bench.TimeAsync(() => InsertAsync(bench, customers, RowsSql));
            var arrays = await Bench.TimeAsync(() => InsertAsync(bench, customers, ArraysSql));
            await bench.ExecuteAsync(
                """
                DROP TABLE prepared, bare_attempt, bare_outcome, copied_attempt, copied_outcome;
                TRUNCATE attempt, outcome, report_delta
                """
            );
            if (turn > 0) // the first warms everything up
            {
                values.Add(value);
                rowFloors.Add(rows);
                arrayFloors.Add(arrays);
            }
        }

        Figure.OfSeconds("dispatch.noop", "touches/s", customers, values, rowFloors).Print();
        Figure.OfSeconds("dispatch.noop.arrays", "touches/s", customers, values, arrayFloors).Print();
        Figure
            .OfSeconds(
                "dispatch.snapshot",
                "touches/s",
                customers,
                await UnderSnapshotAsync(bench, gateway, customers),
                values
            )
            .Print();
        if (options.Peers)
        {
            await PeerBenchmark.RunAsync(bench, customers / Figure.Median(values));
        }
    }

    /// <summary>Seconds of each turn while one transaction holds its snapshot, for a minute of dispatching and more: nothing
    /// that dispatch leaves behind can be cleaned up meanwhile.</summary>
    private static async Task<List<double>> UnderSnapshotAsync(Bench bench, LedgerGateway gateway, int customers)
    {
        await using var report = await bench.DataSource.OpenConnectionAsync();
        await report.ExecuteAsync("SET idle_in_transaction_session_timeout = 0");
        await using var snapshot = await report.BeginTransactionAsync(IsolationLevel.RepeatableRead);
        await report.ExecuteScalarAsync<long>("SELECT count(*) FROM run");
        var values = new List<double>();
        while (values.Sum() < Held.TotalSeconds)
        {
            values.Add((await TurnAsync(bench, gateway, customers)).Seconds);
        }

        return values;
    }

    private static async Task<(int Run, double Seconds)> TurnAsync(Bench bench, LedgerGateway gateway, int customers)
    {
        await DispatchBank.NobodyContactedAsync(bench, customers);
        var run = await DispatchBank.PlanAsync(bench, customers, priority: 5);
        gateway.Forget();
        await bench.ExecuteAsync("CHECKPOINT");
        var seconds = await Bench.TimeAsync(() =>
            DispatchBank.DispatchAsync(bench, run, new DispatchOptions().MaxLanes)
        );
        await CheckAsync(bench, gateway, run, customers);
        return (run, seconds);
    }

    /// <summary>Ledger and SQL must agree to the touch.</summary>
    private static async Task CheckAsync(Bench bench, LedgerGateway gateway, int run, int customers)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        var counts = await TouchStates.CountAsync(connection, run);
        var text = string.Join(", ", counts.Select(count => $"{count.State} {count.Reason} {count.Count}"));
        if (counts is not [{ State: "accepted" } all] || all.Count != customers || gateway.Accepted != customers)
        {
            throw new InvalidOperationException($"The figure is void: ledger {gateway.Accepted}, SQL {text}.");
        }

        if (gateway.Faults > 0)
        {
            throw new InvalidOperationException(
                $"The figure is void: {gateway.Faults} items were wrong or sent twice."
            );
        }
    }

    private static async Task DescribeAsync(Bench bench, int customers)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        Console.WriteLine(
            await connection.QuerySingleAsync<string>(
                """
                SELECT format('# %s touches; attempt %s kB, outcome %s kB with indexes; dead rows: attempt %s, outcome %s, contact %s',
                    @customers::int,
                    pg_total_relation_size('attempt') >> 10, pg_total_relation_size('outcome') >> 10,
                    (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'attempt'),
                    (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'outcome'),
                    (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'contact'))
                """,
                new { customers }
            )
        );
    }

    private static Task PrepareAsync(Bench bench, int run) =>
        bench.ExecuteAsync(
            $"""
            CREATE TABLE prepared AS
            SELECT row_number() OVER (ORDER BY a.chunk, a.request, m.place) - 1 AS place, a.run_key, a.chunk, a.request,
                   m.customer_key, a.attempted_at, a.try, a.channel, 1::smallint AS state, a.request_key
            FROM attempt a
            CROSS JOIN LATERAL unnest(a.customer_keys) WITH ORDINALITY AS m (customer_key, place)
            WHERE a.run_key = {run};
            CREATE UNIQUE INDEX ON prepared (place);
            CREATE TABLE bare_attempt (
                run_key integer NOT NULL, customer_key bigint NOT NULL, chunk integer NOT NULL, request integer NOT NULL,
                attempted_at timestamptz NOT NULL, channel smallint NOT NULL, try smallint NOT NULL,
                PRIMARY KEY (run_key, customer_key, try)
            );
            CREATE TABLE bare_outcome (
                run_key integer NOT NULL, customer_key bigint NOT NULL, try smallint NOT NULL, state smallint NOT NULL,
                recorded_at timestamptz NOT NULL, provider_id text,
                PRIMARY KEY (run_key, customer_key, try)
            );
            CREATE TABLE copied_attempt (LIKE attempt INCLUDING ALL);
            CREATE TABLE copied_outcome (LIKE outcome INCLUDING ALL);
            ANALYZE prepared;
            CHECKPOINT
            """
        );

    private const string RowsSql = """
        INSERT INTO bare_attempt
        SELECT run_key, customer_key, chunk, request, attempted_at, channel, try
        FROM prepared WHERE place >= @from AND place < @to ORDER BY place;
        INSERT INTO bare_outcome
        SELECT run_key, customer_key, try, state, attempted_at, request_key
        FROM prepared WHERE place >= @from AND place < @to ORDER BY place;
        """;

    private const string ArraysSql = """
        WITH requests AS (SELECT DISTINCT run_key, chunk, request FROM prepared WHERE place >= @from AND place < @to)
        INSERT INTO copied_attempt SELECT a.* FROM requests JOIN attempt a USING (run_key, chunk, request);
        WITH requests AS (SELECT DISTINCT run_key, chunk, request FROM prepared WHERE place >= @from AND place < @to)
        INSERT INTO copied_outcome SELECT o.* FROM requests JOIN outcome o USING (run_key, chunk, request);
        """;

    private static async Task InsertAsync(Bench bench, int customers, string sql)
    {
        var next = 0;
        await Task.WhenAll(
            Enumerable
                .Range(0, Sessions)
                .Select(_ =>
                    Task.Run(async () =>
                    {
                        await using var connection = await bench.DataSource.OpenConnectionAsync();
                        while (Interlocked.Add(ref next, ATransaction) - ATransaction is var from && from < customers)
                        {
                            await InsertAsync(connection, sql, from);
                        }
                    })
                )
        );
    }

    private static async Task InsertAsync(NpgsqlConnection connection, string sql, int from)
    {
        await using var transaction = await connection.BeginTransactionAsync();
        await connection.ExecuteAsync(sql, new { from = (long)from, to = (long)from + ATransaction });
        await transaction.CommitAsync();
    }
}
