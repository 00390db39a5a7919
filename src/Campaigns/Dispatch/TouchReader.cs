using System.Globalization;
using System.Security.Cryptography;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
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

    /// <summary>The touches of these customers, in the order of keys.</summary>
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

        if (!gateway.NeedsAddress && message.Variables.Count == 0)
        {
            return [.. keys.Select(key => new Touch(key) { Address = Number(key), Variables = message.Defaults })];
        }

        var range = new KeyRange(keys);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new($"SELECT set_config('enable_nestloop', '{(range.IsDense ? "off" : "on")}', true)"),
                new(Sql(range, message.Variables)),
            },
        };
        var parameters = batch.BatchCommands[1].Parameters;
        range.Bind(parameters);
        parameters.AddWithValue("channel", (short)chunk.Channel);
        for (var i = 0; i < message.Variables.Count; i++)
        {
            parameters.AddWithValue($"v{i}", message.Variables[i]);
        }

        await batch.PrepareAsync(cancellationToken);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        return await ReadAsync(reader, keys, gateway, message, cancellationToken);
    }

    /// <summary>Both come in the order of keys; of whom there is no row there is nothing to send to.</summary>
    private async Task<List<Touch>> ReadAsync(
        NpgsqlDataReader reader,
        long[] keys,
        GatewayDeclaration gateway,
        Message message,
        CancellationToken cancellationToken
    )
    {
        var touches = new List<Touch>(keys.Length);
        var more = await reader.ReadAsync(cancellationToken);
        foreach (var key in keys)
        {
            if (more && reader.GetInt64(0) == key)
            {
                touches.Add(Read(reader, key, gateway, message));
                more = await reader.ReadAsync(cancellationToken);
            }
            else
            {
                touches.Add(new Touch(key) { Fault = Withheld.Unreachable });
            }
        }

        return touches;
    }

    private Touch Read(NpgsqlDataReader reader, long key, GatewayDeclaration gateway, Message message)
    {
        if (gateway.NeedsAddress && reader.IsDBNull(1))
        {
            return new Touch(key) { Fault = Withheld.Unreachable };
        }

        if (Variables(reader, message) is not { } variables)
        {
            return new Touch(key) { Fault = Withheld.TemplateError };
        }

        try
        {
            var address = gateway.NeedsAddress
                ? vault.Open(gateway.Channel, reader.GetInt16(1), reader.GetFieldValue<byte[]>(2))
                : Number(key);
            return new Touch(key) { Address = address, Variables = variables };
        }
        catch (CryptographicException)
        {
            return new Touch(key) { Fault = Withheld.Unreachable };
        }
    }

    // To a gateway without addresses the customer is one.
    private static string Number(long key) => key.ToString(CultureInfo.InvariantCulture);

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
            if (!reader.IsDBNull(3 + i))
            {
                values[name] = reader.GetString(3 + i);
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
            ("low", chunk.LowKey!.Value),
            ("high", chunk.HighKey!.Value)
        );
        return [.. keys];
    }

    // The range is said of both tables, for the planner carries none over a join, and takes what it says twice for two
    // conditions that few rows meet: only without loops is each table read as one piece of its index.
    private static string Sql(KeyRange range, IReadOnlyList<string> variables)
    {
        if (variables.Count == 0)
        {
            return $"""
                SELECT customer_key, key_id, ciphertext
                FROM address
                WHERE channel = @channel AND {range.Exactly("customer_key")}
                ORDER BY customer_key
                """;
        }

        return $"""
            SELECT k.customer_key, a.key_id, a.ciphertext{string.Concat(variables.Select((_, i) => Value($"@v{i}")))}
            FROM customer k
            LEFT JOIN address a
                ON a.customer_key = k.customer_key AND a.channel = @channel AND {range.AtLeast("a.customer_key")}
            WHERE {range.Exactly("k.customer_key")}
            ORDER BY k.customer_key
            """;
    }

    // Of a field that is sensitive now, only of whoever consents to its use now. The contact row is read for such alone.
    private static string Value(string name) =>
        $"""
            , CASE WHEN NOT EXISTS (SELECT FROM field WHERE field.name = {name} AND sensitive)
                OR (SELECT c.sensitive_consent FROM contact c WHERE c.customer_key = k.customer_key)
            THEN k.attributes ->> {name} END
            """;
}
