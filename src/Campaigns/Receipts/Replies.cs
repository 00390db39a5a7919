using Campaigns.Channels;
using Campaigns.Customers;
using Dapper;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>Takes in what customers answer. A refusal holds from the instant it was sent; what is not understood is kept
/// for a person to read.</summary>
public sealed class Replies(NpgsqlDataSource dataSource, AddressVault vault)
{
    /// <summary>Keeps replies of a channel, each once.</summary>
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
                var taken = 0;
                foreach (var reply in replies)
                {
                    taken += await TakeAsync(connection, channel, reply) ? 1 : 0;
                }

                return taken;
            },
            cancellationToken
        );

    private async Task<bool> TakeAsync(NpgsqlConnection connection, Channel channel, ProviderReply reply)
    {
        var customers = await CustomersAsync(connection, channel, reply.Address);
        var added = await connection.ExecuteAsync(
            """
            INSERT INTO reply (source, reply_id, customer_key, content, occurred_at, understood)
            VALUES (@Provider, @EventId, @customer, @Content, @At, @Refusal)
            ON CONFLICT DO NOTHING
            """,
            new
            {
                reply.Provider,
                reply.EventId,
                customer = customers.Count > 0 ? customers[0] : (long?)null,
                reply.Content,
                reply.At,
                reply.Refusal,
            }
        );
        if (added == 1 && reply.Refusal)
        {
            // Everyone with this address is reached by it, so the refusal is everyone's.
            foreach (var customer in customers)
            {
                await Consents.RefuseAsync(connection, customer, channel, $"{reply.Provider}:reply", reply.At);
            }
        }

        return added == 1;
    }

    private async Task<List<long>> CustomersAsync(NpgsqlConnection connection, Channel channel, string address) =>
        AddressForms.Normalise(channel, address) is { } normal
            ?
            [
                .. await connection.QueryAsync<long>(
                    """
                    SELECT customer_key FROM address WHERE channel = @channel AND lookup = @lookup ORDER BY customer_key
                    """,
                    new { channel = (short)channel, lookup = vault.Lookup(channel, normal) }
                ),
            ]
            : [];
}
