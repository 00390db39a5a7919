using Campaigns.Database;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>What follows when all parts of a run are planned: indexes, the partition, statistics, the ledger's counts, the
/// chunks and the timetable; then the run may be dispatched, and not before.</summary>
public sealed class RunCompletion(NpgsqlDataSource dataSource)
{
    /// <summary>Completes the run, or does nothing where that is done or another is at it. Safe to repeat after a crash at any
    /// point.</summary>
    /// <returns>Whether this call made the run ready to be dispatched.</returns>
    public async Task<bool> CompleteAsync(int runKey, CancellationToken cancellationToken)
    {
        // The lock ends with the connection.
        await using var connection = await dataSource.OpenBesidePoolAsync(cancellationToken);
        var alone = await connection.QuerySingleAsync<bool>(
            "SELECT pg_try_advisory_lock(hashtext('complete-run'), @runKey)",
            new { runKey }
        );
        if (!alone || await RunRow.ReadAsync(connection, runKey) is not { State: "planning" } run)
        {
            return false;
        }

        var plan = run.ReadPlan();
        var counting = CountAsync(runKey, plan.ChunkSize, cancellationToken);
        if (!dataSource.HasMany())
        {
            await counting;
        }

        if (RunTable.IsLarge(runKey) && !await RunTable.IsAttachedAsync(connection, runKey))
        {
            await RunTable.AttachAsync(dataSource, runKey, cancellationToken);
        }

        await PublishAsync(connection, run, plan, await counting, cancellationToken);
        return true;
    }

    private static async Task PublishAsync(
        NpgsqlConnection connection,
        RunRow run,
        RunPlan plan,
        IReadOnlyList<DecisionSlice> slices,
        CancellationToken cancellationToken
    )
    {
        var waves = await Chunks.WavesAsync(connection, run.RunKey);
        var chunks = Pace.Spread(Chunks.Cut(slices, plan, waves), plan.PacePerHour, waves);

        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await StoreCountsAsync(connection, run.RunKey, Ledgers.Rows(slices));
        await Chunks.StoreAsync(connection, run.RunKey, chunks, cancellationToken);
        await Baselines.TakeAsync(connection, run, plan, cancellationToken);
        await connection.ExecuteAsync(
            """
            UPDATE run SET state = 'planned', planned_at = (SELECT clock_timestamp() + clock_offset FROM business_clock)
            WHERE run_key = @RunKey AND state = 'planning'
            """,
            new { run.RunKey }
        );
        // Dispatch has its statements planned by what is known of the chunks.
        await connection.ExecuteAsync("ANALYZE chunk, wave");
        await transaction.CommitAsync(cancellationToken);
    }

    internal static async Task StoreCountsAsync(
        NpgsqlConnection connection,
        int runKey,
        IReadOnlyList<LedgerRow> ledger
    )
    {
        await connection.ExecuteAsync(
            """
            INSERT INTO run_ledger (run_key, step, reason, channel, variant, wave, customers)
            SELECT @runKey, 1, l.*
            FROM unnest(@reasons, @channels, @variants, @waves, @customers) AS l
            """,
            new
            {
                runKey,
                reasons = ledger.Select(l => l.Reason).ToArray(),
                channels = ledger.Select(l => l.Channel).ToArray(),
                variants = ledger.Select(l => l.Variant).ToArray(),
                waves = ledger.Select(l => l.Wave).ToArray(),
                customers = ledger.Select(l => l.Customers).ToArray(),
            }
        );
        await connection.ExecuteAsync(
            """
            UPDATE wave w SET touches = l.touches, held_out = l.held_out
            FROM (
                SELECT wave,
                    coalesce(sum(customers) FILTER (WHERE reason = 0), 0) AS touches,
                    coalesce(sum(customers) FILTER (WHERE reason >= 20), 0) AS held_out
                FROM run_ledger WHERE run_key = @runKey GROUP BY wave
            ) l
            WHERE w.run_key = @runKey AND w.wave = l.wave
            """,
            new { runKey }
        );
    }

    private async Task<IReadOnlyList<DecisionSlice>> CountAsync(
        int runKey,
        long sliceWidth,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // The table has no statistics yet: parallel workers would hand over every row instead of counts.
        await connection.ExecuteAsync("SET LOCAL max_parallel_workers_per_gather = 0");
        return await DecisionSlice.CountAsync(connection, runKey, sliceWidth, cancellationToken);
    }
}
