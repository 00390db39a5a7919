using Dapper;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>What the provider counted of a wave's mass sends: of each call as a whole, so no touch's state changes by it.
/// </summary>
public sealed record MassSendCounts
{
    /// <summary>Calls whose counts have come.</summary>
    public required long Calls { get; init; }

    /// <summary>Customers whom these calls named; their touches stand as accepted.</summary>
    public required long Named { get; init; }

    /// <summary>Followers left after the provider's own filters, such as who had four this month.</summary>
    public required long Filtered { get; init; }

    /// <summary>Followers to whom the provider says it sent.</summary>
    public required long SentTo { get; init; }

    /// <summary>Tried, and failed.</summary>
    public required long Failed { get; init; }

    /// <summary>Named, and not sent by the provider's own count, call by call.</summary>
    public required long NotSent { get; init; }

    /// <summary>What the provider says of calls that did not end in <c>sendsuccess</c>, such as <c>err_10001</c>; each word
    /// once.</summary>
    public required IReadOnlyList<string> Problems { get; init; }

    /// <summary>Those of several waves together; null of none.</summary>
    internal static MassSendCounts? Sum(IReadOnlyList<MassSendCounts> waves) =>
        waves switch
        {
            [] => null,
            [var only] => only,
            _ => new()
            {
                Calls = waves.Sum(wave => wave.Calls),
                Named = waves.Sum(wave => wave.Named),
                Filtered = waves.Sum(wave => wave.Filtered),
                SentTo = waves.Sum(wave => wave.SentTo),
                Failed = waves.Sum(wave => wave.Failed),
                NotSent = waves.Sum(wave => wave.NotSent),
                Problems = [.. waves.SelectMany(wave => wave.Problems).Distinct().Order(StringComparer.Ordinal)],
            },
        };
}

/// <summary>Reads the counts of mass sends by wave.</summary>
internal static class MassSends
{
    /// <summary>By the wave that the touches were planned for, wherever they rolled or fell back to; waves without a receipt
    /// are left out.</summary>
    /// <param name="through">Business time up to which receipts had come; null for now.</param>
    internal static async Task<IReadOnlyDictionary<int, MassSendCounts>> ByWaveAsync(
        NpgsqlConnection connection,
        int runKey,
        DateTimeOffset? through,
        CancellationToken cancellationToken
    ) =>
        (
            await connection.QueryAsync<Row>(
                new CommandDefinition(
                    """
                    SELECT coalesce(c.planned_wave, c.wave) AS wave,
                        count(*) AS calls, sum(cardinality(a.customer_keys))::bigint AS named,
                        sum(r.filtered)::bigint AS filtered, sum(r.sent)::bigint AS sent_to, sum(r.failed)::bigint AS failed,
                        sum(greatest(cardinality(a.customer_keys) - r.sent, 0))::bigint AS not_sent,
                        coalesce(
                            array_agg(DISTINCT r.status) FILTER (WHERE r.status <> 'sendsuccess'), '{}'
                        ) AS problems
                    FROM request_receipt r
                    JOIN chunk c USING (run_key, chunk)
                    JOIN attempt a USING (run_key, chunk, request)
                    WHERE r.run_key = @runKey AND (@through::timestamptz IS NULL OR r.received_at <= @through)
                    GROUP BY 1
                    """,
                    new { runKey, through },
                    cancellationToken: cancellationToken
                )
            )
        ).ToDictionary(row => row.Wave, row => row.Counts);

    private sealed class Row
    {
        public int Wave { get; init; }
        public long Calls { get; init; }
        public long Named { get; init; }
        public long Filtered { get; init; }
        public long SentTo { get; init; }
        public long Failed { get; init; }
        public long NotSent { get; init; }
        public string[] Problems { get; init; } = [];

        internal MassSendCounts Counts =>
            new()
            {
                Calls = Calls,
                Named = Named,
                Filtered = Filtered,
                SentTo = SentTo,
                Failed = Failed,
                NotSent = NotSent,
                Problems = Problems,
            };
    }
}
