namespace Campaigns.Faults.Checks;

/// <summary>The states of touches by the rule as it is written, worked out here a second time: what receipts say of an
/// attempt is ranked, the highest holds; a touch has its last attempt's state, unless one was delivered.</summary>
internal static class Oracle
{
    public const string Planned = "planned";
    private const short Retryable = 3;
    private const short Moved = 0;

    private static readonly string[] Withheld =
    [
        "",
        "suppressed",
        "suppressed",
        "suppressed",
        "suppressed",
        "suppressed",
        "suppressed",
        "suppressed",
        "expired",
        "cancelled",
        "failed",
    ];

    /// <summary>By customer key, of everyone who was decided a touch.</summary>
    public static Dictionary<long, string> StatesOf(Facts facts, int runKey)
    {
        var states = facts
            .Decisions[runKey]
            .Where(decision => decision.Kind == "touch")
            .Select(decision => decision.CustomerKey)
            .Distinct()
            .ToDictionary(key => key, _ => Planned);
        // In the order of chunks and requests, so that the last one holds.
        foreach (var attempt in facts.Attempts.Where(attempt => attempt.RunKey == runKey))
        {
            for (var i = 0; i < attempt.CustomerKeys.Length; i++)
            {
                var key = attempt.CustomerKeys[i];
                if (states.GetValueOrDefault(key) != "delivered")
                {
                    states[key] = OfAttempt(facts, attempt, i);
                }
            }

            foreach (var (key, reason) in (attempt.WithheldKeys ?? []).Zip(attempt.WithheldReasons ?? []))
            {
                if (reason != Moved && states.GetValueOrDefault(key) != "delivered")
                {
                    states[key] = Withheld[reason];
                }
            }
        }

        return states;
    }

    private static string OfAttempt(Facts facts, AttemptFact attempt, int member)
    {
        var receipts = facts.Receipts[attempt.Id].Where(receipt => receipt.CustomerKey == attempt.CustomerKeys[member]);
        var said = receipts.Select(receipt => receipt.State).DefaultIfEmpty((short)0).Max();
        return said switch
        {
            4 => "delivered",
            3 => "failed",
            _ => !facts.Outcomes.TryGetValue(attempt.Id, out var outcome)
                ? "attempted"
                : outcome.StateOf(member) switch
                {
                    1 => "accepted",
                    4 => "unknown",
                    2 or Retryable => "failed",
                    _ => "none",
                },
        };
    }
}
