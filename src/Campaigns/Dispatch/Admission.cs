using Campaigns.Channels;
using Campaigns.Customers;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Who of a round may go.</summary>
/// <param name="Waiting">A campaign with a higher priority may still need their place.</param>
/// <param name="Quiet">It is none of their hours, where they are now.</param>
internal sealed record Admitted(
    List<Touch> Passed,
    IReadOnlyDictionary<long, Withheld> Refused,
    List<Touch> Waiting,
    List<Touch> Quiet
);

/// <summary>Reads consent and reach again, and takes a place under the caps for everyone who may go.</summary>
internal sealed class Admission(Rivals rivals)
{
    /// <param name="template">The provider's, of the message; null where it names none.</param>
    /// <param name="candidates">In the order of keys.</param>
    /// <param name="again">They have their places, and what else a message takes, since they were first attempted.</param>
    internal async Task<Admitted> OfAsync(
        NpgsqlConnection connection,
        WaveContext wave,
        GatewayDeclaration gateway,
        string? template,
        List<Touch> candidates,
        bool again,
        ContactDay dates,
        CancellationToken cancellationToken
    )
    {
        if (candidates.Count == 0)
        {
            return new Admitted([], new Dictionary<long, Withheld>(), [], []);
        }

        long[] keys = [.. candidates.Select(touch => touch.CustomerKey)];
        if (!wave.Marketing)
        {
            var without = await ContactPlaces.NotServicedAsync(
                connection,
                gateway,
                keys,
                wave.Plan.UsesProfiling,
                dates,
                cancellationToken
            );
            if (!again)
            {
                await SpendAsync(connection, gateway, template, keys, without, cancellationToken);
            }

            return Sort(candidates, without, []);
        }

        var limits = wave.Limits(gateway);
        if (again)
        {
            var reasons = await ContactPlaces.WhyNotAsync(connection, gateway, keys, limits, dates, cancellationToken);
            var gone = reasons.Where(one => one.Value != Withheld.FrequencyCap);
            return Sort(candidates, gone.ToDictionary(one => one.Key, one => one.Value), []);
        }

        var waiting = await rivals.WaitingAsync(connection, wave, limits, keys, dates.Now);
        var taken = new HashSet<long>(keys.Length);
        // Who contests with nobody first: all of them, as a rule.
        foreach (
            var group in candidates.GroupBy(touch => waiting.GetValueOrDefault(touch.CustomerKey)).OrderBy(g => g.Key)
        )
        {
            List<Touch> members = [.. group];
            taken.UnionWith(
                await ContactPlaces.TakeAsync(
                    connection,
                    gateway,
                    [.. members.Select(touch => touch.CustomerKey)],
                    limits.Less(group.Key),
                    dates,
                    cancellationToken
                )
            );
        }

        if (taken.Count == keys.Length)
        {
            return new Admitted(candidates, new Dictionary<long, Withheld>(), [], []);
        }

        long[] rest = [.. keys.Where(key => !taken.Contains(key))];
        var refused = await ContactPlaces.WhyNotAsync(connection, gateway, rest, limits, dates, cancellationToken);
        if (refused.Count != rest.Length)
        {
            throw new InvalidOperationException("A customer has no contact row.");
        }

        return Sort(candidates, await OutrankedAsync(connection, wave, refused, waiting), waiting);
    }

    /// <summary>Where each message takes an authorisation, whoever has none cannot be reached. Marketing never takes one.
    /// </summary>
    private static async Task SpendAsync(
        NpgsqlConnection connection,
        GatewayDeclaration gateway,
        string? template,
        long[] keys,
        Dictionary<long, Withheld> without,
        CancellationToken cancellationToken
    )
    {
        if (gateway.NoAuthorisation is null)
        {
            return;
        }

        long[] asked = [.. keys.Where(key => !without.ContainsKey(key))];
        var spent = await UnspentAuthorisations.SpendAsync(connection, template ?? "", asked, cancellationToken);
        foreach (var key in asked.Where(key => !spent.Contains(key)))
        {
            without[key] = Withheld.Unreachable;
        }
    }

    /// <summary>Says of a cap whether it was a higher campaign that went.</summary>
    private async Task<Dictionary<long, Withheld>> OutrankedAsync(
        NpgsqlConnection connection,
        WaveContext wave,
        Dictionary<long, Withheld> refused,
        Dictionary<long, int> waiting
    )
    {
        long[] capped =
        [
            .. refused
                .Where(one => one.Value == Withheld.FrequencyCap && !waiting.ContainsKey(one.Key))
                .Select(one => one.Key),
        ];
        foreach (var key in await rivals.SentAsync(connection, wave, capped))
        {
            refused[key] = Withheld.Outranked;
        }

        return refused;
    }

    private static Admitted Sort(
        List<Touch> candidates,
        Dictionary<long, Withheld> refused,
        Dictionary<long, int> waiting
    )
    {
        var (passed, later, quiet) = (new List<Touch>(candidates.Count), new List<Touch>(), new List<Touch>());
        foreach (var touch in candidates)
        {
            if (!refused.TryGetValue(touch.CustomerKey, out var reason))
            {
                passed.Add(touch);
            }
            else if (reason == Withheld.FrequencyCap && waiting.ContainsKey(touch.CustomerKey))
            {
                refused.Remove(touch.CustomerKey);
                later.Add(touch);
            }
            else if (reason == Withheld.QuietHours)
            {
                refused.Remove(touch.CustomerKey);
                quiet.Add(touch);
            }
        }

        return new Admitted(passed, refused, later, quiet);
    }
}
