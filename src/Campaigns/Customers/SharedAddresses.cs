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
/// the others share it. Whoever changes addresses holds the customers first, then writes addresses, then holds at once all
/// groups that they leave or join, and only then writes <c>contact</c>: no two see half of each other, and none waits in a
/// circle.</summary>
internal sealed class SharedAddresses(NpgsqlConnection connection, CancellationToken cancellationToken)
{
    private const int CustomerClass = 0x43555354; // "CUST"
    private const int AddressClass = 0x41444452; // "ADDR"
    private const int Stripes = 64;

    private static readonly string HoldCustomersSql = $"""
        SELECT pg_advisory_xact_lock({CustomerClass}, g.stripe)
        FROM (SELECT DISTINCT hashtext(i.id) & {Stripes - 1} AS stripe FROM (§) AS i ORDER BY 1) AS g
        """;

    private static readonly string HoldAddressesSql = $"""
        SELECT pg_advisory_xact_lock({AddressClass}, g.stripe)
        FROM (SELECT DISTINCT get_byte(l.lookup, 0) & {Stripes - 1} AS stripe FROM (§) AS l ORDER BY 1) AS g
        """;

    private const string Given = "SELECT channel, lookup FROM unnest(@channels, @lookups) AS g (channel, lookup)";

    /// <summary>No other transaction changes the addresses of these customers until this one ends.</summary>
    /// <param name="customers">A relation with a column <c>id</c>.</param>
    public async Task HoldCustomersAsync(RowSource customers)
    {
        await ExecuteAsync(customers, HoldCustomersSql);
        await connection.ExecuteAsync("SELECT nextval('address_change')");
    }

    /// <summary>No other transaction changes addresses of any customer, unless it, too, knows that its customers are its
    /// own: the parts of one file. <c>address_change</c> tells them whether anybody else did before or after.</summary>
    public Task HoldAllCustomersAsync() =>
        connection.ExecuteAsync(
            $"SELECT pg_advisory_xact_lock_shared({CustomerClass}, g) FROM generate_series(0, {Stripes - 1}) AS g"
        );

    /// <summary>No other transaction settles who shares these addresses until this one ends. To be called once, after
    /// addresses were written and before <c>contact</c> is.</summary>
    /// <param name="joined">A relation of <c>channel, lookup</c>.</param>
    public Task HoldAddressesAsync(RowSource joined, AddressGroups left)
    {
        var parameters = new DynamicParameters(joined.Parameters);
        parameters.AddDynamicParams(Parameters(left));
        return ExecuteAsync(new RowSource($"{joined.Sql} UNION ALL {Given}", parameters), HoldAddressesSql);
    }

    private Task<int> ExecuteAsync(RowSource rows, string sql) =>
        connection.ExecuteAsync(
            new CommandDefinition(
                sql.Replace("§", rows.Sql, StringComparison.Ordinal),
                rows.Parameters,
                cancellationToken: cancellationToken
            )
        );

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
                    SELECT a.channel, a.lookup
                    FROM ({written.Sql}) AS w
                    JOIN address AS a ON a.channel = w.channel AND a.lookup = w.lookup
                    GROUP BY a.channel, a.lookup
                    HAVING min(a.customer_key) < max(a.customer_key)
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
