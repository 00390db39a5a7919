using System.Globalization;
using System.Security.Cryptography;
using Campaigns.Channels;
using Campaigns.Customers;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Dispatch;

/// <summary>Reads a chunk's touches with their addresses and values, one query a chunk.</summary>
internal sealed class TouchReader(NpgsqlDataSource dataSource, AddressVault vault)
{
    /// <summary>All touches of the chunk, in the order of keys.</summary>
    internal Task<List<Touch>> OfChunkAsync(
        Chunk chunk,
        GatewayDeclaration gateway,
        Message message,
        CancellationToken cancellationToken
    ) => ReadAsync(chunk, gateway, message, chunk.Members, cancellationToken);

    /// <summary>The touches of these customers, in the order of keys; who is unknown is left out.</summary>
    internal Task<List<Touch>> OfCustomersAsync(
        Chunk chunk,
        GatewayDeclaration gateway,
        Message message,
        long[] keys,
        CancellationToken cancellationToken
    ) => ReadAsync(chunk, gateway, message, keys, cancellationToken);

    private async Task<List<Touch>> ReadAsync(
        Chunk chunk,
        GatewayDeclaration gateway,
        Message message,
        long[]? keys,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Sql(keys is not null, message.Variables), connection);
        command.Parameters.AddWithValue("channel", (short)chunk.Channel);
        if (keys is not null)
        {
            command.Parameters.AddWithValue("keys", keys);
        }
        else
        {
            command.Parameters.AddWithValue("run", chunk.RunKey);
            command.Parameters.AddWithValue("wave", chunk.Wave);
            command.Parameters.AddWithValue("variant", chunk.Variant);
            command.Parameters.AddWithValue("low", NpgsqlDbType.Bigint, chunk.LowKey!);
            command.Parameters.AddWithValue("high", NpgsqlDbType.Bigint, chunk.HighKey!);
        }

        for (var i = 0; i < message.Variables.Count; i++)
        {
            command.Parameters.AddWithValue($"v{i}", message.Variables[i]);
        }

        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var touches = new List<Touch>();
        while (await reader.ReadAsync(cancellationToken))
        {
            touches.Add(Read(reader, gateway, message));
        }

        return touches;
    }

    private Touch Read(NpgsqlDataReader reader, GatewayDeclaration gateway, Message message)
    {
        var (key, zone) = (reader.GetInt64(0), reader.GetInt16(1));
        if (gateway.NeedsAddress && reader.IsDBNull(2))
        {
            return new Touch(key, zone) { Fault = Withheld.Unreachable };
        }

        if (Variables(reader, message) is not { } variables)
        {
            return new Touch(key, zone) { Fault = Withheld.TemplateError };
        }

        try
        {
            var address = gateway.NeedsAddress
                ? vault.Open(gateway.Channel, reader.GetInt16(2), reader.GetFieldValue<byte[]>(3))
                : key.ToString(CultureInfo.InvariantCulture);
            return new Touch(key, zone) { Address = address, Variables = variables };
        }
        catch (CryptographicException)
        {
            return new Touch(key, zone) { Fault = Withheld.Unreachable };
        }
    }

    private static IReadOnlyDictionary<string, string>? Variables(NpgsqlDataReader reader, Message message)
    {
        if (message.Variables.Count == 0)
        {
            return message.Defaults;
        }

        var values = new Dictionary<string, string>(message.Variables.Count);
        for (var i = 0; i < message.Variables.Count; i++)
        {
            var name = message.Variables[i];
            if (!reader.IsDBNull(4 + i))
            {
                values[name] = reader.GetString(4 + i);
            }
            else if (message.Defaults.TryGetValue(name, out var value))
            {
                values[name] = value;
            }
            else
            {
                return null;
            }
        }

        return values;
    }

    private static string Sql(bool byKeys, IReadOnlyList<string> variables)
    {
        var columns = string.Concat(variables.Select((_, i) => $", k.attributes ->> @v{i}"));
        var customers = variables.Count > 0 ? "JOIN customer k ON k.customer_key = c.customer_key" : "";
        return byKeys
            ? $"""
                SELECT c.customer_key, c.zone, a.key_id, a.ciphertext{columns}
                FROM contact c
                LEFT JOIN address a ON a.customer_key = c.customer_key AND a.channel = @channel
                {customers}
                WHERE c.customer_key = ANY (@keys)
                ORDER BY c.customer_key
                """
            : $"""
                SELECT c.customer_key, c.zone, a.key_id, a.ciphertext{columns}
                FROM decision d
                JOIN contact c ON c.customer_key = d.customer_key
                LEFT JOIN address a ON a.customer_key = c.customer_key AND a.channel = @channel
                {customers}
                WHERE d.run_key = @run AND d.wave = @wave AND d.variant = @variant AND d.reason = 0
                  AND d.customer_key BETWEEN @low AND @high
                ORDER BY d.customer_key
                """;
    }
}
