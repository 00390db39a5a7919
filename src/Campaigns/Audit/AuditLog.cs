using System.Text.Json;
using Campaigns.Access;
using Dapper;
using Npgsql;

namespace Campaigns.Audit;

/// <summary>The record of every change, written in the change's own transaction. Details hold ids and counts, never an
/// address.</summary>
public static class AuditLog
{
    /// <summary>Adds one entry on the connection, and so in the transaction, of the change it tells of.</summary>
    /// <param name="at">Business time of the change.</param>
    /// <param name="action">A verb in the past, such as <c>approved</c>.</param>
    /// <param name="subjectKind">Such as <c>campaign</c>.</param>
    /// <param name="detail">Serialised as JSON; null for none.</param>
    public static Task WriteAsync(
        NpgsqlConnection connection,
        DateTimeOffset at,
        Actor actor,
        string action,
        string subjectKind,
        string subjectId,
        object? detail = null
    ) =>
        connection.ExecuteAsync(
            """
            WITH entry AS (
                INSERT INTO audit (at, actor, action, subject_kind, subject_id, detail)
                VALUES (@at, @actor, @action, @subjectKind, @subjectId, @detail::jsonb)
                RETURNING seq
            )
            INSERT INTO audit_pending SELECT seq FROM entry
            """,
            new
            {
                at,
                actor = actor.Id,
                action,
                subjectKind,
                subjectId,
                detail = JsonSerializer.Serialize(detail ?? new { }, JsonSerializerOptions.Web),
            }
        );
}
