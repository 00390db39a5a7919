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

/// <summary>Merges staged files, the oldest first, chunk by chunk, each chunk and its progress in one transaction. A node
/// holds a lease while it does; what a dead node left is taken up by another.</summary>
internal sealed partial class ImportMerger(
    NpgsqlDataSource dataSource,
    CustomerImport import,
    ILogger<ImportMerger> logger
) : BackgroundService
{
    /// <summary>Lines of the file a transaction.</summary>
    private const int ChunkLines = 20_000;

    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(10);

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

    /// <summary>Merges the oldest file that waits; false when there is none, or another node has it.</summary>
    internal async Task<bool> MergeNextAsync(CancellationToken cancellationToken)
    {
        if (await ClaimAsync(cancellationToken) is not { } batch)
        {
            return false;
        }

        if (batch.MergedThrough == 0 && await WasLastAsync(batch, cancellationToken))
        {
            await FinishAsync(batch with { Unchanged = batch.Rows }, alreadyImported: true, cancellationToken);
            return true;
        }

        while (batch.MergedThrough < batch.LastLine)
        {
            var merged = await MergeOrRefuseAsync(batch, cancellationToken);
            if (merged.Error is { } error)
            {
                await FailAsync(batch, error, cancellationToken);
                return true;
            }

            batch = merged.Value;
        }

        if (batch.Done < batch.Rows)
        {
            await FailAsync(batch, Interrupted, cancellationToken);
        }
        else
        {
            await FinishAsync(batch, alreadyImported: false, cancellationToken);
        }

        return true;
    }

    private async Task<Batch?> ClaimAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await connection.QuerySingleOrDefaultAsync<Batch>(
            new CommandDefinition(
                """
                UPDATE import_batch SET leased_until = clock_timestamp() + interval '60 seconds'
                WHERE batch = (SELECT min(batch) FROM import_batch WHERE finished_at IS NULL)
                    AND (leased_until IS NULL OR leased_until < clock_timestamp())
                RETURNING batch AS number, operation_id, mapping_id, digest, scope::text AS scope, rows, last_line,
                    merged_through, created, updated, unchanged, refused
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

    // Rows that PostgreSQL refuses would be refused again, and every later file waits for this one.
    private async Task<Result<Batch>> MergeOrRefuseAsync(Batch batch, CancellationToken cancellationToken)
    {
        try
        {
            return await MergeChunkAsync(batch, cancellationToken);
        }
        catch (PostgresException exception) when (exception.SqlState is ['2', '2' or '3', ..])
        {
            Log.Refused(logger, exception, batch.OperationId);
            return Refused;
        }
    }

    private Task<Result<Batch>> MergeChunkAsync(Batch batch, CancellationToken cancellationToken) =>
        Contended.RunAsync(
            dataSource,
            async connection =>
            {
                var through = batch.MergedThrough + ChunkLines;
                // The row is the fence: who was thought dead and comes back finds it elsewhere.
                var owned = await connection.ExecuteAsync(
                    """
                    UPDATE import_batch SET merged_through = @through,
                        leased_until = clock_timestamp() + interval '60 seconds'
                    WHERE batch = @Number AND merged_through = @MergedThrough
                    """,
                    new
                    {
                        batch.Number,
                        batch.MergedThrough,
                        through,
                    }
                );
                if (owned == 0)
                {
                    throw new OperationCanceledException("Another node merges this file.");
                }

                var scope = ImportScope.FromJson(batch.Scope);
                var fields = await Fields.HoldAsync(connection);
                if (scope.Fields.Any(f => !fields.TryGetValue(f.Key, out var now) || ImportPlan.Form(now) != f.Value))
                {
                    return (Result<Batch>)CatalogueChanged;
                }

                var next = await MergeAsync(
                    connection,
                    batch with
                    {
                        MergedThrough = through,
                    },
                    scope,
                    cancellationToken
                );
                await ReportAsync(connection, next);
                return next;
            },
            cancellationToken
        );

    private static async Task<Batch> MergeAsync(
        NpgsqlConnection connection,
        Batch batch,
        ImportScope scope,
        CancellationToken cancellationToken
    )
    {
        // Chunks probe by index, whatever the statistics of tables that were empty a moment ago say.
        await connection.ExecuteAsync("SET LOCAL random_page_cost = 1.0; SET LOCAL jit = off");
        var source = new RowSource(
            $"(SELECT * FROM {CustomerImport.Table(batch.Number)} WHERE ord > @low AND ord <= @high)",
            new { low = (int)(batch.MergedThrough - ChunkLines), high = (int)batch.MergedThrough }
        );
        var rows = await connection.ExecuteScalarAsync<long>(
            new CommandDefinition(
                $"SELECT count(*) FROM {source.Sql} AS s",
                source.Parameters,
                cancellationToken: cancellationToken
            )
        );
        var now = await BusinessClock.NowAsync(connection);
        var merged = await new CustomerMerge(connection, source, scope.Merge, now, cancellationToken).RunAsync();
        if (merged.Erased.Length > 0)
        {
            await RefuseErasedAsync(connection, batch.Number, merged.Erased);
        }

        return batch with
        {
            Created = batch.Created + merged.Created.Length,
            Updated = batch.Updated + merged.Updated.Length,
            Unchanged = batch.Unchanged + rows - merged.Created.Length - merged.Updated.Length - merged.Erased.Length,
            Refused = batch.Refused + merged.Erased.Length,
        };
    }

    private static async Task ReportAsync(NpgsqlConnection connection, Batch batch)
    {
        await connection.ExecuteAsync(
            """
            UPDATE import_batch SET created = @Created, updated = @Updated, unchanged = @Unchanged, refused = @Refused
            WHERE batch = @Number
            """,
            batch
        );
        await OperationLog.AdvanceAsync(connection, batch.OperationId, batch.Done);
    }

    private static Task<int> RefuseErasedAsync(NpgsqlConnection connection, long batch, int[] lines) =>
        connection.ExecuteAsync(
            """
            UPDATE import_batch SET error_count = error_count + cardinality(@lines),
                errors = errors || (
                    SELECT coalesce(jsonb_agg(jsonb_build_object('line', line, 'reason', @reason) ORDER BY line), '[]')
                    FROM unnest(@lines) WITH ORDINALITY AS l (line, n)
                    WHERE n <= @most - jsonb_array_length(errors)
                )
            WHERE batch = @batch
            """,
            new
            {
                batch,
                lines,
                reason = "names a customer who was erased",
                most = CustomerImport.MostErrors,
            }
        );

    private async Task FinishAsync(Batch batch, bool alreadyImported, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (batch.Created + batch.Updated > ChunkLines / 10)
        {
            // A plan that was made while the tables were empty would stay bad.
            var fields = ImportScope.FromJson(batch.Scope).Fields.Keys.ToHashSet();
            var catalogue = await Fields.LoadAsync(connection);
            await FieldStatistics.EnsureAsync(
                connection,
                catalogue.Values.Where(field => fields.Contains(field.Name)),
                cancellationToken
            );
            await connection.ExecuteAsync("ANALYZE customer; ANALYZE contact; ANALYZE address; ANALYZE consent");
        }

        await CloseAsync(
            connection,
            batch,
            async now =>
            {
                var (count, errors) = await connection.QuerySingleAsync<(long, string)>(
                    "SELECT error_count, errors::text FROM import_batch WHERE batch = @Number",
                    new { batch.Number }
                );
                var result = new ImportResult(
                    batch.Rows + count - batch.Refused,
                    batch.Created + batch.Updated,
                    batch.Created,
                    batch.Updated,
                    batch.Unchanged,
                    count,
                    JsonSerializer.Deserialize<ImportError[]>(errors, ProductJson.Options)!,
                    alreadyImported
                );
                await OperationLog.SucceedAsync(connection, batch.OperationId, result, now);
            },
            cancellationToken
        );
    }

    private async Task FailAsync(Batch batch, Error error, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await CloseAsync(
            connection,
            batch,
            now => OperationLog.FailAsync(connection, batch.OperationId, error, now),
            cancellationToken
        );
    }

    private static async Task CloseAsync(
        NpgsqlConnection connection,
        Batch batch,
        Func<DateTimeOffset, Task> end,
        CancellationToken cancellationToken
    )
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await connection.ExecuteAsync(
            $"""
            UPDATE import_batch SET finished_at = clock_timestamp() WHERE batch = @Number;
            DROP TABLE IF EXISTS {CustomerImport.Table(batch.Number)};
            """,
            new { batch.Number }
        );
        await end(await BusinessClock.NowAsync(connection));
        await transaction.CommitAsync(cancellationToken);
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
        public long LastLine { get; init; }
        public long MergedThrough { get; init; }
        public long Created { get; init; }
        public long Updated { get; init; }
        public long Unchanged { get; init; }

        /// <summary>Staged rows of erased customers.</summary>
        public long Refused { get; init; }

        public long Done => Created + Updated + Unchanged + Refused;
    }

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "Merging a file was interrupted; it goes on in a moment.")]
        public static partial void Interrupted(ILogger logger, Exception exception);

        [LoggerMessage(Level = LogLevel.Error, Message = "The rows of {OperationId} were refused.")]
        public static partial void Refused(ILogger logger, Exception exception, string operationId);
    }
}
