using Dapper;
using Npgsql;

namespace Campaigns.Outcomes;

/// <summary>Folds logged changes into the cells that reports add up. A report is its cells and what is not folded yet, so
/// it never waits for this.</summary>
internal sealed class Fold(NpgsqlDataSource dataSource)
{
    private const long FolderLock = 0x46_6f_6c_64;

    /// <summary>Changes a transaction: what has heaped up while nobody folded must not make one that never ends.</summary>
    private const int MostTogether = 50_000;

    /// <summary>Folds until little is left. Does nothing while another node folds.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        while (await FoldSomeAsync(connection, cancellationToken) == MostTogether) { }
    }

    private static async Task<long> FoldSomeAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (
            !await connection.QuerySingleAsync<bool>(
                "SELECT pg_try_advisory_xact_lock(@FolderLock)",
                new { FolderLock }
            )
        )
        {
            return 0;
        }

        // By their places, for nobody else changes them: to delete by key would read the index again.
        var folded = await connection.QuerySingleAsync<long>(
            new CommandDefinition(
                """
                WITH taken AS (
                    DELETE FROM report_delta
                    WHERE ctid = ANY (ARRAY(SELECT ctid FROM report_delta LIMIT @MostTogether))
                    RETURNING run_key, metric, arm, channel, variant, wave, day, n, amount
                ), folded AS (
                    INSERT INTO report_cell AS c (run_key, metric, arm, channel, variant, wave, day, n, amount)
                    SELECT run_key, metric, arm, channel, variant, wave, day, sum(n), sum(amount)
                    FROM taken
                    GROUP BY 1, 2, 3, 4, 5, 6, 7
                    ON CONFLICT (run_key, metric, arm, channel, variant, wave, day)
                        DO UPDATE SET n = c.n + excluded.n, amount = c.amount + excluded.amount
                )
                SELECT count(*) FROM taken
                """,
                new { MostTogether },
                cancellationToken: cancellationToken
            )
        );
        await transaction.CommitAsync(cancellationToken);
        return folded;
    }
}
