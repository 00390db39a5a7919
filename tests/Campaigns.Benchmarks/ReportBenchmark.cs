using System.Net.Http.Json;
using Campaigns.Access;
using Campaigns.Customers;
using Campaigns.Json;
using Campaigns.Outcomes;
using Campaigns.Reports;
using Dapper;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Benchmarks;

/// <summary><c>report.rollup</c>: the first report over HTTP after 1,000 new events, in groups that the last one did not
/// touch, against 20 ms. <c>report.exact</c>: the same report counted again from every touch and event, against one
/// statement that aggregates each source by customer first and writes no metric by day.</summary>
internal static class ReportBenchmark
{
    private const double Bound = 20;
    private const int Fresh = 500; // openings, and as many conversions

    public static async Task RunAsync(Options options)
    {
        var rows = options.Rows ?? 1_000_000;
        await using var bench = await Bench.StartAsync("api");
        var run = await ReportBank.FillAsync(bench, rows);
        using var analyst = await bench.ClientAsync(Role.Analyst);
        var rollups = new List<double>();
        var before = await ReportAsync(analyst);
        for (var turn = 1; turn <= options.Turns + 1; turn++)
        {
            await HappenAsync(bench, rows, turn);
            CampaignReport? report = null;
            var time = await Bench.TimeAsync(async () => report = await ReportAsync(analyst));
            Check(before, report!);
            before = report!;
            await bench.Services.GetRequiredService<Fold>().RunAsync(default);
            if (turn > 1) // the first warms everything up
            {
                rollups.Add(1_000 * time);
            }
        }

        var rollup = Figure.Median(rollups);
        new Figure("report.rollup", Math.Round(rollup, 1), "ms", Bound, Math.Round(Bound / rollup, 2)).Print();
        await ExactAsync(bench, run, options.Turns);
    }

    private static async Task ExactAsync(Bench bench, int run, int turns)
    {
        var reports = bench.Services.GetRequiredService<CampaignReports>();
        var folded = (await reports.OfAsync(ReportBank.Campaign, default)).Value;
        var (values, floors) = (new List<double>(), new List<double>());
        for (var turn = 0; turn <= turns; turn++)
        {
            CampaignReport? exact = null;
            var value = await Bench.TimeAsync(async () =>
                exact = (await reports.OfAsync(ReportBank.Campaign, new ReportQuestion { Exact = true }, default)).Value
            );
            if (!exact!.Funnel.SequenceEqual(folded.Funnel))
            {
                throw new InvalidOperationException("The figure is void: the recount and the counters disagree.");
            }

            var floor = await Bench.TimeAsync(() => PreAggregatedAsync(bench, run));
            if (turn > 0)
            {
                values.Add(value);
                floors.Add(floor);
            }
        }

        var (ours, theirs) = (Figure.Median(values), Figure.Median(floors));
        new Figure(
            "report.exact",
            Math.Round(ours, 2),
            "s",
            Math.Round(theirs, 2),
            Math.Round(theirs / ours, 3)
        ).Print();
    }

    /// <summary>Each turn in one wave and on one day of its own.</summary>
    private static async Task HappenAsync(Bench bench, int rows, int turn)
    {
        var wave = turn % ReportBank.Waves;
        var at = DateTimeOffset.UtcNow.AddDays(-turn % 7).AddMinutes(-1);
        var customers = Enumerable
            .Range(1, Fresh)
            .Select(i => 1 + ((i * 10L * ReportBank.Waves) + wave + ReportBank.Waves) % rows)
            .Select(key => key % 10 == 0 ? key + ReportBank.Waves : key)
            .Select(key => $"C{key}")
            .ToList();
        var actor = new Actor("bench", Role.Backend);
        var opened = await bench
            .Services.GetRequiredService<Engagements>()
            .RecordAsync(
                actor,
                [
                    .. customers.Select(
                        (id, i) =>
                            new EngagementEntry(
                                "bench",
                                $"o{turn}-{i}",
                                ReportBank.Campaign,
                                id,
                                EngagementKind.Opened,
                                at
                            )
                    ),
                ],
                default
            );
        var bought = await bench
            .Services.GetRequiredService<EventIntake>()
            .RecordAsync(
                actor,
                [
                    .. customers.Select(
                        (id, i) => new EventEntry("bench", $"b{turn}-{i}", id, ReportBank.Goal, at, 10, "CNY")
                    ),
                ],
                (connection, batch, now) => Conversions.CountAsync(connection, batch.Stored, now, default),
                default
            );
        if (opened.Value.Stored.Count + bought.Value.Stored.Count != 2 * Fresh)
        {
            throw new InvalidOperationException("The figure is void: not all events were new.");
        }
    }

    private static async Task<CampaignReport> ReportAsync(HttpClient analyst) =>
        (
            await analyst.GetFromJsonAsync<CampaignReport>(
                $"/v1/campaigns/{ReportBank.Campaign}/report",
                ProductJson.Options
            )
        )!;

    private static void Check(CampaignReport before, CampaignReport after)
    {
        var grown = after.Funnel.Zip(before.Funnel, (a, b) => (a.Metric, a.Total - b.Total)).ToDictionary();
        if (grown["opened"] != Fresh || grown["converted"] != Fresh)
        {
            throw new InvalidOperationException(
                $"The figure is void: {grown["opened"]} openings and {grown["converted"]} conversions of {Fresh}."
            );
        }
    }

    private static async Task PreAggregatedAsync(Bench bench, int run)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        await connection.QueryAsync(
            """
            SELECT d.reason, d.channel, d.variant, d.wave, count(*) AS decided,
                count(a.customer_key) AS attempted, sum(a.attempts) AS attempts, count(a.accepted_at) AS accepted,
                count(r.customer_key) AS delivered, count(*) FILTER (WHERE e.opened > 0) AS opened_customers,
                sum(e.opened) AS opened, count(*) FILTER (WHERE e.clicked > 0) AS clicked_customers,
                sum(e.clicked) AS clicked, count(c.customer_key) AS converted, sum(c.conversions) AS conversions,
                sum(c.value) AS value
            FROM decision d
            LEFT JOIN (
                SELECT m.customer_key, count(*) AS attempts, min(o.recorded_at) FILTER (WHERE o.states = '{1}') AS accepted_at
                FROM attempt
                JOIN outcome o USING (run_key, chunk, request)
                CROSS JOIN LATERAL unnest(customer_keys) AS m (customer_key)
                WHERE run_key = @run
                GROUP BY 1
            ) a USING (customer_key)
            LEFT JOIN (
                SELECT customer_key FROM receipt WHERE run_key = @run AND state = 4 GROUP BY 1
            ) r USING (customer_key)
            LEFT JOIN (
                SELECT customer_key, count(*) FILTER (WHERE kind = 'opened') AS opened,
                    count(*) FILTER (WHERE kind = 'clicked') AS clicked
                FROM engagement
                WHERE run_key = @run
                GROUP BY 1
            ) e USING (customer_key)
            LEFT JOIN (
                SELECT customer_key, count(*) AS conversions, sum(amount) AS value
                FROM conversion
                WHERE run_key = @run AND counted
                GROUP BY 1
            ) c USING (customer_key)
            WHERE d.run_key = @run
            GROUP BY 1, 2, 3, 4
            """,
            new { run },
            commandTimeout: 0
        );
    }
}
