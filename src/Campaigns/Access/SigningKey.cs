using System.Security.Cryptography;
using Dapper;
using Npgsql;

namespace Campaigns.Access;

/// <summary>The key that all nodes sign with what they hand out and want back unchanged: links and cursors.</summary>
public sealed class SigningKey
{
    private byte[]? _key;

    /// <summary>Takes the configured key, or the database's own, which the first node to come makes.</summary>
    /// <param name="configured">Base64 of at least 32 bytes; null to keep the key in the database.</param>
    /// <exception cref="FormatException">The configured key is not base64, or too short.</exception>
    public async Task LoadAsync(NpgsqlDataSource dataSource, string? configured, CancellationToken cancellationToken)
    {
        if (configured is not null)
        {
            var key = Convert.FromBase64String(configured);
            _key = key.Length >= 32 ? key : throw new FormatException("The signing key has fewer than 32 bytes.");
            return;
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await connection.ExecuteAsync(
            "INSERT INTO signing_key (key) VALUES (@key) ON CONFLICT DO NOTHING",
            new { key = RandomNumberGenerator.GetBytes(32) }
        );
        _key = await connection.QuerySingleAsync<byte[]>("SELECT key FROM signing_key");
    }

    /// <summary>HMAC-SHA256 of the data; the purpose keeps a signature for one thing from being good for another.</summary>
    public byte[] Sign(string purpose, ReadOnlySpan<byte> data)
    {
        var key = _key ?? throw new InvalidOperationException("The signing key is not loaded yet.");
        var own = HMACSHA256.HashData(key, System.Text.Encoding.UTF8.GetBytes(purpose));
        return HMACSHA256.HashData(own, data);
    }
}
