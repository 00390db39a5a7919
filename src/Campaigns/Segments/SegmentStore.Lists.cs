using Campaigns.Access;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Segments;

/// <summary>What became of an uploaded list.</summary>
/// <param name="Changed">Whether there is a new version: the same customers again make none.</param>
/// <param name="Members">Customers on the list now.</param>
/// <param name="Repeated">Lines with an id that an earlier line has.</param>
/// <param name="Unknown">Ids of no customer: they are left out, and not kept for later.</param>
/// <param name="Wrong">Lines that hold no id: left out too.</param>
/// <param name="Faults">The first 100 lines that are unknown or wrong.</param>
public sealed record ListUploaded(
    Segment Segment,
    bool Created,
    bool Changed,
    int Members,
    int Repeated,
    int Unknown,
    int Wrong,
    IReadOnlyList<ListFault> Faults
);

/// <summary>A line of a list that was left out.</summary>
/// <param name="Line">From 1.</param>
public sealed record ListFault(int Line, string Detail);

public sealed partial class SegmentStore
{
    /// <summary>Most ids in one upload.</summary>
    public const int MaxListLines = 1_000_000;

    private const int MaxFaults = 100;
    private const int LargeList = 10_000;

    /// <summary>Makes a list of customers the segment's newest version, in place of the list it had.</summary>
    /// <param name="name">Null to keep the name; a new segment without one is called by its id.</param>
    /// <param name="body">UTF-8, read as it arrives.</param>
    /// <param name="expectedVersion">As for <see cref="PutAsync"/>.</param>
    /// <returns>400; 409 <c>invalid-state</c> where the segment has a rule; 412; 413 <c>list-too-large</c>.</returns>
    public async Task<Result<ListUploaded>> UploadAsync(
        Actor actor,
        string segmentId,
        string? name,
        Stream body,
        ListFormat format,
        int? expectedVersion,
        CancellationToken cancellationToken
    )
    {
        if (Faults(segmentId, name ?? segmentId) is { Count: > 0 } faults)
        {
            return Error.Validation([.. faults]);
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (!(await LoadAsync(connection, body, format, cancellationToken)).TryGet(out var loaded, out var tooLarge))
        {
            return tooLarge;
        }

        await HoldAsync(connection, cancellationToken);
        var current = await FindAsync(connection, segmentId, null);
        if (Mismatch(current, expectedVersion) is { } mismatch)
        {
            return mismatch;
        }

        if (current is { ListSize: null })
        {
            return Error.InvalidState($"Segment '{segmentId}' has a rule: upload the list under another id.");
        }

        var changed = current is null || !await IsSameListAsync(connection, segmentId);
        if (!changed && (name is null || name == current!.Name))
        {
            return loaded.ToUploaded(current!, created: false, changed: false);
        }

        var change = new Change(connection, actor, await BusinessClock.NowAsync(connection));
        var listKey = changed ? await StoreListAsync(connection) : await ListKeyAsync(connection, segmentId);
        var made = await AddListAsync(change, segmentId, name ?? current?.Name ?? segmentId, listKey, loaded.Members);
        if (!made.TryGet(out _, out var error))
        {
            return error;
        }

        var saved = (await FindAsync(connection, segmentId, null))!;
        var counts = new
        {
            loaded.Members,
            loaded.Repeated,
            loaded.Unknown,
            loaded.Wrong,
        };
        await AuditAsync(change, "uploaded", saved, counts);
        await transaction.CommitAsync(cancellationToken);
        if (loaded.Members >= LargeList)
        {
            await connection.ExecuteAsync("ANALYZE segment_list_member");
        }

        return loaded.ToUploaded(saved, created: current is null, changed: true);
    }

    private sealed record Loaded(int Members, int Repeated, int Unknown, int Wrong, IReadOnlyList<ListFault> Faults)
    {
        public ListUploaded ToUploaded(Segment segment, bool created, bool changed) =>
            new(segment, created, changed, Members, Repeated, Unknown, Wrong, Faults);
    }

    /// <summary>Leaves the list in a temporary table: an id a row, with its customer where there is one.</summary>
    private static async Task<Result<Loaded>> LoadAsync(
        NpgsqlConnection connection,
        Stream body,
        ListFormat format,
        CancellationToken cancellationToken
    )
    {
        await connection.ExecuteAsync(
            "CREATE TEMP TABLE uploaded_line (line integer NOT NULL, customer_id text NOT NULL) ON COMMIT DROP"
        );
        var (lines, wrong, faults) = (0, 0, new List<ListFault>());
        await using (
            var copy = await connection.BeginBinaryImportAsync(
                "COPY uploaded_line (line, customer_id) FROM STDIN (FORMAT binary)",
                cancellationToken
            )
        )
        {
            await foreach (var line in ListLines.ReadAsync(body, format, cancellationToken))
            {
                if (++lines > MaxListLines)
                {
                    return new Error(
                        ErrorKind.TooLarge,
                        "list-too-large",
                        $"A list has at most {MaxListLines:#,0} lines: make several, and a segment that names them."
                    );
                }

                if (line.CustomerId is null)
                {
                    wrong++;
                    if (faults.Count < MaxFaults)
                    {
                        faults.Add(new ListFault(line.Number, line.Fault!));
                    }

                    continue;
                }

                await copy.StartRowAsync(cancellationToken);
                await copy.WriteAsync(line.Number, NpgsqlDbType.Integer, cancellationToken);
                await copy.WriteAsync(line.CustomerId, NpgsqlDbType.Text, cancellationToken);
            }

            await copy.CompleteAsync(cancellationToken);
        }

        await connection.ExecuteAsync(
            """
            CREATE TEMP TABLE uploaded ON COMMIT DROP AS
            SELECT min(u.line) AS line, min(c.customer_key) AS customer_key
            FROM uploaded_line u LEFT JOIN customer c ON c.customer_id = u.customer_id AND NOT c.stub
            GROUP BY u.customer_id
            """
        );
        var (ids, members) = await connection.QuerySingleAsync<(int, int)>(
            "SELECT count(*)::int, count(customer_key)::int FROM uploaded"
        );
        var unknown = await connection.QueryAsync<int>(
            "SELECT line FROM uploaded WHERE customer_key IS NULL ORDER BY line LIMIT @MaxFaults",
            new { MaxFaults }
        );
        faults.AddRange(unknown.Select(line => new ListFault(line, "is the id of no customer")));
        return new Loaded(
            members,
            lines - wrong - ids,
            ids - members,
            wrong,
            [.. faults.OrderBy(fault => fault.Line).Take(MaxFaults)]
        );
    }

    private static Task<bool> IsSameListAsync(NpgsqlConnection connection, string segmentId) =>
        connection.ExecuteScalarAsync<bool>(
            """
            WITH present AS (
                SELECT m.customer_key
                FROM segment s JOIN segment_version v USING (segment_id, version) JOIN segment_list_member m USING (list_key)
                WHERE s.segment_id = @segmentId
            ), given AS (
                SELECT customer_key FROM uploaded WHERE customer_key IS NOT NULL
            )
            SELECT NOT EXISTS (SELECT FROM present FULL JOIN given USING (customer_key)
                WHERE present.customer_key IS NULL OR given.customer_key IS NULL)
            """,
            new { segmentId }
        );

    private static async Task<int> StoreListAsync(NpgsqlConnection connection)
    {
        var listKey = await connection.ExecuteScalarAsync<int>("SELECT nextval('segment_list_key')::int");
        await connection.ExecuteAsync(
            """
            INSERT INTO segment_list_member (list_key, customer_key)
            SELECT @listKey, customer_key FROM uploaded WHERE customer_key IS NOT NULL ORDER BY customer_key
            """,
            new { listKey }
        );
        return listKey;
    }

    private static Task<int> ListKeyAsync(NpgsqlConnection connection, string segmentId) =>
        connection.QuerySingleAsync<int>(
            "SELECT list_key FROM segment JOIN segment_version USING (segment_id, version) WHERE segment_id = @segmentId",
            new { segmentId }
        );
}
