using Dapper;
using Npgsql;

namespace Campaigns.Outcomes;

/// <summary>Folds logged changes into the cells that reports add up. A report is its cells and what is not folded yet, so
/// it never waits for this.</summary>
internal sealed class Fold(NpgsqlDataSource dataSource, EarlyEvents earlyEvents)
{
    private const long FolderLock = 0x46_6f_6c_64;

    /// <summary>Does nothing while another node folds.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await earlyEvents.CountAsync(cancellationToken);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (
            !await connection.QuerySingleAsync<bool>(
                "SELECT pg_try_advisory_xact_lock(@FolderLock)",
                new { FolderLock }
            )
        )
        {
            return;
        }

        await connection.ExecuteAsync(
            new CommandDefinition(
                """
                WITH taken AS (
                    DELETE FROM report_delta RETURNING run_key, metric, arm, channel, variant, wave, day, n, amount
                )
                INSERT INTO report_cell AS c (run_key, metric, arm, channel, variant, wave, day, n, amount)
                SELECT run_key, metric, arm, channel, variant, wave, day, sum(n), sum(amount)
                FROM taken
                GROUP BY 1, 2, 3, 4, 5, 6, 7
                ON CONFLICT (run_key, metric, arm, channel, variant, wave, day)
                    DO UPDATE SET n = c.n + excluded.n, amount = c.amount + excluded.amount
                """,
                cancellationToken: cancellationToken
            )
        );
        await transaction.CommitAsync(cancellationToken);
    }
}
