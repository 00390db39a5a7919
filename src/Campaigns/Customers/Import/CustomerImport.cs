using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Operations;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Customers.Import;

/// <summary>A file of customers, on its way in.</summary>
/// <param name="MappingId">Which mapping says what its columns are.</param>
/// <param name="Body">Read once, to its end.</param>
/// <param name="Charset">As declared; null for UTF-8.</param>
/// <param name="Delimiter">Null to find out from the header.</param>
public sealed record CustomerFile(string MappingId, Stream Body, string? Charset, char? Delimiter);

/// <summary>What came of an import.</summary>
/// <param name="Rows">Rows of the file, good and bad.</param>
/// <param name="Imported">Customers created or changed.</param>
/// <param name="Unchanged">Customers of whom the file said what was known.</param>
/// <param name="ErrorCount">Rows that were refused.</param>
/// <param name="Errors">The first 1,000 of these.</param>
/// <param name="AlreadyImported">The same file was the last that came by this mapping: nothing was done.</param>
public sealed record ImportResult(
    long Rows,
    long Imported,
    long Created,
    long Updated,
    long Unchanged,
    long ErrorCount,
    IReadOnlyList<ImportError> Errors,
    bool AlreadyImported
);

/// <summary>Takes in files of customers. A file is read, checked and staged while it is being received, in one
/// transaction and in bounded memory; the staged rows are merged afterwards, by any node, as an operation.</summary>
public sealed class CustomerImport(NpgsqlDataSource dataSource, AddressVault vault, ImportMappings mappings)
{
    /// <summary>Most errors that are kept one by one.</summary>
    public const int MostErrors = 1000;

    private const int ChunkBytes = 1 << 18;

    /// <summary>Lines of the file a transaction.</summary>
    private const int PartLines = 20_000;

    private readonly NameKeys _zones = NameKeys.TimeZones(dataSource);

