using Campaigns.Jobs;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Audit;

/// <summary>Gives audit entries their place in the chain, twice a second. Every node tries; one at a time does.</summary>
internal sealed class AuditChain(NpgsqlDataSource dataSource, TimeProvider time, ILogger<AuditChain> logger)
    : Periodic(TimeSpan.FromMilliseconds(500), time, logger)
{
    private const long LockKey = 0x43414D50_41554449; // "CAMPAUDI"
    private const int AtOnce = 1_000;

    /// <summary>Appends what waits, at most 1,000 entries.</summary>
    /// <returns>How many were appended; 0 also while another node appends.</returns>
    public async Task<int> AppendAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (!await connection.QuerySingleAsync<bool>("SELECT EXISTS (SELECT FROM audit_pending)"))
        {
            return 0;
        }

        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (!await connection.QuerySingleAsync<bool>("SELECT pg_try_advisory_xact_lock(@LockKey)", new { LockKey }))
        {
            return 0;
        }

        var rows = await TakeAsync(connection);
        var last = await connection.QuerySingleOrDefaultAsync<AuditRow>(
            "SELECT position, hash FROM audit_link ORDER BY position DESC LIMIT 1"
        );
        var hashes = new List<byte[]>(rows.Count);
        foreach (var row in rows)
        {
            hashes.Add(row.HashAfter(hashes.LastOrDefault() ?? last?.Hash ?? []));
        }

        await connection.ExecuteAsync(
            """
            INSERT INTO audit_link (position, seq, hash)
            SELECT @last + place, seq, hash FROM unnest(@seqs, @hashes) WITH ORDINALITY AS link (seq, hash, place)
            """,
            new
            {
                last = last?.Position ?? 0,
                seqs = rows.Select(row => row.Seq).ToArray(),
                hashes = hashes.ToArray(),
            }
        );
        await transaction.CommitAsync(cancellationToken);
        return rows.Count;
    }

    protected override async Task PassAsync(CancellationToken cancellationToken)
    {
        while (await AppendAsync(cancellationToken) == AtOnce) { }
    }

    private static async Task<IReadOnlyList<AuditRow>> TakeAsync(NpgsqlConnection connection) =>
        [
            .. await connection.QueryAsync<AuditRow>(
                """
                WITH taken AS (
                    DELETE FROM audit_pending
                    WHERE seq IN (SELECT seq FROM audit_pending ORDER BY seq LIMIT @AtOnce)
                    RETURNING seq
                )
                SELECT seq, at, actor, action, subject_kind, subject_id, detail::text AS detail
                FROM taken JOIN audit USING (seq) ORDER BY seq
                """,
                new { AtOnce }
            ),
        ];
}

/// <summary>The door to the audit log.</summary>
public static class AuditModule
{
    /// <summary>Adds reading, verifying, and the appender. Needs an <c>NpgsqlDataSource</c>.</summary>
    public static IServiceCollection AddAudit(this IServiceCollection services) =>
        services
            .AddSingleton<AuditTrail>()
            .AddSingleton<AuditChain>()
            .AddHostedService(provider => provider.GetRequiredService<AuditChain>());
}
