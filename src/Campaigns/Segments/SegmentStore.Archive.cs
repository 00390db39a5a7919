using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Segments;

/// <summary>Another module's say in archiving a segment, asked in the transaction that would.</summary>
/// <returns>Why the segment must stay; null where it may go.</returns>
public delegate Task<string?> SegmentUse(NpgsqlConnection connection, string segmentId);

public sealed partial class SegmentStore
{
    /// <summary>Archives a segment: it is not listed and cannot be named any more. Its versions stay for the runs that were
    /// bound to them; making a segment of this id again brings it back with its history.</summary>
    /// <param name="expectedVersion">412 where the newest is another; null for any.</param>
    /// <returns>404; 409 <c>segment-in-use</c> while another segment names it, or a campaign that is submitted, approved,
    /// running or paused uses it; 412.</returns>
    public async Task<Result<Done>> ArchiveAsync(
        Actor actor,
        string segmentId,
        int? expectedVersion,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await HoldAsync(connection, cancellationToken);
        if (await FindAsync(connection, segmentId, null) is not { } segment)
        {
            return Error.NotFound("segment", segmentId);
        }

        if (Mismatch(segment, expectedVersion) is { } mismatch)
        {
            return mismatch;
        }

        if (await WhyItMustStayAsync(connection, segmentId) is { } why)
        {
            return new Error(ErrorKind.Conflict, "segment-in-use", why);
        }

        await connection.ExecuteAsync(
            "UPDATE segment SET archived = true WHERE segment_id = @segmentId",
            new { segmentId }
        );
        var now = await BusinessClock.NowAsync(connection);
        await AuditLog.WriteAsync(connection, now, actor, "archived", "segment", segmentId, new { segment.Version });
        await transaction.CommitAsync(cancellationToken);
        return new Done();
    }

    private async Task<string?> WhyItMustStayAsync(NpgsqlConnection connection, string segmentId)
    {
        if ((await UsersAsync(connection, segmentId)).Order(StringComparer.Ordinal).FirstOrDefault() is { } user)
        {
            return $"Segment '{user}' names it: change that one first.";
        }

        foreach (var use in uses ?? [])
        {
            if (await use(connection, segmentId) is { } why)
            {
                return why;
            }
        }

        return null;
    }
}
