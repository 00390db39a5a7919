using Campaigns.Faults.Running;
using Dapper;
using Npgsql;

namespace Campaigns.Faults.Scenarios;

/// <summary>Transactions that lose against others.</summary>
internal static class Contentions
{
    private const int Customers = 100;

    public static IEnumerable<Scenario> All =>
        [new("F11", "deadlocks, and transactions that cannot be serialised", LoseAsync)];

    /// <summary>Under any fault.</summary>
    public static Scenario Capped { get; } =
        new("caps", "campaigns contest one place a day, their workers killed and the database crashed", ContestAsync);

    private static async Task ContestAsync(Play play)
    {
        var scene = play.Scene;
        await scene.BehaveAsync(latencyMs: 300);
        await scene.StartAsync();
        await scene.Operator.PutAsync<object>("/v1/policy", new { caps = new { perDay = 1 } }, default);
        string[] campaigns = ["contest-1", "contest-2", "contest-3"];
        var audience = play.Size(1_000, 2_500);
        foreach (var campaign in campaigns)
        {
            await scene.LaunchAsync(new CampaignSpec(campaign) { Audience = audience, Variants = 2 });
        }

        for (var kill = 1; kill <= play.Times(4, 20); kill++)
        {
            var sent = await ProviderView.LinesAsync(scene.Provider);
            var fresh = scene.WorkerAsync();
            await play.KillAsync(await play.HolderAsync());
            await fresh;
            if (kill % 4 == 0)
            {
                await scene.Server.CrashAsync();
                scene.Sql.Clear();
                play.Fault("PostgreSQL crash");
            }

            await Wait.UntilAsync(
                async () =>
                    await ProviderView.LinesAsync(scene.Provider) > sent
                    || await scene.AskAsync<bool>("SELECT bool_and(state = 'closed') FROM run"),
                "somebody else sends, or it is over"
            );
            if (await scene.AskAsync<bool>("SELECT bool_and(state = 'closed') FROM run"))
            {
                break;
            }
        }

        await scene.ClosedAsync();
        var ledger = await ProviderView.LedgerAsync(scene.Provider);
        var twice = ledger.GroupBy(line => line.Address).Count(customer => customer.Count() > 1);
        play.Must(twice == 0, "I6", $"{twice} customers were sent to twice in a day that has one place");
        var (touched, attempted) = await scene.AskAsync<(int, int)>(
            """
            SELECT count(DISTINCT d.customer_key)::int,
                   count(DISTINCT d.customer_key) FILTER (WHERE EXISTS (
                       SELECT FROM attempt a WHERE a.run_key = d.run_key AND d.customer_key = ANY (a.customer_keys)
                   ))::int
            FROM decision d
            WHERE d.reason = 0
            """
        );
        play.Must(attempted == touched, "I2", $"of {touched} customers with a touch only {attempted} were attempted");
        play.Figure($"{touched} customers with touches of {campaigns.Length} campaigns, {ledger.Count} sent");
    }

    private static async Task LoseAsync(Play play)
    {
        var scene = play.Scene;
        await Losers.InstallAsync(scene.Sql);
        await scene.BehaveAsync(latencyMs: 50);
        await scene.StartAsync();
        await Losers.BeginAsync(scene.Sql);
        using var flood = new Flood(scene, "lost", size: 20, customers: 2_000);
        using var enough = new CancellationTokenSource();
        var events = flood.RunAsync(batchesPerSecond: 20, enough.Token);
        await scene.LaunchAsync(new CampaignSpec("lost-sms") { Audience = play.Size(800, 2_500), Variants = 2 });
        await scene.LaunchAsync(new CampaignSpec("lost-app") { Channel = "app", Audience = play.Size(800, 2_500) });
        var (ours, theirs, slowest) = await CrossAsync(play, rounds: play.Times(4, 20));
        await scene.ClosedAsync();
        await enough.CancelAsync();
        await events;
        await Losers.EndAsync(scene.Sql);

        var raised = await Losers.RaisedAsync(scene.Sql);
        play.Fault("40001 or 40P01 raised", (int)raised);
        play.Fault("deadlock", ours + theirs);
        play.Must(raised > 5, "harness", $"only {raised} statements lost: the fault did not bite");
        play.Must(ours + theirs > 0, "harness", "nothing met in opposite order");
        foreach (var (what, count) in flood.Others)
        {
            play.Must(false, "5xx", $"{count} batches were answered with {what}");
        }

        play.Figure(
            $"{raised} transactions lost, tried again; errors {flood.Others.Values.Sum()} of {flood.Sent} batches, p99 {flood.P99.TotalSeconds:0.00} s; of {ours + theirs} deadlocks the product gave way in {theirs}, its slowest request took {slowest.TotalSeconds:0.0} s"
        );
    }

    /// <summary>The bank refuses for customers in their order, and somebody beside it updates them in the opposite one.
    /// </summary>
    private static async Task<(int Ours, int Theirs, TimeSpan Slowest)> CrossAsync(Play play, int rounds)
    {
        var scene = play.Scene;
        var (ours, slowest) = (0, TimeSpan.Zero);
        var before = await DeadlocksAsync(scene);
        for (var round = 0; round < rounds; round++)
        {
            await using var connection = await scene.Sql.OpenConnectionAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            var (first, last) = ((round * Customers) + 1, (round + 1) * Customers);
            await LockAsync(connection, last);
            var since = System.Diagnostics.Stopwatch.GetTimestamp();
            var refusing = scene.Journal.RefuseAsync(scene, [.. Enumerable.Range(first, Customers)]);
            await Wait.UntilAsync(
                () =>
                    scene.AskAsync<bool>(
                        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE @ProcessID = ANY (pg_blocking_pids(pid)))",
                        new { connection.ProcessID }
                    ),
                "the product waits for us"
            );
            try
            {
                await LockAsync(connection, first);
                await transaction.CommitAsync();
            }
            catch (PostgresException lost) when (lost.SqlState == PostgresErrorCodes.DeadlockDetected)
            {
                ours++;
                await transaction.RollbackAsync();
            }

            await refusing;
            var took = System.Diagnostics.Stopwatch.GetElapsedTime(since);
            slowest = took > slowest ? took : slowest;
        }

        await Wait.UntilAsync(
            async () => await DeadlocksAsync(scene) - before >= Math.Max(1, ours),
            "the server has counted its deadlocks"
        );
        return (ours, (int)Math.Max(0, await DeadlocksAsync(scene) - before - ours), slowest);
    }

    private static Task<long> DeadlocksAsync(Scene scene) =>
        scene.AskAsync<long>("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");

    private static Task LockAsync(NpgsqlConnection connection, int n) =>
        connection.ExecuteAsync(
            """
            SELECT FROM contact
            WHERE customer_key = (SELECT customer_key FROM customer WHERE customer_id = @id)
            FOR UPDATE
            """,
            new { id = SmallBank.IdOf(n) }
        );
}
