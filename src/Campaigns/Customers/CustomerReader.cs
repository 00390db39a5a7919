using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Shows a customer.</summary>
internal sealed class CustomerReader(NpgsqlDataSource dataSource, AddressVault vault)
{
    public async Task<Result<Customer>> GetAsync(string id, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            new CommandDefinition(
                """
                SELECT c.customer_key, c.customer_id, c.stub, c.attributes::text AS attributes, c.tags, c.updated_at,
                    z.name AS zone, k.preferred_channels, k.preferred_slots, k.birth_date, k.risk_rating,
                    k.risk_rated_until, k.student, k.shared, k.consented, k.opted_out, k.personalisation_off,
                    k.sensitive_consent
                FROM customer AS c
                JOIN contact AS k ON k.customer_key = c.customer_key
                JOIN time_zone AS z ON z.zone = k.zone
                WHERE c.customer_id = @id AND NOT c.erased
                """,
                new { id },
                cancellationToken: cancellationToken
            )
        );
        if (row is null)
        {
            return Error.NotFound("customer", id);
        }

        var addresses = await connection.QueryAsync<(Channel Channel, short KeyId, byte[] Ciphertext)>(
            new CommandDefinition(
                "SELECT channel, key_id, ciphertext FROM address WHERE customer_key = @CustomerKey",
                new { row.CustomerKey },
                cancellationToken: cancellationToken
            )
        );
        return row.Show(
            addresses.ToDictionary(
                address => address.Channel,
                address => vault.Open(address.Channel, address.KeyId, address.Ciphertext)
            )
        );
    }

    private sealed class Row
    {
        public long CustomerKey { get; init; }
        public string CustomerId { get; init; } = "";
        public bool Stub { get; init; }
        public string Attributes { get; init; } = "";
        public string[] Tags { get; init; } = [];
        public DateTimeOffset UpdatedAt { get; init; }
        public string Zone { get; init; } = "";
        public short PreferredChannels { get; init; }
        public short PreferredSlots { get; init; }
        public DateOnly? BirthDate { get; init; }
        public short? RiskRating { get; init; }
        public DateOnly? RiskRatedUntil { get; init; }
        public bool Student { get; init; }
        public short Shared { get; init; }
        public short Consented { get; init; }
        public short OptedOut { get; init; }
        public bool PersonalisationOff { get; init; }
        public bool SensitiveConsent { get; init; }

        public Customer Show(IReadOnlyDictionary<Channel, string> addresses) =>
            new(
                CustomerId,
                Stub,
                JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(Attributes)!,
                Tags,
                Zone,
                [.. Preferences()],
                [.. Enum.GetValues<PreferredSlot>().Where(slot => (PreferredSlots & (short)slot) != 0)],
                Student,
                [.. Enum.GetValues<Channel>().Select(channel => Reach(channel, addresses.GetValueOrDefault(channel)))],
                PersonalisationOff,
                SensitiveConsent,
                UpdatedAt
            )
            {
                BirthDate = BirthDate,
                RiskRating = RiskRating,
                RiskRatedUntil = RiskRatedUntil,
            };

        private ChannelReach Reach(Channel channel, string? address) =>
            new(
                channel,
                (Shared & channel.Bit()) != 0,
                (OptedOut & channel.Bit()) != 0 ? ConsentState.Refused
                    : (Consented & channel.Bit()) != 0 ? ConsentState.Granted
                    : ConsentState.None,
                address is null ? null : AddressForms.Mask(channel, address)
            );

        private IEnumerable<Channel> Preferences()
        {
            for (var rest = PreferredChannels; rest > 0; rest >>= 3)
            {
                yield return (Channel)(rest & 7);
            }
        }
    }
}