    /// <summary>Fires when there is something to merge.</summary>
    internal Channel<byte> Arrived { get; } =
        Channel.CreateBounded<byte>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Receives a file to its end. A file that is wrong as a whole is refused and leaves nothing: 404 for the
    /// mapping, 400 <c>unknown-encoding</c>, 422 <c>empty-file</c>, <c>missing-column</c> or <c>unknown-field</c>. Wrong rows
    /// are told in the operation's result, an <see cref="ImportResult"/>.</summary>
    /// <returns>The operation that merges the rows.</returns>
    public async Task<Result<Operation>> ReceiveAsync(
        Actor actor,
        CustomerFile file,
        CancellationToken cancellationToken
    )
    {
        var found = await mappings.GetAsync(file.MappingId, cancellationToken);
        if (!found.TryGet(out var mapping, out var missing))
        {
            return missing;
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        Result<string> received;
        try
        {
            received = await ReceiveAsync(connection, actor, file, mapping, cancellationToken);
        }
        catch (DecoderFallbackException)
        {
            return NotOfEncoding(file.Charset);
        }

        if (!received.TryGet(out var operationId, out var error))
        {
            return error;
        }

        await transaction.CommitAsync(cancellationToken);
        Arrived.Writer.TryWrite(0);
        return await new OperationLog(dataSource).GetAsync(Actor.Service, operationId, cancellationToken);
    }

    private async Task<Result<string>> ReceiveAsync(
        NpgsqlConnection connection,
        Actor actor,
        CustomerFile source,
        ImportMapping mapping,
        CancellationToken cancellationToken
    )
    {
        var now = await BusinessClock.NowAsync(connection);
        var fields = await Fields.LoadAsync(connection);
        var errors = new ErrorList();
        var opened = await ImportFile.OpenAsync(
            source.Body,
            source.Charset,
            source.Delimiter,
            errors.Add,
            cancellationToken
        );
        if (!opened.TryGet(out var file, out var unreadable))
        {
            return unreadable;
        }

        using (file)
        {
            if (!ImportPlan.Make(mapping, file.Header, fields).TryGet(out var plan, out var unfit))
            {
                return unfit;
            }

            var batch = await connection.ExecuteScalarAsync<long>("SELECT nextval('import_batch_batch_seq')");
            var staged = await StageAsync(connection, batch, file, plan, errors, now, cancellationToken);
            if (staged.Rows + errors.Count == 0)
            {
                return new Error(ErrorKind.Invalid, "empty-file", "The file has a header and no rows.");
            }

            var repeated = plan.IdIndex < 0 ? 0 : await DropRepeatsAsync(connection, batch, mapping, errors);
            return await RegisterAsync(
                connection,
                actor,
                new Batch(
                    batch,
                    source.MappingId,
                    Digest(file, plan),
                    plan.Scope,
                    staged.Rows - repeated,
                    staged.LastLine
                ),
                errors,
                now
            );
        }
    }

    /// <summary>Parses and encrypts on one side, and writes to PostgreSQL on the other.</summary>
    private async Task<(long Rows, long LastLine)> StageAsync(
        NpgsqlConnection connection,
        long batch,
        ImportFile file,
        ImportPlan plan,
        ErrorList errors,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        var columns = plan.Scope.StagedColumns().ToList();
        await connection.ExecuteAsync(
            $"CREATE UNLOGGED TABLE {Table(batch)} ({string.Join(", ", columns.Select(c => $"{c.Name} {c.Type}"))})"
        );
        await using var copy = await connection.BeginRawBinaryCopyAsync(
            $"COPY {Table(batch)} ({string.Join(", ", columns.Select(c => c.Name))}) FROM STDIN (FORMAT BINARY)",
            cancellationToken
        );
        await copy.WriteAsync(CopyBuffer.Header, cancellationToken);
        using var rows = new ImportRows(plan, vault, _zones, now);
        var (filling, sending) = (new CopyBuffer(), new CopyBuffer());
        var sent = Task.CompletedTask;
        var count = 0L;
        try
        {
            while (await file.ReadAsync(cancellationToken))
            {
                if (await rows.AddAsync(file, filling, cancellationToken) is { } error)
                {
                    errors.Add(error);
                    continue;
                }

                count++;
                if (filling.Length > ChunkBytes)
                {
                    await sent;
                    (filling, sending) = (sending, filling);
                    filling.Rewind();
                    var chunk = sending.Bytes;
                    sent = Task.Run(() => copy.WriteAsync(chunk, cancellationToken).AsTask(), cancellationToken);
                }
            }
        }
        finally
        {
            await sent;
        }

        await copy.WriteAsync(filling.Bytes, cancellationToken);
        await copy.WriteAsync(CopyBuffer.Trailer, cancellationToken);
        return (count, file.Line);
    }

    /// <summary>Of the rows with one id the first counts. The ids' hashes are counted first: nearly every file has none
    /// twice.</summary>
    private static async Task<int> DropRepeatsAsync(
        NpgsqlConnection connection,
        long batch,
        ImportMapping mapping,
        ErrorList errors
    )
    {
        var lines = await connection.QueryAsync<(int Line, int First)>(
            $"""
            WITH hashes AS MATERIALIZED (
                SELECT hashtextextended(id, 0) AS hash FROM {Table(batch)} GROUP BY 1 HAVING count(*) > 1
            ), places AS (
                SELECT r.ord, min(r.ord) OVER (PARTITION BY r.id) AS first
                FROM {Table(batch)} AS r
                JOIN hashes AS h ON h.hash = hashtextextended(r.id, 0)
            ), repeats AS (
                SELECT ord, first FROM places WHERE ord > first
            ), dropped AS (
                DELETE FROM {Table(batch)} WHERE ord IN (SELECT ord FROM repeats)
            )
            SELECT ord, first FROM repeats ORDER BY ord
            """
        );
        var repeats = lines.AsList();
        foreach (var (line, first) in repeats)
        {
            errors.Add(new ImportError(line, $"repeats the id of line {first}", mapping.Id.Column));
        }

        return repeats.Count;
    }

    private static async Task<string> RegisterAsync(
        NpgsqlConnection connection,
        Actor actor,
        Batch batch,
        ErrorList errors,
        DateTimeOffset now
    )
    {
        await connection.ExecuteAsync(
            // Without statistics of the lines, each part would read the whole table.
            $"""
            CREATE INDEX ON {Table(batch.Number)} USING brin (ord) WITH (pages_per_range = 8);
            ANALYZE {Table(batch.Number)} (ord);
            """
        );
        var operationId = await OperationLog.StartAsync(connection, actor, "import", batch.MappingId, batch.Rows, now);
        await connection.ExecuteAsync(
            """
            INSERT INTO import_batch (batch, operation_id, mapping_id, digest, scope, rows, error_count, errors)
            OVERRIDING SYSTEM VALUE
            VALUES (@Number, @operationId, @MappingId, @Digest, @scope::jsonb, @Rows, @count, @errors::jsonb);
            INSERT INTO import_part (batch, part, low_line, high_line)
            SELECT @Number, p, (p - 1) * @PartLines + 1, p * @PartLines
            FROM generate_series(1, (@LastLine::int + @PartLines - 1) / @PartLines) AS p
            """,
            new
            {
                batch.Number,
                operationId,
                batch.MappingId,
                batch.Digest,
                scope = batch.Scope.ToJson(),
                batch.Rows,
                batch.LastLine,
                count = errors.Count,
                errors = errors.ToJson(),
                PartLines,
            }
        );
        await AuditLog.WriteAsync(
            connection,
            now,
            actor,
            "received",
            "import",
            operationId,
            new
            {
                mapping = batch.MappingId,
                batch.Rows,
                errors = errors.Count,
                digest = Convert.ToHexStringLower(batch.Digest),
            }
        );
        return operationId;
    }

    internal static string Table(long batch) => $"import_rows_{batch.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>Of all that decides what the file says: its bytes, the mapping, and the fields as they are.</summary>
    private static byte[] Digest(ImportFile file, ImportPlan plan)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(file.Digest());
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(plan.Mapping, ProductJson.Options));
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(plan.Scope, ProductJson.Options));
        return hash.GetHashAndReset();
    }

    private static Error NotOfEncoding(string? charset) =>
        new(
            ErrorKind.Malformed,
            "unknown-encoding",
            string.IsNullOrEmpty(charset)
                ? "The file is not UTF-8. If a Chinese spreadsheet wrote it, declare Content-Type: text/csv; charset=gb18030."
                : $"The file is not {(charset.StartsWith("gb", StringComparison.OrdinalIgnoreCase) ? "GB18030" : "UTF-8")}, "
                    + "as its Content-Type declares; a Chinese spreadsheet writes charset=gb18030, most else utf-8."
        );

    private sealed record Batch(
        long Number,
        string MappingId,
        byte[] Digest,
        ImportScope Scope,
        long Rows,
        long LastLine
    );

    private sealed class ErrorList
    {
        private readonly List<ImportError> _first = [];

        public long Count { get; private set; }

        public void Add(ImportError error)
        {
            Count++;
            if (_first.Count < MostErrors)
            {
                _first.Add(error);
            }
        }

        public string ToJson() => JsonSerializer.Serialize(_first.OrderBy(error => error.Line), ProductJson.Options);
    }
}
