using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>How many touches are in a state.</summary>
/// <param name="State"><c>planned</c>, <c>attempted</c>, <c>accepted</c>, <c>delivered</c>, <c>failed</c>,
/// <c>suppressed</c>, <c>expired</c>, <c>cancelled</c> or <c>unknown</c>.</param>
/// <param name="Reason">Why it was suppressed at dispatch, or <c>template_error</c> of a failed one; else null.</param>
public sealed record TouchCount(string State, string? Reason, long Count);

/// <summary>One touch.</summary>
/// <param name="State">As in <see cref="TouchCount"/>.</param>
/// <param name="Reason">As in <see cref="TouchCount"/>.</param>
public sealed record TouchState(string State, string? Reason);

/// <summary>Where a touch stands.</summary>
internal sealed class TouchStanding
{
    public long CustomerKey { get; init; }

    /// <summary>As in <see cref="TouchCount"/>.</summary>
    public required string State { get; init; }

    /// <summary>Whether a provider took an attempt of it, or delivered it.</summary>
    public bool Accepted { get; init; }

    /// <summary>For the first time.</summary>
    public DateTimeOffset? DeliveredAt { get; init; }
}

/// <summary>The states of touches, read from attempts, outcomes and receipts: the one rule, in the database's function
/// <c>touch_state</c>.</summary>
public static class TouchStates
{
    /// <summary>All but <c>planned</c>.</summary>
    internal static readonly IReadOnlyList<string> Moved =
    [
        "accepted",
        "attempted",
        "cancelled",
        "delivered",
        "expired",
        "failed",
        "suppressed",
        "unknown",
    ];

    /// <summary>The touches of a run by state; their sum is the number of touches decided.</summary>
    public static async Task<IReadOnlyList<TouchCount>> CountAsync(NpgsqlConnection connection, int runKey)
    {
        var rows = await connection.QueryAsync<(string State, string? Reason, long Count)>(
            """
            WITH moved AS MATERIALIZED (
                SELECT s.state, w.name AS reason, count(*) AS n
                FROM touch_state(@runKey) s
                LEFT JOIN withheld_reason w ON w.reason = s.reason
                GROUP BY 1, 2
            ), still AS (
                SELECT 'planned' AS state, NULL AS reason,
                       (SELECT count(*) FROM decision WHERE run_key = @runKey AND reason = 0)
                       - (SELECT coalesce(sum(n), 0)::bigint FROM moved) AS n
            )
            SELECT state, reason, sum(n)::bigint
            FROM (TABLE moved UNION ALL TABLE still) t
            GROUP BY 1, 2
            HAVING sum(n) <> 0
            ORDER BY 1, 2
            """,
            new { runKey }
        );
        return [.. rows.Select(row => new TouchCount(row.State, row.Reason, row.Count))];
    }

    /// <summary>The touch of one customer; null when the run decided none for the customer.</summary>
    public static async Task<TouchState?> OfAsync(NpgsqlConnection connection, int runKey, long customerKey)
    {
        var row = await connection.QuerySingleOrDefaultAsync<(string State, string? Reason)?>(
            """
            SELECT coalesce(s.state, 'planned'), w.name
            FROM decision d
            LEFT JOIN touch_state(@runKey, ARRAY[@customerKey]) s ON s.customer_key = d.customer_key
            LEFT JOIN withheld_reason w ON w.reason = s.reason
            WHERE d.run_key = @runKey AND d.customer_key = @customerKey AND d.step = 1 AND d.reason = 0
            """,
            new { runKey, customerKey }
        );
        return row is { } one ? new TouchState(one.State, one.Reason) : null;
    }

    /// <summary>The touches of these customers that are not simply planned.</summary>
    internal static Task<IEnumerable<TouchStanding>> OfAsync(
        NpgsqlConnection connection,
        int runKey,
        long[] customerKeys
    ) =>
        connection.QueryAsync<TouchStanding>(
            """
            SELECT customer_key, state, accepted_at IS NOT NULL AS accepted, delivered_at
            FROM touch_state(@runKey, @customerKeys)
            """,
            new { runKey, customerKeys }
        );
}
