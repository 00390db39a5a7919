using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Access;

/// <summary>A key as it may be shown: without its secret.</summary>
public sealed record ApiKey
{
    public required string KeyId { get; init; }

    /// <summary>Who holds it, in words.</summary>
    public required string Name { get; init; }
    public required Role Role { get; init; }

    /// <summary>Set for a partner's key, and only then.</summary>
    public string? PartnerId { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Refused from this instant of real time on; null for never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
    public DateTimeOffset? RevokedAt { get; init; }
}

/// <summary>A key that was just made.</summary>
/// <param name="Secret">The whole credential, <c>keyId.secret</c>: shown this once, stored nowhere.</param>
public sealed record NewApiKey(ApiKey Key, string Secret);

/// <summary>What is asked of a new key.</summary>
public sealed record ApiKeyRequest
{
    /// <summary>Who will hold it; 1 to 100 characters.</summary>
    public required string Name { get; init; }
    public required Role Role { get; init; }

    /// <summary>For a partner's key, and only then.</summary>
    public string? PartnerId { get; init; }

    /// <summary>In the future; null for never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
}

/// <summary>Keys of people and programs. A key is <c>keyId.secret</c>; only the secret's SHA-256 is kept. Keys live in
/// real time.</summary>
public sealed class ApiKeys(NpgsqlDataSource dataSource, TimeProvider time)
{
    private const long FirstKeyLock = 0x43414D50_4B455931; // "CAMPKEY1"

    // How long another node may still take a key that was revoked here.
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(1);
    private const int MostRemembered = 10_000;

    private readonly ConcurrentDictionary<string, (Row? Row, long Since)> _recent = new(StringComparer.Ordinal);

    /// <summary>Who presents this credential; null when it is not a valid key. Takes as long for a wrong secret as for a
    /// right one.</summary>
    public async Task<Actor?> AuthenticateAsync(string credential, CancellationToken cancellationToken)
    {
        var dot = credential.IndexOf('.', StringComparison.Ordinal);
        if (dot is < 1 or > 40 || credential.Length > 200)
        {
            return null;
        }

        var row = await FindAsync(credential[..dot], cancellationToken);
        var matches = CryptographicOperations.FixedTimeEquals(
            Hash(credential[(dot + 1)..]),
            row?.SecretHash ?? new byte[SHA256.HashSizeInBytes]
        );
        return matches && row is { RevokedAt: null } && !(row.ExpiresAt <= time.GetUtcNow())
            ? new Actor(row.KeyId, Enum.Parse<Role>(row.Role, ignoreCase: true), row.PartnerId)
            : null;
    }

    /// <summary>Makes a key.</summary>
    /// <returns>400 <c>validation-failed</c> for a wrong name, partner or expiry.</returns>
    public async Task<Result<NewApiKey>> CreateAsync(
        Actor actor,
        ApiKeyRequest request,
        CancellationToken cancellationToken
    )
    {
        var faults = Check(request).ToArray();
        if (faults.Length > 0)
        {
            return Error.Validation(faults);
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var made = await InsertAsync(connection, request);
        await AuditAsync(connection, actor, "key_created", made.Key);
        await transaction.CommitAsync(cancellationToken);
        return made;
    }

    /// <summary>All keys, the newest first; revoked ones too.</summary>
    public async Task<IReadOnlyList<ApiKey>> ListAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var rows = await connection.QueryAsync<Row>(
            """
            SELECT key_id, secret_hash, name, role, partner_id, created_at, expires_at, revoked_at
            FROM api_key ORDER BY created_at DESC, key_id
            """
        );
        return [.. rows.Select(Show)];
    }

    /// <summary>Refuses a key from now on; another node follows within a second. Revoking again changes nothing.</summary>
    public async Task<Result<Done>> RevokeAsync(Actor actor, string keyId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            """
            UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = @keyId
            RETURNING key_id, secret_hash, name, role, partner_id, created_at, expires_at, revoked_at
            """,
            new { keyId }
        );
        if (row is null)
        {
            return Error.NotFound("key", keyId);
        }

        await AuditAsync(connection, actor, "key_revoked", Show(row));
        await transaction.CommitAsync(cancellationToken);
        _recent.TryRemove(keyId, out _);
        return new Done();
    }

