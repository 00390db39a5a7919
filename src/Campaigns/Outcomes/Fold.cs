using Campaigns.Database;
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

        var now = await BusinessClock.NowAsync(connection);
        await connection.ExecuteAsync(
            new CommandDefinition(
                """
                WITH taken AS (
                    DELETE FROM report_delta RETURNING run_key, metric, arm, channel, variant, wave, day, n, amount
                ), added AS (
                    INSERT INTO report_cell AS c (run_key, metric, arm, channel, variant, wave, day, n, amount)
                    SELECT run_key, metric, arm, channel, variant, wave, day, sum(n), sum(amount)
                    FROM taken
                    GROUP BY 1, 2, 3, 4, 5, 6, 7
                    ON CONFLICT (run_key, metric, arm, channel, variant, wave, day)
                        DO UPDATE SET n = c.n + excluded.n, amount = c.amount + excluded.amount
                )
                INSERT INTO report_watermark (computed_through) VALUES (@now)
                ON CONFLICT (singleton) DO UPDATE SET computed_through = excluded.computed_through
                """,
                new { now },
                cancellationToken: cancellationToken
            )
        );
        await transaction.CommitAsync(cancellationToken);
    }
}
