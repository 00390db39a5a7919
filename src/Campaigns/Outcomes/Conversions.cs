using System.Text.Json;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Dapper;
using Npgsql;

namespace Campaigns.Outcomes;

/// <summary>Counts goal events for the runs they are conversions of. One rule for both arms: an event of the goal's name in
/// [start, start + window), start being the opening of the customer's planned send window, moved with the run. Where only
/// the first counts, it is the earliest that is not taken back, in whatever order they come.</summary>
public static class Conversions
{
    /// <summary>SQL: from when on goal events count, of a wave <c>w</c>.</summary>
    internal const string Start = "coalesce(w.counts_from, w.opens_at)";

    /// <summary>SQL: whether an event <c>e</c> lies in the goal's window of a customer of a wave <c>w</c>.</summary>
    internal static string InWindow(string window) =>
        $"e.occurred_at >= {Start} AND e.occurred_at < {Start} + {window}";

    /// <summary>SQL: whether the amount of an event <c>e</c> is in another currency, and so not a value of the goal's.
    /// </summary>
    internal static string OtherCurrency(string goals) =>
        $"(e.amount IS NOT NULL AND coalesce(e.currency, '{Goal.BankCurrency}') <> {goals})";

    /// <summary>Readers of the runs that can be converted for; a run that has just been planned waits for them.</summary>
    internal const long IntakeLock = 0x43_6f_6e_76;

    /// <summary>Counts events that were stored just now, in the caller's transaction; it may fail with 40P01 and be
    /// repeated.</summary>
    /// <param name="now">Business time.</param>
    public static async Task CountAsync(
        NpgsqlConnection connection,
        IReadOnlyList<StoredEvent> stored,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        if (stored.Count == 0)
        {
            return;
        }

        var goals = await GoalsAsync(connection, stored, cancellationToken);
        var names = goals.Select(goal => goal.Goal.Event).ToHashSet();
        var taking = stored.Where(row => TakesBack(row) is not null).ToList();
        var counting = stored.Where(row => names.Contains(row.Entry.Name)).ToList();
        if (taking.Count + counting.Count == 0)
        {
            return;
        }

        var customers = taking.Concat(counting).Select(row => row.CustomerKey).Distinct().Order().ToArray();
        await LockAsync(connection, customers, cancellationToken);
        var takenBack = await TakeBackAsync(connection, taking, now, cancellationToken);
        if (counting.Count + takenBack.Count > 0)
        {
            await SettleAsync(connection, counting, goals, takenBack, now, cancellationToken);
        }
    }

    /// <summary>Conversions of these customers are counted by one transaction at a time.</summary>
    internal static Task LockAsync(
        NpgsqlConnection connection,
        long[] customers,
        CancellationToken cancellationToken
    ) =>
        connection.ExecuteByKeysAsync(
            "SELECT FROM customer WHERE customer_key = ANY (@customers) ORDER BY customer_key FOR NO KEY UPDATE",
            cancellationToken,
            ("customers", customers)
        );

    private static string? TakesBack(StoredEvent row) =>
        row.Entry.Attributes is { } attributes
        && attributes.TryGetValue(EventNames.Reverses, out var id)
        && id.ValueKind == JsonValueKind.String
            ? id.GetString()
            : null;

    private static async Task<List<RunGoal>> GoalsAsync(
        NpgsqlConnection connection,
        IReadOnlyList<StoredEvent> stored,
        CancellationToken cancellationToken
    )
    {
        await connection.ExecuteAsync(
            new CommandDefinition(
                "SELECT pg_advisory_xact_lock_shared(@IntakeLock)",
                new { IntakeLock },
                cancellationToken: cancellationToken
            )
        );
        var rows = await connection.QueryByKeysAsync<(int RunKey, string Goal, DateTime First, DateTime Last)>(
            $$"""
            SELECT r.run_key, (r.plan -> 'goal')::text, w.first, w.last
            FROM run r
            CROSS JOIN LATERAL (
                SELECT min({{Start}}) AS first, max({{Start}}) + (r.plan #>> '{goal,window}')::interval AS last
                FROM wave w
                WHERE w.run_key = r.run_key
            ) w
            WHERE r.planned_at IS NOT NULL AND r.plan #>> '{goal,event}' = ANY (@names) AND r.as_of <= @latest
                AND w.last > @earliest
            """,
            cancellationToken,
            ("names", stored.Select(row => row.Entry.Name).Distinct().ToArray()),
            ("earliest", stored.Min(row => row.Entry.OccurredAt)),
            ("latest", stored.Max(row => row.Entry.OccurredAt))
        );
        // One old event among many must not have every run since then looked at for each of them.
        return
        [
            .. rows.Select(row => new RunGoal(
                    row.RunKey,
                    JsonSerializer.Deserialize<Goal>(row.Goal, ProductJson.Options)!,
                    row.First,
                    row.Last
                ))
                .Where(goal => stored.Any(row => goal.MayCount(row.Entry))),
        ];
    }

