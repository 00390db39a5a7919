using System.Text.Json;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Operations;
using Campaigns.Results;
using Dapper;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Customers.Import;

/// <summary>Merges staged files, the oldest first, in parts and by several lanes, each part and its counts in one
/// transaction. A part is claimed by a row lock: what a dead node held is free with its connection.</summary>
internal sealed partial class ImportMerger(
    NpgsqlDataSource dataSource,
    CustomerImport import,
    ILogger<ImportMerger> logger
) : BackgroundService
{
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(10);
    private static readonly int Lanes = Math.Clamp(Environment.ProcessorCount, 1, 4);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await MergeNextAsync(stoppingToken)) { }

                using var patience = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
                patience.CancelAfter(Poll);
                await import.Arrived.Reader.ReadAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                // Time to look again, or to stop.
            }
            catch (Exception exception)
            {
                // The rows are staged and the lease runs out: this node or another tries again.
                Log.Interrupted(logger, exception);
                await Task.Delay(TimeSpan.FromSeconds(1), CancellationToken.None);
            }
        }
    }

    /// <summary>Merges the oldest file that waits; false when there is none, or other nodes have the rest of it.</summary>
    internal async Task<bool> MergeNextAsync(CancellationToken cancellationToken)
    {
        if (await OldestAsync(cancellationToken) is not { } batch)
        {
            return false;
        }

        if (await WasLastAsync(batch, cancellationToken))
        {
            return await FinishAsync(batch, alreadyImported: true, cancellationToken);
        }

        var scope = ImportScope.FromJson(batch.Scope);
        await SharedInFile.FindAsync(dataSource, batch.Number, scope.Channels, cancellationToken);
        var lanes = Enumerable.Range(0, Lanes).Select(_ => MergePartsAsync(batch, scope, cancellationToken));
        var errors = await Task.WhenAll(lanes);
        return errors.OfType<Error>().FirstOrDefault() is { } error
            ? await CloseAsync(
                batch,
                (connection, now) => OperationLog.FailAsync(connection, batch.OperationId, error, now),
                cancellationToken
            )
            : await FinishAsync(batch, alreadyImported: false, cancellationToken);
    }

    private async Task<Batch?> OldestAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await connection.QuerySingleOrDefaultAsync<Batch>(
            new CommandDefinition(
                """
                SELECT batch AS number, operation_id, mapping_id, digest, scope::text AS scope, rows
                FROM import_batch
                WHERE finished_at IS NULL
                ORDER BY batch
                LIMIT 1
                """,
                cancellationToken: cancellationToken
            )
        );
    }

    private async Task<bool> WasLastAsync(Batch batch, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var last = await connection.ExecuteScalarAsync<byte[]?>(
            new CommandDefinition(
                """
                SELECT b.digest FROM import_batch AS b JOIN operation AS o USING (operation_id)
                WHERE b.mapping_id = @MappingId AND b.batch < @Number AND o.state = 'succeeded'
                ORDER BY b.batch DESC LIMIT 1
                """,
                new { batch.MappingId, batch.Number },
                cancellationToken: cancellationToken
            )
        );
        return last is not null && last.AsSpan().SequenceEqual(batch.Digest);
    }

    /// <summary>A lane: part after part, until none is free.</summary>
    /// <returns>Why the file cannot be merged; null when nothing is wrong.</returns>
    private async Task<Error?> MergePartsAsync(Batch batch, ImportScope scope, CancellationToken cancellationToken)
    {
        while (true)
        {
            var merged = await MergeOrRefuseAsync(batch, scope, cancellationToken);
            if (!merged.TryGet(out var any, out var error) || !any)
            {
                return error;
            }

            await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
            await OperationLog.AdvanceAsync(
                connection,
                batch.OperationId,
                (await Counts.OfAsync(connection, batch.Number)).Done
            );
        }
    }

    // Rows that PostgreSQL refuses would be refused again, and every later file waits for this one. An id that is there
    // already is none of these: somebody else has just made the customer.
    private async Task<Result<bool>> MergeOrRefuseAsync(
        Batch batch,
        ImportScope scope,
        CancellationToken cancellationToken
    )
    {
        try
        {
            return await Contended.RunAsync(
                dataSource,
                connection => MergePartAsync(connection, batch, scope, cancellationToken),
                cancellationToken
            );
        }
        catch (PostgresException exception)
            when (exception.SqlState is ['2', '2' or '3', ..] and not PostgresErrorCodes.UniqueViolation)
        {
            Log.Refused(logger, exception, batch.OperationId);
            return Refused;
        }
    }

    private static async Task<Result<bool>> MergePartAsync(
        NpgsqlConnection connection,
        Batch batch,
        ImportScope scope,
        CancellationToken cancellationToken
    )
    {
        // Shared with the other lanes, and in the way of whoever wants to close the file.
        var part = await connection.QuerySingleOrDefaultAsync<(int? Number, int Low, int High)>(
            """
            SELECT p.part, p.low_line, p.high_line
            FROM import_part AS p
            JOIN import_batch AS b USING (batch)
            WHERE p.batch = @Number AND p.merged_at IS NULL AND b.finished_at IS NULL
            ORDER BY p.part
            LIMIT 1
            FOR UPDATE OF p SKIP LOCKED
            FOR SHARE OF b SKIP LOCKED
            """,
            batch
        );
        if (part.Number is null)
        {
            return false;
        }

        var fields = await Fields.HoldAsync(connection);
        if (scope.Fields.Any(f => !fields.TryGetValue(f.Key, out var now) || ImportPlan.Form(now) != f.Value))
        {
            return CatalogueChanged;
        }

        // Parts probe by index, whatever the statistics of tables that were empty a moment ago say.
        await connection.ExecuteAsync(
            "SET LOCAL random_page_cost = 1.0; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0"
        );
        var source = new RowSource(
            $"(SELECT * FROM {CustomerImport.Table(batch.Number)} WHERE ord BETWEEN @low AND @high)",
            new { low = part.Low, high = part.High }
        )
        {
            Contested = SharedInFile.Table(batch.Number),
        };
        var clock = await BusinessClock.NowAsync(connection);
        var merged = await new CustomerMerge(connection, source, scope.Merge, clock, cancellationToken).RunAsync();
        await connection.ExecuteAsync(
            """
            UPDATE import_part SET
                merged_at = clock_timestamp(), created = @created, updated = @updated, unchanged = @Unchanged,
                erased_lines = @Erased
            WHERE batch = @Batch AND part = @Part
            """,
            new
            {
                Batch = batch.Number,
                Part = part.Number,
                created = merged.Created.Length,
                updated = merged.Updated.Length,
                merged.Unchanged,
                merged.Erased,
            }
        );
        return true;
    }

    /// <summary>False where parts are still with another node, which then finishes the file.</summary>
    private async Task<bool> FinishAsync(Batch batch, bool alreadyImported, CancellationToken cancellationToken)
    {
        var counts = alreadyImported
            ? new Counts { Unchanged = batch.Rows }
            : await CountAsync(batch.Number, cancellationToken);
        if (counts.PartsLeft > 0)
        {
            return false;
        }

        if (counts.Done < batch.Rows)
        {
            return await CloseAsync(
                batch,
                (closing, now) => OperationLog.FailAsync(closing, batch.OperationId, Interrupted, now),
                cancellationToken
            );
        }

        if (!alreadyImported)
        {
            var scope = ImportScope.FromJson(batch.Scope);
            await SharedInFile.SettleAsync(dataSource, batch.Number, scope.Channels, cancellationToken);
            await RefreshStatisticsAsync(scope, counts, cancellationToken);
        }

        return await CloseAsync(
            batch,
            async (closing, now) =>
            {
                await OperationLog.AdvanceAsync(closing, batch.OperationId, counts.Done);
                var result = await ResultAsync(closing, batch, counts, alreadyImported);
                await OperationLog.SucceedAsync(closing, batch.OperationId, result, now);
            },
            cancellationToken
        );
    }

    private async Task<Counts> CountAsync(long batch, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await Counts.OfAsync(connection, batch);
    }

    // A plan that was made while the tables were empty would stay bad.
    private async Task RefreshStatisticsAsync(ImportScope scope, Counts counts, CancellationToken cancellationToken)
    {
        const int worthwhile = 2_000;
        if (counts.Created + counts.Updated <= worthwhile)
        {
            return;
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var fields = scope.Fields.Keys.ToHashSet();
        var catalogue = await Fields.LoadAsync(connection);
        await FieldStatistics.EnsureAsync(
            connection,
            catalogue.Values.Where(field => fields.Contains(field.Name)),
            cancellationToken
        );
        await connection.ExecuteAsync("ANALYZE customer; ANALYZE contact; ANALYZE address; ANALYZE consent");
    }

    private static async Task<ImportResult> ResultAsync(
        NpgsqlConnection connection,
        Batch batch,
        Counts counts,
        bool alreadyImported
    )
    {
        var (wrong, told) = await connection.QuerySingleAsync<(long, string)>(
            "SELECT error_count, errors::text FROM import_batch WHERE batch = @Number",
            batch
        );
        var erased = await connection.QueryAsync<int>(
            """
            SELECT l FROM import_part CROSS JOIN LATERAL unnest(erased_lines) AS l
            WHERE batch = @Number
            ORDER BY l
            LIMIT @most
            """,
            new { batch.Number, most = CustomerImport.MostErrors }
        );
        var errors = JsonSerializer
            .Deserialize<ImportError[]>(told, ProductJson.Options)!
            .Concat(erased.Select(line => new ImportError(line, "names a customer who was erased")))
            .OrderBy(error => error.Line)
            .Take(CustomerImport.MostErrors);
        return new ImportResult(
            batch.Rows + wrong,
            counts.Created + counts.Updated,
            counts.Created,
            counts.Updated,
            counts.Unchanged,
            wrong + counts.Refused,
            [.. errors],
            alreadyImported
        );
    }

    /// <summary>Ends the file; false when another node did.</summary>
    private async Task<bool> CloseAsync(
        Batch batch,
        Func<NpgsqlConnection, DateTimeOffset, Task> end,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var closed = await connection.ExecuteAsync(
            "UPDATE import_batch SET finished_at = clock_timestamp() WHERE batch = @Number AND finished_at IS NULL",
            batch
        );
        if (closed > 0)
        {
            await connection.ExecuteAsync(
                $"DROP TABLE IF EXISTS {CustomerImport.Table(batch.Number)}, {SharedInFile.Table(batch.Number)}"
            );
            await end(connection, await BusinessClock.NowAsync(connection));
            await transaction.CommitAsync(cancellationToken);
        }

        return closed > 0;
    }

    private static Error Refused =>
        new(ErrorKind.Conflict, "import-refused", "The database refused the rows; what was merged before them stays.");

    private static Error CatalogueChanged =>
        new(
            ErrorKind.Conflict,
            "catalogue-changed",
            "A field that the file has was declared anew while it was being merged: send the file again."
        );

    private static Error Interrupted =>
        new(
            ErrorKind.Unavailable,
            "import-interrupted",
            "The database was restarted before all rows were merged: send the file again."
        );

    private sealed record Batch
    {
        public long Number { get; init; }
        public string OperationId { get; init; } = "";
        public string MappingId { get; init; } = "";
        public byte[] Digest { get; init; } = [];
        public string Scope { get; init; } = "";
        public long Rows { get; init; }
    }

    /// <summary>What has been merged of a file.</summary>
    private sealed record Counts
    {
        public long PartsLeft { get; init; }
        public long Created { get; init; }
        public long Updated { get; init; }
        public long Unchanged { get; init; }

        /// <summary>Staged rows of erased customers.</summary>
        public long Refused { get; init; }

        public long Done => Created + Updated + Unchanged + Refused;

        public static Task<Counts> OfAsync(NpgsqlConnection connection, long batch) =>
            connection.QuerySingleAsync<Counts>(
                """
                SELECT count(*) FILTER (WHERE merged_at IS NULL) AS parts_left, coalesce(sum(created), 0) AS created,
                    coalesce(sum(updated), 0) AS updated, coalesce(sum(unchanged), 0) AS unchanged,
                    coalesce(sum(cardinality(erased_lines)), 0) AS refused
                FROM import_part
                WHERE batch = @batch
                """,
                new { batch }
            );
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "Merging a file was interrupted; it goes on in a moment.")]
        public static partial void Interrupted(ILogger logger, Exception exception);

        [LoggerMessage(Level = LogLevel.Error, Message = "The rows of {OperationId} were refused.")]
        public static partial void Refused(ILogger logger, Exception exception, string operationId);
    }
}
