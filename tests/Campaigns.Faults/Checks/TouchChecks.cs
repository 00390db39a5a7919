using Campaigns.Demo;
using Campaigns.Faults.Running;
using Dapper;

namespace Campaigns.Faults.Checks;

/// <summary>What became of touches.</summary>
internal static class TouchChecks
{
    /// <summary>I2 and I5: every touch has ended, and as the receipts say, whatever their order and number.</summary>
    public static IEnumerable<Violation> Of(Facts facts)
    {
        foreach (var run in facts.Runs.Values)
        {
            if (run.State != "closed" || run.Waiting > 0)
            {
                yield return new Violation("I2", $"run {run.RunKey} is {run.State}, and {run.Waiting} chunks wait");
            }

            var open = Oracle.StatesOf(facts, run.RunKey).Where(touch => touch.Value is Oracle.Planned or "attempted");
            foreach (var (key, state) in open)
            {
                yield return new Violation("I2", $"the touch of customer {facts.Numbers[key]} is still {state}");
            }
        }

        foreach (var violation in Receipts(facts))
        {
            yield return violation;
        }
    }

    /// <summary>Receipts of SMS are pushed, so all that the provider has to say has been said by now.</summary>
    private static IEnumerable<Violation> Receipts(Facts facts)
    {
        var stored = facts.Attempts.ToDictionary(attempt => attempt.Id, attempt => attempt.RequestKey);
        var fates = facts
            .Ledger.Where(line => line.Outcome == "accepted")
            .ToLookup(line => (Facts.Number(line.Channel), line.RequestKey!, facts.KeyOf(line)), line => line.Fate);
        foreach (var line in facts.Ledger.Where(line => line is { Outcome: "accepted", Channel: "sms" }))
        {
            if (facts.AttemptOf(line) is not { } attempt)
            {
                continue;
            }

            var said = facts
                .Receipts[attempt.Id]
                .Where(receipt => receipt.CustomerKey == facts.KeyOf(line))
                .Select(receipt => receipt.State)
                .DefaultIfEmpty((short)0)
                .Max();
            var fate = line.Fate switch
            {
                "delivered" => 4,
                "failed" => 3,
                _ => 0,
            };
            if (said != fate)
            {
                yield return new Violation(
                    "I5",
                    $"customer {facts.Numbers[facts.KeyOf(line)]} ended {line.Fate}, and state {said} is stored"
                );
            }
        }

        foreach (var receipt in facts.Receipts.SelectMany(receipts => receipts))
        {
            var channel = facts.Attempts.First(attempt => attempt.Id == receipt.Id).Channel;
            if (!fates[(channel, stored[receipt.Id]!, receipt.CustomerKey)].Any())
            {
                yield return new Violation(
                    "I5",
                    $"a receipt of customer {facts.Numbers[receipt.CustomerKey]} has no send"
                );
            }
        }
    }

    /// <summary>I3: what the product reports are the sums of what is stored.</summary>
    public static async Task<IEnumerable<Violation>> AgainstReportsAsync(Scene scene, Facts facts)
    {
        var found = new List<Violation>();
        foreach (var run in facts.Runs.Values)
        {
            var states = Oracle.StatesOf(facts, run.RunKey);
            var ours = Text(states.Values.GroupBy(state => state).ToDictionary(g => g.Key, g => (long)g.Count()));
            await using (var connection = await scene.Sql.OpenConnectionAsync())
            {
                var product = await connection.QueryAsync<(long Key, string State)>(
                    "SELECT customer_key, state FROM touch_state(@RunKey)",
                    new { run.RunKey }
                );
                found.AddRange(
                    product
                        .Where(row => states.GetValueOrDefault(row.Key) != row.State)
                        .Select(row => new Violation(
                            "I2",
                            $"customer {facts.Numbers[row.Key]} is {row.State} by touch_state, {states.GetValueOrDefault(row.Key)} by the rule"
                        ))
                );
            }

            var report = await scene.Analyst.GetAsync<ReportView>($"/v1/campaigns/{run.CampaignId}/report", default);
            var (ledger, decided) = (report.Ledger, facts.Decisions[run.RunKey].ToList());
            var theirs = Text(ledger.TouchesByState);
            if (
                theirs != ours
                || ledger.Audience != decided.Count
                || ledger.Touches != states.Count
                || ledger.HeldOut + ledger.Suppressed.Values.Sum() + ledger.Touches != ledger.Audience
            )
            {
                found.Add(
                    new Violation(
                        "I3",
                        $"{run.CampaignId} reports {ledger.Audience} = {ledger.HeldOut} + {ledger.Suppressed.Values.Sum()} + {ledger.Touches} ({theirs}); stored are {decided.Count} and {states.Count} ({ours})"
                    )
                );
            }

            found.AddRange(await AgainstCountersAsync(scene, run, states));
        }

        return found;
    }

    /// <summary>I3: the counters that reports are folded from, over what is folded and what is not yet.</summary>
    private static async Task<IEnumerable<Violation>> AgainstCountersAsync(
        Scene scene,
        RunFact run,
        Dictionary<long, string> states
    )
    {
        await using var connection = await scene.Sql.OpenConnectionAsync();
        var counters = (
            await connection.QueryAsync<(string Metric, long N)>(
                """
                SELECT metric, sum(n)::bigint
                FROM (SELECT run_key, metric, n FROM report_cell UNION ALL SELECT run_key, metric, n FROM report_delta) c
                WHERE run_key = @RunKey
                GROUP BY metric
                """,
                new { run.RunKey }
            )
        ).ToDictionary(row => row.Metric, row => row.N);
        return new[] { "attempted", "accepted", "delivered", "failed", "unknown", "suppressed", "expired", "cancelled" }
            .Select(metric =>
                (
                    metric,
                    Counted: counters.GetValueOrDefault($"state_{metric}"),
                    Stored: states.Values.Count(s => s == metric)
                )
            )
            .Where(row => row.Counted != row.Stored)
            .Select(row => new Violation(
                "I3",
                $"{run.CampaignId} counts {row.Counted} {row.metric}; stored are {row.Stored}"
            ));
    }

    private static string Text(IReadOnlyDictionary<string, long> counts) =>
        string.Join(
            ", ",
            counts
                .Where(c => c.Value != 0)
                .OrderBy(c => c.Key, StringComparer.Ordinal)
                .Select(c => $"{c.Key} {c.Value}")
        );
}
