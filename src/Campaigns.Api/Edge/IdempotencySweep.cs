using Campaigns.Jobs;
using Dapper;
using Npgsql;

namespace Campaigns.Api.Edge;

/// <summary>Forgets answers that are kept no longer.</summary>
internal sealed class IdempotencySweep(NpgsqlDataSource dataSource, TimeProvider time, ILogger<IdempotencySweep> logger)
    : Periodic(TimeSpan.FromMinutes(10), time, logger)
{
    /// <returns>How many were forgotten.</returns>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await connection.ExecuteAsync(
            "DELETE FROM idempotency WHERE started_at < now() - @Kept::interval",
            new { Idempotency.Kept }
        );
    }

    protected override Task PassAsync(CancellationToken cancellationToken) => SweepAsync(cancellationToken);
}
