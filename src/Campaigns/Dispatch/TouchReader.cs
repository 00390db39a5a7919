using System.Globalization;
using System.Security.Cryptography;
using Campaigns.Channels;
using Campaigns.Customers;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Reads a chunk's touches with their addresses and values, two queries a chunk.</summary>
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
        keys ??= await KeysAsync(connection, chunk, cancellationToken);
        if (keys.Length == 0)
        {
            return [];
        }

        var range = KeyRange.Of(keys);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new($"SELECT set_config('enable_nestloop', '{(range.IsDense ? "off" : "on")}', true)"),
                new(Sql(range, message.Variables)),
            },
        };
        var parameters = batch.BatchCommands[1].Parameters;
        parameters.AddWithValue("channel", (short)chunk.Channel);
        parameters.AddWithValue("keys", keys);
        parameters.AddWithValue("low", range.Low);
        parameters.AddWithValue("high", range.High);
        for (var i = 0; i < message.Variables.Count; i++)
        {
            parameters.AddWithValue($"v{i}", message.Variables[i]);
        }

        await batch.PrepareAsync(cancellationToken);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
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

    private static async Task<long[]> KeysAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        CancellationToken cancellationToken
    )
    {
        var keys = await connection.QueryPreparedAsync<long>(
            """
            SELECT customer_key
            FROM decision
            WHERE run_key = @run AND wave = @wave AND variant = @variant AND reason = 0
              AND touch_place(wave, variant, customer_key)
                  BETWEEN touch_place(@wave, @variant, @low) AND touch_place(@wave, @variant, @high)
            ORDER BY customer_key
            """,
            cancellationToken,
            ("run", chunk.RunKey),
            ("wave", chunk.Wave),
            ("variant", chunk.Variant),
            ("low", chunk.LowKey!),
            ("high", chunk.HighKey!)
        );
        return [.. keys];
    }

    // The range is said of every table, for the planner carries none over a join, and takes what it says thrice for three
    // conditions that few rows meet: only without loops is each table read as one piece of its index.
    private static string Sql(KeyRange range, IReadOnlyList<string> variables)
    {
        var columns = string.Concat(variables.Select((_, i) => $", k.attributes ->> @v{i}"));
        var customers =
            variables.Count > 0
                ? $"JOIN customer k ON k.customer_key = c.customer_key AND {range.AtLeast("k.customer_key")}"
                : "";
        return $"""
            SELECT c.customer_key, c.zone, a.key_id, a.ciphertext{columns}
            FROM contact c
            LEFT JOIN address a
                ON a.customer_key = c.customer_key AND a.channel = @channel AND {range.AtLeast("a.customer_key")}
            {customers}
            WHERE {range.Exactly("c.customer_key")}
            ORDER BY c.customer_key
            """;
    }
}
