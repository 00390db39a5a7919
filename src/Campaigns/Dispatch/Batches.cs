using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>The last batch of a transaction.</summary>
internal static class Batches
{
    /// <summary>Executes the batch, prepared, and commits with it, for a round trip less.</summary>
    internal static async Task CommitAsync(this NpgsqlBatch batch, CancellationToken cancellationToken)
    {
        batch.BatchCommands.Add(new NpgsqlBatchCommand("COMMIT"));
        await batch.PrepareAsync(cancellationToken);
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }
}
