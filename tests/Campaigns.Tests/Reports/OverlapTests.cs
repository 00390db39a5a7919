using Campaigns.Reports;
using Campaigns.Tests.Outcomes;

namespace Campaigns.Tests.Reports;

/// <summary>Two campaigns of one goal for the same customers, neither of which changes what anybody does.</summary>
public sealed class OverlapTests
{
    private const int Treated = 400;
    private const int HeldOut = 100;

    [Fact]
    public async Task Two_campaigns_without_effect_over_the_same_customers_show_no_lift_whoever_tried_last()
    {
        await using var given = await GivenArms.CreateAsync(Treated, HeldOut);
        await OverlapAsync(given);
        // One in ten of each arm of either campaign, for the arms of the second are cut across those of the first.
        await given.RecordAsync([
            .. Enumerable.Range(1, Treated).Where(Buyer).Select(i => given.Buys($"t{i}", TimeSpan.FromDays(1))),
            .. Enumerable.Range(1, HeldOut).Where(Buyer).Select(i => given.Buys($"h{i}", TimeSpan.FromDays(1))),
        ]);

        var (first, second) = (await OfAsync("savings"), await OfAsync("other"));

        foreach (var report in new[] { first, second })
        {
            Assert.Equal((Treated, HeldOut), (report.Lift.Treated.Customers, report.Lift.Control.Customers));
            Assert.Equal((0.1, 0.1), (report.Lift.Treated.Rate, report.Lift.Control.Rate));
            Assert.Equal((0, 1), (report.Lift.Difference.Value, report.Lift.PValue.Value));
            Assert.True(report.Lift.Difference is { Low: < 0, High: > 0 });
            Assert.Equal(0, report.Lift.IncrementalConversions.Value!.Value, precision: 6);
        }

        // Attribution gives those whom both tried to the second, and would have made a lift out of it.
        Assert.Equal((8, 40), (first.Attribution!.AttributedConversions, second.Attribution!.AttributedConversions));

        async Task<CampaignReport> OfAsync(string campaign) =>
            (
                await new CampaignReports(given.DataSource).OfAsync(
                    campaign,
                    new ReportQuestion { Attribution = AttributionModel.Last },
                    default
                )
            ).Value;
    }

    [Fact]
    public async Task A_conversion_is_never_given_to_a_run_that_does_not_count_it()
    {
        await using var given = await GivenArms.CreateAsync(Treated, HeldOut);
        await OverlapAsync(given);
        // The first campaign's window begins a day later, so that it counts the second event and the other the first.
        await given.ExecuteAsync(
            "UPDATE wave SET counts_from = opens_at + interval '1 day' WHERE run_key <> -77; ANALYZE"
        );
        await given.RecordAsync(given.Buys("t20", TimeSpan.FromHours(6)));
        var between = DateTimeOffset.UtcNow;
        await given.RecordAsync(given.Buys("t20", TimeSpan.FromDays(2)));

        foreach (var asOf in new DateTimeOffset?[] { null, DateTimeOffset.UtcNow })
        {
            Assert.Equal((1, 1), (await OfAsync("savings", asOf), await OfAsync("other", asOf)));
        }

        Assert.Equal((0, 1), (await OfAsync("savings", between), await OfAsync("other", between)));

        async Task<long?> OfAsync(string campaign, DateTimeOffset? asOf) =>
            (
                await new CampaignReports(given.DataSource).OfAsync(
                    campaign,
                    new ReportQuestion { Attribution = AttributionModel.Last, AsOf = asOf },
                    default
                )
            )
                .Value
                .Attribution!
                .AttributedConversions;
    }

    private static bool Buyer(int customer) => customer % 10 == 0;

    /// <summary>A second campaign that holds out one in five of each of the first one's arms, and tries an hour later.
    /// </summary>
    private static Task OverlapAsync(GivenArms given) =>
        given.ExecuteAsync(
            """
            INSERT INTO campaign (campaign_id, version, state, updated_at) VALUES ('other', 1, 'running', now());
            INSERT INTO run (run_key, campaign_key, number, campaign_version, state, as_of, plan, created_at, planned_at)
            SELECT -77, (SELECT campaign_key FROM campaign WHERE campaign_id = 'other'), 1, 1, state, as_of, plan,
                created_at, planned_at
            FROM run;
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at)
            SELECT -77, wave, channel, opens_at, closes_at FROM wave;
            INSERT INTO decision (customer_key, run_key, wave, step, reason, channel, variant)
            SELECT d.customer_key, -77, d.wave, 1, m.reason, d.channel, CASE m.reason WHEN 0 THEN 1 END
            FROM decision d
            JOIN customer c USING (customer_key)
            CROSS JOIN LATERAL (
                SELECT CASE WHEN (substr(c.customer_id, 2)::int - 1) / 10 % 5 = 0 THEN 21 ELSE 0 END AS reason
            ) m;
            INSERT INTO run_ledger (run_key, step, reason, channel, variant, wave, customers)
            SELECT run_key, 1, reason, channel, coalesce(variant, 0), wave, count(*)
            FROM decision
            WHERE run_key = -77
            GROUP BY 1, 3, 4, 5, 6;
            INSERT INTO attempt (run_key, chunk, request, channel, variant, try, attempted_at, customer_keys)
            SELECT d.run_key, 1, 1, 2, 1, 1, min(w.opens_at) + CASE d.run_key WHEN -77 THEN 1 ELSE 0 END * interval '1 hour',
                array_agg(d.customer_key ORDER BY d.customer_key)
            FROM decision d
            JOIN wave w USING (run_key, wave)
            WHERE d.reason = 0
            GROUP BY d.run_key
            """
        );
}
