using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Addresses by channel and lookup.</summary>
internal sealed record AddressGroups(short[] Channels, byte[][] Lookups)
{
    public static readonly AddressGroups None = new([], []);

    public static AddressGroups Of(IEnumerable<(short Channel, byte[] Lookup)> addresses)
    {
        var all = addresses.ToList();
        return new([.. all.Select(address => address.Channel)], [.. all.Select(address => address.Lookup)]);
    }
}

/// <summary>Keeps <c>contact.shared</c> right: of the customers with one address, the one with the lowest key owns it, and
/// the others share it. Whoever changes addresses locks their groups first, so that no two see half of each other.
/// </summary>
internal sealed class SharedAddresses(NpgsqlConnection connection, CancellationToken cancellationToken)
{
    private const int LockClass = 0x41444452; // "ADDR"
    private const int Stripes = 64;

    private static readonly string LockSql = $"""
        SELECT pg_advisory_xact_lock({LockClass}, g.stripe)
        FROM (SELECT DISTINCT get_byte(l.lookup, 0) % {Stripes} AS stripe FROM (§) AS l ORDER BY 1) AS g
        """;

    private const string Given = "SELECT channel, lookup FROM unnest(@channels, @lookups) AS g (channel, lookup)";

    /// <summary>Of a relation with a column <c>lookup</c>.</summary>
    public Task LockAsync(RowSource lookups) =>
        connection.ExecuteAsync(
            new CommandDefinition(
                LockSql.Replace("§", lookups.Sql, StringComparison.Ordinal),
                lookups.Parameters,
                cancellationToken: cancellationToken
            )
        );

    public Task LockAsync(AddressGroups groups) =>
        groups.Channels.Length == 0 ? Task.CompletedTask : LockAsync(new RowSource(Given, Parameters(groups)));

    /// <summary>Settles who owns the addresses that were written (a relation of <c>channel, lookup</c>) and those that
    /// somebody left.</summary>
    public async Task SettleAsync(RowSource written, AddressGroups left)
    {
        var parameters = new DynamicParameters(written.Parameters);
        parameters.AddDynamicParams(Parameters(left));
        // An address that one customer alone has needs settling only where somebody left it.
        var wrong = await connection.QueryAsync<(long Key, short Mask, short Shared)>(
            new CommandDefinition(
                $"""
                WITH groups AS (
                    SELECT w.channel, w.lookup
                    FROM (SELECT DISTINCT channel, lookup FROM ({written.Sql}) AS w) AS w
                    JOIN address AS a ON a.channel = w.channel AND a.lookup = w.lookup
                    GROUP BY w.channel, w.lookup
                    HAVING count(*) > 1
                    UNION {Given}
                ), members AS (
                    SELECT a.customer_key, 1 << (a.channel - 1) AS bit,
                        a.customer_key > min(a.customer_key) OVER (PARTITION BY a.channel, a.lookup) AS shared
                    FROM groups AS g
                    JOIN address AS a ON a.channel = g.channel AND a.lookup = g.lookup
                ), customers AS (
                    SELECT customer_key, bit_or(bit) AS mask, coalesce(bit_or(bit) FILTER (WHERE shared), 0) AS shared
                    FROM members
                    GROUP BY customer_key
                )
                SELECT k.customer_key, c.mask::smallint, c.shared::smallint
                FROM customers AS c
                JOIN contact AS k ON k.customer_key = c.customer_key
                WHERE (k.shared & c.mask) <> c.shared
                ORDER BY k.customer_key
                FOR UPDATE OF k
                """,
                parameters,
                cancellationToken: cancellationToken
            )
        );
        var rows = wrong.AsList();
        if (rows.Count > 0)
        {
            await connection.ExecuteAsync(
                """
                UPDATE contact AS k SET shared = (k.shared & ~c.mask) | c.shared
                FROM unnest(@keys, @masks, @bits) AS c (customer_key, mask, shared)
                WHERE k.customer_key = c.customer_key
                """,
                new
                {
                    keys = rows.Select(row => row.Key).ToArray(),
                    masks = rows.Select(row => row.Mask).ToArray(),
                    bits = rows.Select(row => row.Shared).ToArray(),
                }
            );
        }
    }

    private static object Parameters(AddressGroups groups) =>
        new { channels = groups.Channels, lookups = groups.Lookups };
}
