using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Results;

namespace Campaigns.Dispatch;

/// <summary>Why a list of testers is not one that a test may go to.</summary>
internal static class TestFaults
{
    private const int Most = 20;

    internal static Error? OfList(IReadOnlyList<string> testers)
    {
        var faults = new FaultList();
        if (testers.Count is 0 or > Most)
        {
            faults.Malformed("testers", $"must name 1 to {Most} testers");
        }

        foreach (var (id, place) in testers.Select((id, place) => (id, place)))
        {
            if (id is null || testers.Take(place).Contains(id))
            {
                faults.Malformed($"testers[{place}]", "must be an id, and stand here once");
            }
        }

        return faults.ToError();
    }

    internal static Error? Strangers(
        IReadOnlyList<string> testers,
        Dictionary<string, TesterAddress> listed,
        Dictionary<string, Customer> known
    )
    {
        var faults = new FaultList();
        foreach (var (id, place) in testers.Select((id, place) => (id, place)))
        {
            if (!listed.ContainsKey(id) || !known.ContainsKey(id))
            {
                faults.Invalid(
                    "not-a-tester",
                    $"testers[{place}]",
                    "is not on the list of testers; an operator keeps it"
                );
            }
        }

        return faults.ToError();
    }

    internal static Error? NotTestable(GatewayDeclaration gateway) =>
        gateway.NoAuthorisation is null
            ? null
            : Error.Invalid(
                "not-testable",
                "testers",
                $"{gateway.Name} spends an authorisation that the customer gave for one message: a test must not take it. "
                    + "Look at the preview."
            );

    internal static Error? TooFew(List<TestItem> items, GatewayDeclaration gateway)
    {
        var going = items.Count(item => item.Withheld is null);
        return going == 0 || going >= gateway.MinBatch
            ? null
            : Error.Invalid(
                "too-few-testers",
                "testers",
                $"{gateway.Name} sends to {gateway.MinBatch} at once at the least, and {going} of these may be sent to: name "
                    + "more testers."
            );
    }
}
