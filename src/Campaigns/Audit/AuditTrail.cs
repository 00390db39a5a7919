using Dapper;
using Npgsql;

namespace Campaigns.Audit;

/// <summary>What somebody looks for in the audit log; null for everything.</summary>
public sealed record AuditQuery(string? SubjectKind, string? SubjectId, string? Actor);

/// <summary>The audit log, to read and to verify.</summary>
public sealed class AuditTrail(NpgsqlDataSource dataSource)
{
    private const int MostFaults = 100;

    /// <summary>The newest first.</summary>
    /// <param name="before">The seq below which to begin; null for the newest.</param>
    public async Task<IReadOnlyList<AuditEntry>> ListAsync(
        AuditQuery query,
        long? before,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var rows = await connection.QueryAsync<AuditRow>(
            """
            SELECT a.seq, a.at, a.actor, a.action, a.subject_kind, a.subject_id, a.detail::text AS detail,
                l.position, l.hash
            FROM audit a LEFT JOIN audit_link l USING (seq)
            WHERE (@before::bigint IS NULL OR a.seq < @before)
              AND (@SubjectKind::text IS NULL OR a.subject_kind = @SubjectKind)
              AND (@SubjectId::text IS NULL OR a.subject_id = @SubjectId)
              AND (@Actor::text IS NULL OR a.actor = @Actor)
            ORDER BY a.seq DESC LIMIT @limit
            """,
            new
            {
                before,
                query.SubjectKind,
                query.SubjectId,
                query.Actor,
                limit,
            }
        );
        return [.. rows.Select(row => row.ToEntry())];
    }

    /// <summary>Walks along the whole chain, on one snapshot; takes a second or so for 100,000 entries.</summary>
    public async Task<AuditVerification> VerifyAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(
            System.Data.IsolationLevel.RepeatableRead,
            cancellationToken
        );
        var faults = new List<AuditFault>();
        var hash = Array.Empty<byte>();
        long length = 0;
        await foreach (var row in WalkAsync(connection, cancellationToken))
        {
            length++;
            var (expected, detail) = Judge(row, hash, length);
            if (detail is not null && faults.Count < MostFaults)
            {
                faults.Add(new AuditFault(length, row.Seq, detail));
            }

            // Judged on from what is stored, so that one fault is reported once.
            hash = detail is null ? expected : row.Hash!;
        }

        var waiting = await connection.QuerySingleAsync<long>("SELECT count(*) FROM audit_pending");
        faults.AddRange(await LooseAsync(connection));
        return new AuditVerification
        {
            Intact = faults.Count == 0,
            Length = length,
            Head = length == 0 ? null : Convert.ToHexStringLower(hash),
            Waiting = waiting,
            Faults = [.. faults.Take(MostFaults)],
        };
    }

    private static (byte[] Expected, string? Detail) Judge(AuditRow row, byte[] before, long position)
    {
        if (row.Position != position || row.Actor.Length == 0)
        {
            return ([], "missing");
        }

        var expected = row.HashAfter(before);
        return (expected, expected.AsSpan().SequenceEqual(row.Hash) ? null : "changed");
    }

    private static IAsyncEnumerable<AuditRow> WalkAsync(NpgsqlConnection connection, CancellationToken _) =>
        connection.QueryUnbufferedAsync<AuditRow>(
            """
            SELECT l.seq, a.at, coalesce(a.actor, '') AS actor, a.action, a.subject_kind, a.subject_id,
                a.detail::text AS detail, l.position, l.hash
            FROM audit_link l LEFT JOIN audit a USING (seq)
            ORDER BY l.position
            """
        );

    private static async Task<IEnumerable<AuditFault>> LooseAsync(NpgsqlConnection connection)
    {
        var loose = await connection.QueryAsync<long>(
            """
            SELECT a.seq FROM audit a
            WHERE NOT EXISTS (SELECT FROM audit_link l WHERE l.seq = a.seq)
              AND NOT EXISTS (SELECT FROM audit_pending p WHERE p.seq = a.seq)
            ORDER BY a.seq LIMIT @MostFaults
            """,
            new { MostFaults }
        );
        return loose.Select(seq => new AuditFault(0, seq, "not in the chain"));
    }
}