    private static async Task<List<(int RunKey, long CustomerKey)>> TakeBackAsync(
        NpgsqlConnection connection,
        List<StoredEvent> taking,
        DateTimeOffset now,
        CancellationToken cancellationToken
    ) =>
        taking.Count == 0
            ? []
            : await connection.QueryByKeysAsync<(int RunKey, long CustomerKey)>(
                """
                WITH taken AS (
                    INSERT INTO reversal (customer_key, event_source, event_id, recorded_at)
                    SELECT t.customer_key, t.event_source, t.event_id, @now
                    FROM unnest(@keys, @sources, @ids) AS t (customer_key, event_source, event_id)
                    ON CONFLICT DO NOTHING
                    RETURNING customer_key, event_source, event_id
                )
                UPDATE conversion c
                SET reversed_at = @now
                FROM taken t
                CROSS JOIN LATERAL (
                    SELECT ctid FROM conversion
                    WHERE customer_key = t.customer_key AND event_source = t.event_source AND event_id = t.event_id
                        AND reversed_at IS NULL
                    OFFSET 0
                ) k
                WHERE c.ctid = k.ctid
                RETURNING c.run_key, c.customer_key
                """,
                cancellationToken,
                ("now", now),
                ("keys", taking.Select(row => row.CustomerKey).ToArray()),
                ("sources", taking.Select(row => row.EventSource).ToArray()),
                ("ids", taking.Select(row => TakesBack(row)!).ToArray())
            );

    private static Task SettleAsync(
        NpgsqlConnection connection,
        List<StoredEvent> counting,
        List<RunGoal> goals,
        List<(int RunKey, long CustomerKey)> takenBack,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        return connection.ExecuteByKeysAsync(
            Settle,
            cancellationToken,
            ("now", now),
            ("keys", OfEvents(row => row.CustomerKey)),
            ("names", OfEvents(row => row.Entry.Name)),
            ("sources", OfEvents(row => row.EventSource)),
            ("ids", OfEvents(row => row.Entry.Id)),
            ("at", OfEvents(row => row.Entry.OccurredAt.UtcDateTime)),
            ("amounts", OfEvents(row => row.Entry.Amount)),
            ("currencies", OfEvents(row => row.Entry.Currency)),
            ("attributes", OfEvents(row => JsonOf(row.Entry.Attributes))),
            ("runs", OfGoals(goal => goal.RunKey)),
            ("events", OfGoals(goal => goal.Goal.Event)),
            ("firsts", OfGoals(goal => goal.First)),
            ("lasts", OfGoals(goal => goal.Last)),
            ("windows", OfGoals(goal => goal.Goal.Window)),
            ("goalCurrencies", OfGoals(goal => goal.Goal.ValueCurrency)),
            ("leasts", OfGoals(goal => goal.Goal.AtLeast)),
            ("wheres", OfGoals(goal => goal.Goal.WhereText())),
            ("changedRuns", takenBack.Select(one => one.RunKey).ToArray()),
            ("changedCustomers", takenBack.Select(one => one.CustomerKey).ToArray())
        );

        T[] OfEvents<T>(Func<StoredEvent, T> value) => [.. counting.Select(value)];
        T[] OfGoals<T>(Func<RunGoal, T> value) => [.. goals.Select(value)];
    }

    private static readonly string Settle = ConversionTally.Settle(
        $"""
        SELECT d.run_key, d.wave, coalesce(d.variant, 0) AS variant, d.customer_key,
            CASE d.reason WHEN 0 THEN 0 ELSE 1 END AS arm, e.event_source, e.event_id, e.occurred_at,
            @now AS recorded_at, e.amount, e.currency, {OtherCurrency("g.currency")} AS other_currency,
            v.recorded_at AS reversed_at
        FROM unnest(@keys, @names, @sources, @ids, @at, @amounts, @currencies, @attributes::jsonb[])
            AS e (customer_key, name, event_source, event_id, occurred_at, amount, currency, attributes)
        JOIN unnest(@runs, @events, @firsts, @lasts, @windows, @goalCurrencies, @leasts, @wheres)
            AS g (run_key, name, first, last, period, currency, least, needed)
            ON g.name = e.name AND e.occurred_at >= g.first AND e.occurred_at < g.last
            AND {Goal.Matching("g.least", "g.currency", "g.needed")}
        CROSS JOIN LATERAL (
            -- Each by its key: a run that was planned just now has no statistics to choose a join by.
            SELECT run_key, customer_key, reason, wave, variant FROM decision
            WHERE run_key = g.run_key AND customer_key = e.customer_key AND step = 1 AND reason IN (0, 21)
            OFFSET 0
        ) d
        JOIN wave w ON w.run_key = d.run_key AND w.wave = d.wave
        LEFT JOIN LATERAL (
            SELECT recorded_at FROM reversal
            WHERE customer_key = e.customer_key AND event_source = e.event_source AND event_id = e.event_id
            OFFSET 0
        ) v ON true
        WHERE {InWindow("g.period")}
        """
    );

    private static string? JsonOf(IReadOnlyDictionary<string, JsonElement>? attributes) =>
        attributes is null ? null : JsonSerializer.Serialize(attributes);

    /// <param name="First">The first start of its waves, and so included.</param>
    /// <param name="Last">The last end of their windows; excluded.</param>
    private sealed record RunGoal(int RunKey, Goal Goal, DateTime First, DateTime Last)
    {
        public bool MayCount(EventEntry entry) =>
            entry.Name == Goal.Event && entry.OccurredAt.UtcDateTime >= First && entry.OccurredAt.UtcDateTime < Last;
    }
}
