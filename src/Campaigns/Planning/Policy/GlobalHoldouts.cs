using System.Security.Cryptography;
using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>What is asked of the bank-wide holdout.</summary>
public sealed record GlobalHoldoutDraft
{
    /// <summary>Share of all customers, [0, 0.5], in steps of 0.0001; 0 for none.</summary>
    public required decimal Share { get; init; }

    /// <summary>Draw anew who is held out. Otherwise a larger share keeps who is held out already, and a smaller one is
    /// made of them.</summary>
    public bool Redraw { get; init; }
}

/// <summary>The bank-wide holdout at one of its versions; the newest holds.</summary>
public sealed record GlobalHoldoutVersion
{
    public required int Version { get; init; }

    /// <summary>What the draw depends on, beside the customer: kept, so that it can be replayed.</summary>
    public required string Salt { get; init; }
    public required decimal Share { get; init; }
    public required string CreatedBy { get; init; }

    /// <summary>Business time.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>The bank-wide holdout and its versions.</summary>
public sealed class GlobalHoldouts(NpgsqlDataSource dataSource)
{
    private const long LockKey = 0x43414D50_484F4C44; // "CAMPHOLD"

    private const string Select = "SELECT version, salt, share, created_by, created_at FROM global_holdout";

    /// <summary>Sets the holdout; runs made from then on go by it. The same share again, without a redraw, changes nothing.
    /// </summary>
    /// <param name="seen">The version the caller saw last; null where it does not say.</param>
    /// <returns>400 <c>validation-failed</c>; 412 <c>version-mismatch</c>.</returns>
    public async Task<Result<GlobalHoldoutVersion>> PutAsync(
        Actor actor,
        GlobalHoldoutDraft draft,
        int? seen,
        CancellationToken cancellationToken
    )
    {
        if (draft.Share is < 0 or > 0.5m || decimal.Round(draft.Share, 4) != draft.Share)
        {
            return Error.Validation(new FieldError("share", "must be from 0 to 0.5 in steps of 0.0001"));
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync("SELECT pg_advisory_xact_lock(@LockKey)", new { LockKey });
        var before = await NewestAsync(connection);
        if (seen is not null && seen != (before?.Version ?? 0))
        {
            return Error.VersionMismatch("holdout", "global", before?.Version ?? 0);
        }

        if (before is not null && before.Share == draft.Share && !draft.Redraw)
        {
            return before;
        }

        var made = new GlobalHoldoutVersion
        {
            Version = (before?.Version ?? 0) + 1,
            Salt = before is null || draft.Redraw ? NewSalt() : before.Salt,
            Share = draft.Share,
            CreatedBy = actor.Id,
            CreatedAt = await BusinessClock.NowAsync(connection),
        };
        await connection.ExecuteAsync(
            """
            INSERT INTO global_holdout (version, salt, share, created_by, created_at)
            VALUES (@Version, @Salt, @Share, @CreatedBy, @CreatedAt)
            """,
            made
        );
        await AuditLog.WriteAsync(
            connection,
            made.CreatedAt,
            actor,
            "changed",
            "holdout",
            "global",
            new { made.Version, made.Share }
        );
        await transaction.CommitAsync(cancellationToken);
        return made;
    }

    /// <summary>All versions, the newest first.</summary>
    public async Task<IReadOnlyList<GlobalHoldoutVersion>> ListAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return [.. await connection.QueryAsync<GlobalHoldoutVersion>(Select + " ORDER BY version DESC")];
    }

    /// <summary>The holdout in force; null where nobody is held out.</summary>
    public static async Task<GlobalHoldout?> CurrentAsync(NpgsqlConnection connection) =>
        await NewestAsync(connection) is { Share: > 0 } newest
            ? new GlobalHoldout(newest.Version, newest.Salt, newest.Share)
            : null;

    private static Task<GlobalHoldoutVersion?> NewestAsync(NpgsqlConnection connection) =>
        connection.QuerySingleOrDefaultAsync<GlobalHoldoutVersion>(Select + " ORDER BY version DESC LIMIT 1");

    private static string NewSalt() => "global-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
}
