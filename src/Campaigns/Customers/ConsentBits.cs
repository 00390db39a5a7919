using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>What <c>contact</c> says of consents: for each channel and purpose the newest by <c>occurred_at</c>; of a grant
/// and a refusal at one instant, the refusal. A word about every channel counts for each.</summary>
internal static class ConsentBits
{
    /// <summary>The rows of <c>contact</c> have to be locked by now.</summary>
    public static Task RecomputeAsync(NpgsqlConnection connection, long[] keys) =>
        connection.ExecuteAsync(
            """
            WITH marketing AS (
                SELECT DISTINCT ON (c.customer_key, b.channel) c.customer_key, b.bit, c.granted
                FROM consent AS c
                JOIN (VALUES (1, 1), (2, 2), (3, 4)) AS b (channel, bit) ON c.channel IN (0, b.channel)
                WHERE c.customer_key = ANY (@keys) AND c.purpose = 'marketing'
                ORDER BY c.customer_key, b.channel, c.occurred_at DESC, c.granted
            ), bits AS (
                SELECT customer_key, coalesce(bit_or(bit) FILTER (WHERE granted), 0) AS consented,
                    coalesce(bit_or(bit) FILTER (WHERE NOT granted), 0) AS opted_out
                FROM marketing
                GROUP BY customer_key
            ), others AS (
                SELECT DISTINCT ON (customer_key, purpose) customer_key, purpose, granted
                FROM consent
                WHERE customer_key = ANY (@keys) AND purpose <> 'marketing'
                ORDER BY customer_key, purpose, occurred_at DESC, granted
            )
            UPDATE contact AS k SET
                consented = coalesce(b.consented, 0), opted_out = coalesce(b.opted_out, 0),
                sensitive_consent = coalesce(s.granted, false), personalisation_off = NOT coalesce(p.granted, true)
            FROM unnest(@keys) AS m (customer_key)
            LEFT JOIN bits AS b ON b.customer_key = m.customer_key
            LEFT JOIN others AS s ON s.customer_key = m.customer_key AND s.purpose = 'sensitive'
            LEFT JOIN others AS p ON p.customer_key = m.customer_key AND p.purpose = 'personalisation'
            WHERE k.customer_key = m.customer_key AND NOT k.erased
                AND (k.consented, k.opted_out, k.sensitive_consent, k.personalisation_off) IS DISTINCT FROM
                    (coalesce(b.consented, 0), coalesce(b.opted_out, 0), coalesce(s.granted, false),
                        NOT coalesce(p.granted, true))
            """,
            new { keys }
        );
}
