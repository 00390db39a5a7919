using System.Globalization;
using Campaigns.Channels;
using Dapper;
using Npgsql;

namespace Campaigns.Customers.Import;

/// <summary>The addresses of a file that more than one customer has. They are few, and found by one pass over the file: its
/// parts then settle these alone, instead of looking for the neighbours of each address.</summary>
internal static class SharedInFile
{
    private const int LockClass = 0x46494C45; // "FILE"

    internal static string Table(long batch) => $"import_shared_{batch.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>Before the parts are merged: addresses that are in the file twice, or that another customer has.</summary>
    public static async Task FindAsync(
        NpgsqlDataSource dataSource,
        long batch,
        IReadOnlyList<Channel> channels,
        CancellationToken cancellationToken
    )
    {
        if (channels.Count == 0)
        {
            return;
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync($"SELECT pg_advisory_xact_lock({LockClass}, {batch})");
        // Whoever changes addresses now is waited for, and draws a number later than ours.
        await new SharedAddresses(connection, cancellationToken).HoldAllCustomersAsync();
        await connection.ExecuteAsync(
            new CommandDefinition(
                $"""
                UPDATE import_batch SET address_change = (SELECT last_value FROM address_change)
                WHERE batch = {batch} AND address_change IS NULL;
                CREATE UNLOGGED TABLE IF NOT EXISTS {Table(batch)} AS
                WITH row AS NOT MATERIALIZED ({CustomerMerge.LookupsSql(channels, CustomerImport.Table(batch))})
                SELECT channel, lookup FROM row GROUP BY channel, lookup HAVING count(*) > 1
                UNION
                SELECT r.channel, r.lookup
                FROM row AS r
                JOIN address AS a ON a.channel = r.channel AND a.lookup = r.lookup
                JOIN customer AS c ON c.customer_key = a.customer_key AND c.customer_id <> r.id;
                ANALYZE {Table(batch)};
                """,
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>After all parts: addresses that others took while they were merged.</summary>
    public static async Task SettleAsync(
        NpgsqlDataSource dataSource,
        long batch,
        IReadOnlyList<Channel> channels,
        CancellationToken cancellationToken
    )
    {
        if (channels.Count == 0)
        {
            return;
        }

        await Contended.RunAsync(
            dataSource,
            async connection =>
            {
                if (await NobodyElseAsync(connection, batch))
                {
                    return 0;
                }

                var missed = AddressGroups.Of(
                    await connection.QueryAsync<(short, byte[])>(
                        new CommandDefinition(
                            $"""
                            SELECT a.channel, a.lookup
                            FROM ({CustomerMerge.LookupsSql(channels, CustomerImport.Table(batch))}) AS r
                            JOIN address AS a ON a.channel = r.channel AND a.lookup = r.lookup
                            GROUP BY a.channel, a.lookup
                            HAVING min(a.customer_key) < max(a.customer_key)
                            EXCEPT
                            TABLE {Table(batch)}
                            """,
                            commandTimeout: 0,
                            cancellationToken: cancellationToken
                        )
                    )
                );
                var shared = new SharedAddresses(connection, cancellationToken);
                await shared.HoldAddressesAsync(RowSource.NoAddresses, missed);
                await shared.SettleAsync(RowSource.NoAddresses, missed);
                return missed.Channels.Length;
            },
            cancellationToken
        );
    }

    private static Task<bool> NobodyElseAsync(NpgsqlConnection connection, long batch) =>
        connection.ExecuteScalarAsync<bool>(
            """
            SELECT b.address_change = s.last_value
            FROM import_batch AS b
            CROSS JOIN address_change AS s
            WHERE b.batch = @batch
            """,
            new { batch }
        );
}
