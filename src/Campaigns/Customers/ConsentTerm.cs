using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Jobs;
using Dapper;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Deletes the proofs of consent of erased customers whose term has passed.</summary>
internal sealed class ConsentTerm(NpgsqlDataSource dataSource, TimeProvider time, ILogger<ConsentTerm> logger)
    : Periodic(TimeSpan.FromMinutes(10), time, logger)
{
    private const int AtOnce = 1_000;

    /// <summary>All that are due, some in each transaction.</summary>
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await PurgeAsync(cancellationToken) == AtOnce) { }
    }

    /// <returns>Of how many customers.</returns>
    private async Task<int> PurgeAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var now = await BusinessClock.NowAsync(connection);
        var due = (
            await connection.QueryAsync<long>(
                """
                SELECT customer_key
                FROM customer
                WHERE evidence_until <= @now
                ORDER BY evidence_until
                LIMIT @AtOnce
                FOR UPDATE SKIP LOCKED
                """,
                new { now, AtOnce }
            )
        ).ToArray();
        if (due.Length == 0)
        {
            return 0;
        }

        var proofs = await connection.ExecuteAsync("DELETE FROM consent WHERE customer_key = ANY (@due)", new { due });
        await connection.ExecuteAsync(
            "UPDATE customer SET evidence_until = NULL WHERE customer_key = ANY (@due)",
            new { due }
        );
        await AuditLog.WriteAsync(
            connection,
            now,
            Actor.Service,
            "purged",
            "consents",
            "",
            new { customers = due.Length, proofs }
        );
        await transaction.CommitAsync(cancellationToken);
        return due.Length;
    }

    protected override Task PassAsync(CancellationToken cancellationToken) => RunAsync(cancellationToken);
}