    /// <summary>Makes the first key, an administrator's, where there has never been one.</summary>
    /// <param name="keep">Puts the credential where its owner will find it. The key exists only if this returns.</param>
    /// <returns>Whether one was made.</returns>
    public async Task<bool> CreateFirstAsync(Func<string, Task> keep, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync("SELECT pg_advisory_xact_lock(@FirstKeyLock)", new { FirstKeyLock });
        if (await connection.QuerySingleAsync<bool>("SELECT EXISTS (SELECT FROM api_key)"))
        {
            return false;
        }

        var made = await InsertAsync(connection, new() { Name = "first administrator", Role = Role.Admin });
        await AuditAsync(connection, Actor.Service, "key_created", made.Key);
        await keep(made.Secret);
        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    private IEnumerable<FieldError> Check(ApiKeyRequest request)
    {
        if (request.Name.Trim().Length is 0 or > 100)
        {
            yield return new FieldError("name", "must have 1 to 100 characters");
        }

        if (request.Role == Role.Partner != request.PartnerId is not null)
        {
            yield return new FieldError("partnerId", "is given for a partner's key, and only then");
        }

        if (request.PartnerId is { Length: 0 or > 64 })
        {
            yield return new FieldError("partnerId", "must have 1 to 64 characters");
        }

        if (request.ExpiresAt <= time.GetUtcNow())
        {
            yield return new FieldError("expiresAt", "must be in the future");
        }
    }

    private static async Task<NewApiKey> InsertAsync(NpgsqlConnection connection, ApiKeyRequest request)
    {
        var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var row = await connection.QuerySingleAsync<Row>(
            """
            INSERT INTO api_key (key_id, secret_hash, name, role, partner_id, created_at, expires_at)
            VALUES (@keyId, @hash, @Name, @role, @PartnerId, now(), @ExpiresAt)
            RETURNING key_id, secret_hash, name, role, partner_id, created_at, expires_at, revoked_at
            """,
            new
            {
                keyId = "ck" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)),
                hash = Hash(secret),
                Name = request.Name.Trim(),
                role = ProductJson.NameOf(request.Role),
                request.PartnerId,
                request.ExpiresAt,
            }
        );
        return new NewApiKey(Show(row), $"{row.KeyId}.{secret}");
    }

    private async Task<Row?> FindAsync(string keyId, CancellationToken cancellationToken)
    {
        if (_recent.TryGetValue(keyId, out var recent) && time.GetElapsedTime(recent.Since) < Remembered)
        {
            return recent.Row;
        }

        var asked = time.GetTimestamp();
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            """
            SELECT key_id, secret_hash, name, role, partner_id, created_at, expires_at, revoked_at
            FROM api_key WHERE key_id = @keyId
            """,
            new { keyId }
        );
        if (_recent.Count >= MostRemembered)
        {
            _recent.Clear();
        }

        if (row is not null)
        {
            _recent[keyId] = (row, asked);
        }

        return row;
    }

    private static async Task AuditAsync(NpgsqlConnection connection, Actor actor, string action, ApiKey key) =>
        await AuditLog.WriteAsync(
            connection,
            await BusinessClock.NowAsync(connection),
            actor,
            action,
            "key",
            key.KeyId,
            new
            {
                key.Name,
                role = ProductJson.NameOf(key.Role),
                key.PartnerId,
            }
        );

    private static byte[] Hash(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));

    private static ApiKey Show(Row row) =>
        new()
        {
            KeyId = row.KeyId,
            Name = row.Name,
            Role = Enum.Parse<Role>(row.Role, ignoreCase: true),
            PartnerId = row.PartnerId,
            CreatedAt = row.CreatedAt,
            ExpiresAt = row.ExpiresAt,
            RevokedAt = row.RevokedAt,
        };

    private sealed record Row
    {
        public required string KeyId { get; init; }
        public required byte[] SecretHash { get; init; }
        public required string Name { get; init; }
        public required string Role { get; init; }
        public string? PartnerId { get; init; }
        public DateTimeOffset CreatedAt { get; init; }
        public DateTimeOffset? ExpiresAt { get; init; }
        public DateTimeOffset? RevokedAt { get; init; }
    }
}
