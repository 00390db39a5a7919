using Campaigns.Database;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>A customer by the bank's own id.</summary>
internal readonly record struct KnownCustomer(long Key, bool Erased, bool Stub);

/// <summary>Finds customers, and gives an unknown id a key at once: a stub, which the bank's own data fills later.
/// </summary>
internal static class Stubs
{
    public static async Task<Dictionary<string, KnownCustomer>> FindOrCreateAsync(
        NpgsqlConnection connection,
        IEnumerable<string> ids,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        var asked = ids.Distinct().Order(StringComparer.Ordinal).ToArray();
        var known = await FindAsync(connection, asked, cancellationToken);
        if (known.Count < asked.Length)
        {
            var missing = asked.Where(id => !known.ContainsKey(id)).ToArray();
            await CreateAsync(connection, missing, now, cancellationToken);
            // What another transaction made meanwhile is found too.
            foreach (var (id, customer) in await FindAsync(connection, missing, cancellationToken))
            {
                known.Add(id, customer);
            }
        }

        return known;
    }

    private static async Task<Dictionary<string, KnownCustomer>> FindAsync(
        NpgsqlConnection connection,
        string[] ids,
        CancellationToken cancellationToken
    )
    {
        var rows = await connection.QueryByKeysAsync<(string Id, long Key, bool Erased, bool Stub)>(
            "SELECT customer_id, customer_key, erased, stub FROM customer WHERE customer_id = ANY (@ids)",
            cancellationToken,
            ("ids", ids)
        );
        return rows.ToDictionary(row => row.Id, row => new KnownCustomer(row.Key, row.Erased, row.Stub));
    }

    private static Task<int> CreateAsync(
        NpgsqlConnection connection,
        string[] ids,
        DateTimeOffset now,
        CancellationToken cancellationToken
    ) =>
        connection.ExecuteAsync(
            new CommandDefinition(
                """
                WITH stubs AS (
                    INSERT INTO customer (customer_id, stub, updated_at)
                    SELECT id, true, @now FROM unnest(@ids) AS id
                    ON CONFLICT (customer_id) DO NOTHING
                    RETURNING customer_key
                )
                INSERT INTO contact (customer_key) SELECT customer_key FROM stubs
                """,
                new { ids, now },
                cancellationToken: cancellationToken
            )
        );
}
