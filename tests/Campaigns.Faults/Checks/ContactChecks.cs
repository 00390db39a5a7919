using Campaigns.Demo;
using Campaigns.Faults.Running;

namespace Campaigns.Faults.Checks;

/// <summary>I6: who may be sent to, of what the harness knows by itself.</summary>
internal static class ContactChecks
{
    public static IEnumerable<Violation> Of(Facts facts, Journal journal)
    {
        var touched = facts
            .Decisions.SelectMany(decisions => decisions)
            .Where(decision => decision.Kind == "touch")
            .Select(decision => (decision.RunKey, decision.CustomerKey))
            .ToHashSet();
        foreach (var line in facts.Ledger)
        {
            var n = SyntheticAddress.Owner(line.Channel, line.Address) ?? 0;
            if (!SmallBank.Agrees(n))
            {
                yield return new Violation("I6", $"customer {n} has not agreed, and was sent to");
            }

            if (facts.AttemptOf(line) is not { } attempt)
            {
                continue;
            }

            if (!touched.Contains((attempt.RunKey, facts.KeyOf(line))))
            {
                yield return new Violation("I6", $"customer {n} was decided no touch, and was sent to");
            }

            // A repeated request keeps its first instant, and may be refused later: then it is the repetition that counts.
            if (journal.Refused.TryGetValue(n, out var refused) && attempt.AttemptedAt > refused)
            {
                yield return new Violation("I6", $"customer {n} had refused, and was sent to");
            }
        }
    }
}
