using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>The contact policy and its versions.</summary>
public sealed class ContactPolicies(NpgsqlDataSource dataSource)
{
    private const long LockKey = 0x43414D50_504F4C49; // "CAMPPOLI"

    /// <summary>Sets the policy; the same again changes nothing. What is planned from then on goes by it.</summary>
    /// <param name="seen">The version the caller saw last; null where it does not say.</param>
    /// <returns>400 <c>validation-failed</c>; 412 <c>version-mismatch</c>; 422 <c>invalid-window</c>.</returns>
    public async Task<Result<ContactPolicyVersion>> PutAsync(
        Actor actor,
        ContactPolicy policy,
        int? seen,
        CancellationToken cancellationToken
    )
    {
        if (policy.Validate() is { } error)
        {
            return error;
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync("SELECT pg_advisory_xact_lock(@LockKey)", new { LockKey });
        var before = await CurrentAsync(connection);
        if (seen is not null && seen != before.Version)
        {
            return Error.VersionMismatch("contact policy", "global", before.Version);
        }

        if (before.Version > 0 && Documents.Same(before.Policy, policy))
        {
            return before;
        }

        var made = new ContactPolicyVersion
        {
            Version = before.Version + 1,
            Policy = policy,
            CreatedBy = actor.Id,
            CreatedAt = await BusinessClock.NowAsync(connection),
        };
        await connection.ExecuteAsync(
            """
            INSERT INTO contact_policy (version, definition, created_by, created_at)
            VALUES (@Version, @document::jsonb, @CreatedBy, @CreatedAt)
            """,
            new
            {
                made.Version,
                document = Documents.Write(policy),
                made.CreatedBy,
                made.CreatedAt,
            }
        );
        await AuditLog.WriteAsync(
            connection,
            made.CreatedAt.Value,
            actor,
            "changed",
            "policy",
            "global",
            new { made.Version }
        );
        await transaction.CommitAsync(cancellationToken);
        return made;
    }

    /// <summary>The policy in force.</summary>
    public async Task<ContactPolicyVersion> GetAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await CurrentAsync(connection);
    }

    /// <summary>The policy in force, on a connection at hand.</summary>
    public static async Task<ContactPolicyVersion> CurrentAsync(NpgsqlConnection connection)
    {
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            """
            SELECT version, definition::text AS definition, created_by, created_at FROM contact_policy
            ORDER BY version DESC LIMIT 1
            """
        );
        return row is null
            ? new ContactPolicyVersion { Version = 0, Policy = new ContactPolicy() }
            : new ContactPolicyVersion
            {
                Version = row.Version,
                Policy = Documents.Read<ContactPolicy>(row.Definition),
                CreatedBy = row.CreatedBy,
                CreatedAt = row.CreatedAt,
            };
    }

    private sealed record Row
    {
        public int Version { get; init; }
        public required string Definition { get; init; }
        public required string CreatedBy { get; init; }
        public DateTimeOffset CreatedAt { get; init; }
    }
}
