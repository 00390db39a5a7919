using Campaigns.Demo;

namespace Campaigns.Faults.Checks;

/// <summary>The provider's ledger, line by line, against the attempts and outcomes that were stored.</summary>
internal static class LedgerChecks
{
    private const short Accepted = 1;
    private const short Rejected = 2;
    private const short Retryable = 3;

    public static IEnumerable<Violation> Of(Facts facts) =>
        [.. Committed(facts), .. AcceptedOnce(facts), .. NotRepeated(facts), .. AsRecorded(facts)];

    /// <summary>What was sent had been committed before, to these customers, under this key, inside the window.</summary>
    private static IEnumerable<Violation> Committed(Facts facts)
    {
        foreach (var line in facts.Ledger)
        {
            var n = facts.Numbers.GetValueOrDefault(facts.KeyOf(line));
            if (facts.AttemptOf(line) is not { } attempt)
            {
                yield return new Violation(
                    "I1",
                    $"customer {n} was sent request {line.RequestKey}, which is not stored"
                );
            }
            else if (!attempt.CustomerKeys.Contains(facts.KeyOf(line)))
            {
                yield return new Violation("I1", $"customer {n} is not in request {line.RequestKey}, and was sent it");
            }
            else if (
                attempt.AttemptedAt < attempt.OpensAt
                || attempt.AttemptedAt >= attempt.ClosesAt
                || line.At < attempt.OpensAt
            )
            {
                yield return new Violation("I6", $"customer {n} was sent to outside the window");
            }

            if (line.Outcome == "duplicateOfOthers")
            {
                yield return new Violation("I1", $"key {line.RequestKey} came again with other members");
            }
        }

        foreach (var shared in facts.ByKey.Where(attempts => attempts.Count() > 1))
        {
            yield return new Violation("I1", $"{shared.Count()} requests share the key {shared.Key.Key}");
        }
    }

    /// <summary>I1: at most one accepted send per run and customer.</summary>
    private static IEnumerable<Violation> AcceptedOnce(Facts facts) =>
        facts
            .Ledger.Where(line => line.Outcome == "accepted")
            .GroupBy(line => (facts.AttemptOf(line)?.RunKey, Key: facts.KeyOf(line)))
            .Where(lines => lines.Count() > 1)
            .Select(lines => new Violation(
                "I1",
                $"customer {facts.Numbers.GetValueOrDefault(lines.Key.Key)} was sent to {lines.Count()} times in run {lines.Key.RunKey}, by {string.Join(", ", lines.Select(line => line.RequestKey))}"
            ));

    /// <summary>I1: with a provider that has no key, what may have been sent is never sent again.</summary>
    private static IEnumerable<Violation> NotRepeated(Facts facts) =>
        facts
            .Ledger.Where(line => line is { Channel: "sms", Outcome: "accepted" or "lost" })
            .GroupBy(line => (facts.AttemptOf(line)?.RunKey, Key: facts.KeyOf(line)))
            .Where(lines => lines.Count() > 1 && lines.Any(line => line.Outcome == "lost"))
            .Select(lines => new Violation(
                "I1",
                $"customer {facts.Numbers.GetValueOrDefault(lines.Key.Key)} was sent to again after silence"
            ));

    /// <summary>What is recorded of a request is what the provider did with it.</summary>
    private static IEnumerable<Violation> AsRecorded(Facts facts)
    {
        var accepted = facts
            .Ledger.Where(line => line.Outcome is "accepted" or "filtered")
            .Select(line => (Facts.Number(line.Channel), line.RequestKey!, facts.KeyOf(line)))
            .ToHashSet();
        foreach (var attempt in facts.Attempts.Where(attempt => attempt.CustomerKeys.Length > 0))
        {
            if (!facts.Outcomes.TryGetValue(attempt.Id, out var outcome))
            {
                yield return new Violation("I2", $"request {attempt.RequestKey} has no outcome");
                continue;
            }

            for (var i = 0; i < attempt.CustomerKeys.Length; i++)
            {
                var key = attempt.CustomerKeys[i];
                var has = accepted.Contains((attempt.Channel, attempt.RequestKey!, key));
                var state = outcome.StateOf(i);
                if (state == Accepted && !has)
                {
                    yield return new Violation(
                        "I2",
                        $"customer {facts.Numbers[key]} is recorded accepted, and was never sent"
                    );
                }
                else if (state is Rejected or Retryable && has)
                {
                    yield return new Violation(
                        "I2",
                        $"customer {facts.Numbers[key]} is recorded refused, and was sent"
                    );
                }
            }
        }
    }
}
