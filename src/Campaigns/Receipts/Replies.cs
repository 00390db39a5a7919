using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Dapper;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>Takes in what customers answer. A refusal holds from the instant it was sent; what opts nobody out is kept for a
/// person to read.</summary>
public sealed class Replies(NpgsqlDataSource dataSource, AddressVault vault)
{
    private const int AtOnce = 1_000;

    /// <summary>Keeps replies of a channel, each once. What is said in the future counts as said now.</summary>
    /// <returns>How many were new.</returns>
    public Task<int> TakeAsync(
        Channel channel,
        IReadOnlyList<ProviderReply> replies,
        CancellationToken cancellationToken
    ) =>
        Contended.RunAsync(
            dataSource,
            async connection =>
            {
                var (taken, now) = (0, await BusinessClock.NowAsync(connection));
                foreach (var reply in replies)
                {
                    var said = reply.At < now ? reply : reply with { At = now };
                    taken += await TakeAsync(connection, channel, said) ? 1 : 0;
                }

                return taken;
            },
            cancellationToken
        );

    /// <summary>Replies that opted nobody out, the newest first; none of who has been erased since.</summary>
    /// <param name="before">Only those before this <see cref="CustomerReply.Seq"/>; null for all.</param>
    public async Task<IReadOnlyList<CustomerReply>> ListAsync(
        long? before,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var rows = await connection.QueryAsync<CustomerReply>(
            new CommandDefinition(
                """
                SELECT r.seq, r.source AS gateway, r.channel, c.customer_id, r.address, r.content, r.occurred_at,
                       r.lookup IS NOT NULL AS refusal
                FROM reply r
                LEFT JOIN customer c USING (customer_key)
                WHERE NOT r.understood AND r.seq < coalesce(@before, 9223372036854775807) AND c.erased IS NOT TRUE
                ORDER BY r.seq DESC
                LIMIT @limit
                """,
                new { before, limit },
                cancellationToken: cancellationToken
            )
        );
        return rows.AsList();
    }

    /// <summary>Opts out whoever has got an address since that had refused when it was nobody's. What she granted after it
    /// holds all the same.</summary>
    internal Task<int> ApplyAsync(CancellationToken cancellationToken) =>
        Contended.RunAsync(dataSource, ApplyAsync, cancellationToken);

    private static async Task<int> ApplyAsync(NpgsqlConnection connection)
    {
        var found = (
            await connection.QueryAsync<Heard>(
                """
                SELECT r.source, r.reply_id, r.channel, r.occurred_at, a.customer_keys
                FROM reply r
                CROSS JOIN LATERAL (
                    SELECT array_agg(a.customer_key ORDER BY a.customer_key) AS customer_keys
                    FROM address a
                    WHERE a.channel = r.channel AND a.lookup = r.lookup
                ) a
                WHERE r.lookup IS NOT NULL AND a.customer_keys IS NOT NULL
                ORDER BY r.seq
                LIMIT @AtOnce
                FOR UPDATE OF r SKIP LOCKED
                """,
                new { AtOnce }
            )
        ).AsList();
        foreach (var reply in found)
        {
            await RefuseAsync(connection, reply.CustomerKeys, reply.Channel, reply.Source, reply.OccurredAt);
            await connection.ExecuteAsync(
                """
                UPDATE reply SET understood = true, lookup = NULL, customer_key = @customer
                WHERE source = @Source AND reply_id = @ReplyId
                """,
                new
                {
                    reply.Source,
                    reply.ReplyId,
                    customer = reply.CustomerKeys[0],
                }
            );
        }

        return found.Count;
    }

    private async Task<bool> TakeAsync(NpgsqlConnection connection, Channel channel, ProviderReply reply)
    {
        var address = AddressForms.Normalise(channel, reply.Address);
        var lookup = address is null ? null : vault.Lookup(channel, address);
        var customers = await CustomersAsync(connection, channel, lookup);
        var added = await connection.ExecuteAsync(
            """
            INSERT INTO reply (
                source, reply_id, channel, customer_key, address, lookup, content, occurred_at, understood
            )
            VALUES (@Provider, @EventId, @channel, @customer, @masked, @lookup, @content, @At, @understood)
            ON CONFLICT DO NOTHING
            """,
            new
            {
                reply.Provider,
                reply.EventId,
                channel = (short)channel,
                customer = customers.Length > 0 ? customers[0] : (long?)null,
                masked = address is null ? null : AddressForms.Mask(channel, address),
                lookup = reply.Refusal && customers.Length == 0 ? lookup : null,
                content = Masking.PhonesIn(reply.Content),
                reply.At,
                understood = reply.Refusal && customers.Length > 0,
            }
        );
        if (added == 1 && reply.Refusal)
        {
            await RefuseAsync(connection, customers, channel, reply.Provider, reply.At);
        }

        return added == 1;
    }

    /// <summary>Everyone with an address is reached by it, so its refusal is everyone's.</summary>
    private static async Task RefuseAsync(
        NpgsqlConnection connection,
        long[] customers,
        Channel channel,
        string provider,
        DateTimeOffset at
    )
    {
        foreach (var customer in customers)
        {
            await Consents.RefuseAsync(connection, customer, channel, $"{provider}:reply", at);
        }
    }

    // Held, so that erasing any of them comes wholly before the reply or wholly after it.
    private static async Task<long[]> CustomersAsync(NpgsqlConnection connection, Channel channel, byte[]? lookup) =>
        [
            .. await connection.QueryAsync<long>(
                """
                SELECT customer_key FROM address WHERE channel = @channel AND lookup = @lookup
                ORDER BY customer_key
                FOR KEY SHARE
                """,
                new { channel = (short)channel, lookup }
            ),
        ];

    private sealed class Heard
    {
        public string Source { get; init; } = "";
        public string ReplyId { get; init; } = "";
        public Channel Channel { get; init; }
        public DateTimeOffset OccurredAt { get; init; }
        public long[] CustomerKeys { get; init; } = [];
    }
}
