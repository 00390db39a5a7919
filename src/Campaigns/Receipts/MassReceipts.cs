using Campaigns.Dispatch;
using Dapper;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>Receipts of whole calls, which say nothing of a single customer. Ids of messages are the gateway's own: another
/// of the same account may have given the same one.</summary>
internal static class MassReceipts
{
    /// <summary>The gateway that makes such calls.</summary>
    internal const string Source = "wechat-mass";

    /// <summary>False when no such call is known. Of a test the counts are not kept: they say nothing of a tester.</summary>
    internal static async Task<bool> RecordAsync(NpgsqlConnection connection, MassSaid said, DateTimeOffset now)
    {
        var known = await connection.ExecuteScalarAsync<long>(
            """
            WITH call AS (
                SELECT DISTINCT o.run_key, o.chunk, o.request
                FROM outcome o
                JOIN attempt a USING (run_key, chunk, request)
                WHERE o.provider_ids @> ARRAY[@ProviderId] AND a.gateway = @Source
            ), added AS (
                INSERT INTO request_receipt
                    (run_key, chunk, request, status, total, filtered, sent, failed, received_at)
                SELECT run_key, chunk, request, @Status, @Total, @Filtered, @Sent, @Failed, @now FROM call
                ON CONFLICT DO NOTHING
            )
            SELECT count(*) FROM call
            """,
            new
            {
                said.ProviderId,
                Source,
                said.Status,
                said.Total,
                said.Filtered,
                said.Sent,
                said.Failed,
                now,
            }
        );
        return known > 0 || await TestSendLog.IsTestAsync(connection, Source, said.ProviderId);
    }
}
