using Campaigns.Channels;
using Dapper;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>The attempt that a receipt is about.</summary>
internal sealed class ReceiptMatch
{
    /// <summary>Place of the receipt in what was given.</summary>
    public int Ord { get; init; }
    public int RunKey { get; init; }
    public int Chunk { get; init; }
    public int Request { get; init; }
    public long CustomerKey { get; init; }

    /// <summary>As planned.</summary>
    public int Wave { get; init; }

    /// <summary>As planned.</summary>
    public short Channel { get; init; }
    public short Variant { get; init; }

    /// <summary>What the gateway had answered; null while no outcome is recorded.</summary>
    public short? Answer { get; init; }

    /// <summary>The gateway had said that it was not sent.</summary>
    internal bool Refused => Answer is (short)SendState.Rejected or (short)SendState.Retryable;

    internal (int RunKey, int Chunk, int Request) RequestId => (RunKey, Chunk, Request);
    internal (int RunKey, int Chunk, int Request, long CustomerKey) AttemptId => (RunKey, Chunk, Request, CustomerKey);

    /// <summary>Finds attempts by the request's key, else by the id that their gateway was given (another's may have given
    /// the same), and the customer by the touch's key, else by the address; where the address is nobody's any more, a
    /// request's only customer.</summary>
    /// <remarks>OFFSET 0 keeps the planner to the order that is written: from a join of its own it has gone through all
    /// attempts of the gateway for each receipt.</remarks>
    internal static async Task<List<ReceiptMatch>> FindAsync(NpgsqlConnection connection, IReadOnlyList<Said> said) =>
        (
            await connection.QueryAsync<ReceiptMatch>(
                """
                WITH given AS MATERIALIZED (
                    SELECT ord, gateway, channel, request_key, provider_id, decode(lookup, 'base64') AS lookup, named
                    FROM unnest(@ords, @gateways, @channels, @keys, @ids, @lookups, @customers)
                        AS g (ord, gateway, channel, request_key, provider_id, lookup, named)
                ), found AS (
                    SELECT g.ord, g.lookup, g.named, a.*
                    FROM given g
                    CROSS JOIN LATERAL (SELECT * FROM attempt a WHERE a.request_key = g.request_key OFFSET 0) a
                    WHERE a.channel = g.channel
                    UNION ALL
                    SELECT g.ord, g.lookup, g.named, a.*
                    FROM (
                        SELECT * FROM given
                        WHERE NOT EXISTS (SELECT FROM attempt k WHERE k.request_key = given.request_key)
                        OFFSET 0
                    ) g
                    CROSS JOIN LATERAL (
                        SELECT DISTINCT o.run_key, o.chunk, o.request
                        FROM outcome o
                        WHERE o.provider_ids @> ARRAY[g.provider_id]
                        OFFSET 0
                    ) o
                    CROSS JOIN LATERAL (
                        SELECT * FROM attempt a
                        WHERE a.run_key = o.run_key AND a.chunk = o.chunk AND a.request = o.request
                        OFFSET 0
                    ) a
                    WHERE a.channel = g.channel AND a.gateway = g.gateway
                )
                SELECT f.ord, f.run_key, f.chunk, f.request, m.customer_key, w.wave, w.channel, f.variant,
                       CASE WHEN cardinality(o.states) = 1 THEN o.states[1]
                            ELSE o.states[array_position(f.customer_keys, m.customer_key)] END AS answer
                FROM found f
                JOIN chunk c ON c.run_key = f.run_key AND c.chunk = f.chunk
                JOIN wave w ON w.run_key = c.run_key AND w.wave = coalesce(c.planned_wave, c.wave)
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN f.named = ANY (f.customer_keys) THEN f.named WHEN f.named IS NULL THEN coalesce(
                        (SELECT min(a.customer_key)
                         FROM address a
                         WHERE a.channel = f.channel AND a.lookup = f.lookup AND a.customer_key = ANY (f.customer_keys)),
                        CASE WHEN cardinality(f.customer_keys) = 1
                              AND NOT EXISTS (SELECT FROM address a WHERE a.channel = f.channel AND a.lookup = f.lookup)
                             THEN f.customer_keys[1] END
                    ) END AS customer_key
                ) m
                LEFT JOIN LATERAL (
                    SELECT o.states
                    FROM outcome o
                    WHERE o.run_key = f.run_key AND o.chunk = f.chunk AND o.request = f.request
                    ORDER BY o.answer DESC
                    LIMIT 1
                ) o ON true
                WHERE m.customer_key IS NOT NULL
                ORDER BY f.ord
                """,
                new
                {
                    ords = Enumerable.Range(0, said.Count).ToArray(),
                    gateways = said.Select(one => one.Source).ToArray(),
                    channels = said.Select(one => (short)one.Channel).ToArray(),
                    keys = said.Select(one => one.RequestKey).ToArray(),
                    ids = said.Select(one => one.ProviderId).ToArray(),
                    lookups = said.Select(one => one.Lookup).ToArray(),
                    customers = said.Select(one => one.CustomerKey).ToArray(),
                }
            )
        ).AsList();
}
