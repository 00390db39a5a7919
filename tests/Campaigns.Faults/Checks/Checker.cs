using Campaigns.Demo;
using Campaigns.Faults.Running;
using Dapper;

namespace Campaigns.Faults.Checks;

/// <summary>Something that must hold and does not.</summary>
/// <param name="Invariant">Such as <c>I1</c>.</param>
/// <param name="What">Names customers by their numbers, never by their addresses.</param>
internal sealed record Violation(string Invariant, string What);

/// <summary>Holds the tables against the provider's ledger, and both against what the harness knows of the bank.</summary>
internal static class Checker
{
    /// <summary>Waits until the receipts are in, and checks all invariants.</summary>
    public static async Task<(Facts Facts, List<Violation> Violations)> CheckAsync(Scene scene)
    {
        await scene.Provider.FlushAsync(CancellationToken.None);
        await Wait.UntilAsync(
            () => ProviderView.IsQuietAsync(scene.Provider),
            "every receipt is taken",
            found: () => ProviderView.ReceiptsAsync(scene.Provider)
        );
        await Wait.UntilAsync(
            async () => (await scene.AskAsync<long>(Joinable)) == 0,
            "every parked receipt whose attempt is known is joined",
            seconds: 30
        );
        // They have nothing left to do but to ask for receipts, which would come between two reads.
        foreach (var worker in scene.Nodes.Where(node => !node.HasExited && node.Address != scene.Api))
        {
            await worker.KillAsync();
        }

        var facts = await Facts.ReadAsync(scene);
        var givenUp = await ProviderView.GivenUpAsync(scene.Provider);
        List<Violation> found =
        [
            .. givenUp == 0 ? [] : new[] { new Violation("harness", $"{givenUp} posts of receipts were given up") },
            .. LedgerChecks.Of(facts),
            .. TouchChecks.Of(facts),
            .. await PlanAsync(scene, facts),
            .. ContactChecks.Of(facts, scene.Journal),
            .. await LeasesAsync(scene),
            .. await AuditAsync(scene),
            .. (await scene.Journal.LostAsync(scene.Sql)).Select(id => new Violation(
                "I4",
                $"event {id} was acknowledged and is not stored"
            )),
            .. await TouchChecks.AgainstReportsAsync(scene, facts),
        ];
        return (facts, found);
    }

    private const string Joinable = """
        SELECT count(*)
        FROM parked_receipt p
        WHERE p.joined_at IS NULL AND EXISTS (
            SELECT FROM attempt a JOIN outcome o USING (run_key, chunk, request)
            WHERE a.request_key = p.receipt ->> 'requestKey')
        """;

    /// <summary>I3: everyone of the audience is decided once, as the bank's own data says.</summary>
    private static async Task<IEnumerable<Violation>> PlanAsync(Scene scene, Facts facts)
    {
        var found = new List<Violation>();
        foreach (var run in facts.Runs.Values)
        {
            var spec = scene.Campaigns.Single(campaign => campaign.Id == run.CampaignId);
            var decided = facts.Decisions[run.RunKey].ToList();
            var keys = decided.Select(decision => decision.CustomerKey).ToHashSet();
            var missing = Enumerable.Range(1, spec.Audience).Count(n => !keys.Contains(facts.Keys[n]));
            if (decided.Count != keys.Count)
            {
                found.Add(new Violation("I3", $"run {run.RunKey} has {decided.Count - keys.Count} decisions twice"));
            }

            if (missing > 0 || keys.Count != spec.Audience)
            {
                found.Add(
                    new Violation(
                        "I3",
                        $"run {run.RunKey} decided for {keys.Count} of {spec.Audience}; {missing} are missing"
                    )
                );
            }

            found.AddRange(
                decided
                    .Where(decision => decision.Kind != "suppressed" && !MayBeTouched(facts, decision, spec))
                    .Select(decision => new Violation(
                        "I6",
                        $"customer {facts.Numbers[decision.CustomerKey]} has not agreed, and is decided {decision.Kind}"
                    ))
            );
            var counted = await scene.AskAsync<long>(
                "SELECT coalesce(sum(customers), 0)::bigint FROM run_ledger WHERE run_key = @RunKey",
                new { run.RunKey }
            );
            if (counted != decided.Count)
            {
                found.Add(new Violation("I3", $"the ledger of run {run.RunKey} counts {counted} of {decided.Count}"));
            }
        }

        return found;
    }

    private static bool MayBeTouched(Facts facts, DecisionFact decision, CampaignSpec spec)
    {
        var n = facts.Numbers[decision.CustomerKey];
        return SmallBank.Agrees(n) && SmallBank.IsReached(n, spec.Channel);
    }

    /// <summary>A chunk is taken only when nobody holds it any more.</summary>
    private static async Task<IEnumerable<Violation>> LeasesAsync(Scene scene)
    {
        await using var connection = await scene.Sql.OpenConnectionAsync();
        var twice = await connection.QueryAsync<string>(
            "SELECT run_key || '-' || chunk FROM faults.claim WHERE held_by IS NOT NULL AND held_until > at"
        );
        return twice.Select(chunk => new Violation("I1", $"chunk {chunk} was claimed while it was held"));
    }

    /// <summary>I7: the row that changes a state and the row that says so are of one transaction.</summary>
    private static async Task<IEnumerable<Violation>> AuditAsync(Scene scene)
    {
        await using var connection = await scene.Sql.OpenConnectionAsync();
        var silent = await connection.QueryAsync<string>(
            """
            SELECT s.campaign_id || ' became ' || s.state
            FROM faults.campaign_state s
            WHERE NOT EXISTS (
                SELECT
                FROM audit a
                WHERE a.subject_kind = 'campaign' AND a.subject_id = s.campaign_id AND a.xmin::text = s.xmin::text
            )
            """
        );
        return silent.Select(what => new Violation("I7", $"{what} without an audit row in its transaction"));
    }
}
