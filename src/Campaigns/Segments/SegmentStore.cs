using System.Text.Json;
using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using NodaTime;
using Npgsql;

namespace Campaigns.Segments;

/// <summary>Segments and their versions, and what planning makes of them.</summary>
/// <param name="uses">Of other modules, that keep a segment from being archived.</param>
public sealed partial class SegmentStore(
    NpgsqlDataSource dataSource,
    SegmentOptions options,
    IEnumerable<SegmentUse>? uses = null
)
{
    internal const int MaxName = 200;

    // Changes of segments are few and touch each other through the names in their rules: they wait for each other.
    private const long LockKey = 0x43414D50_5345474D; // "CAMPSEGM"

    private readonly DateTimeZone _zone = options.DateTimeZone;

    /// <summary>The members of any of these segments, as a condition for a set-based statement. Segments that rules name
    /// are taken at the versions that the naming version is bound to.</summary>
    /// <param name="references">A reference without a version means the newest.</param>
    /// <param name="prefix">Begins the name of every parameter: lower-case letters.</param>
    /// <returns>422 <c>unknown-segment</c>; 422 <c>stale-segment</c> where a field has gone or changed its type.</returns>
    public async Task<Result<CompiledRule>> CompileAsync(
        NpgsqlConnection connection,
        IReadOnlyList<SegmentReference> references,
        string prefix,
        CancellationToken cancellationToken
    )
    {
        var read = await ReadAsync(connection, references, prefix, cancellationToken);
        return read.TryGet(out var closure, out var error) ? SegmentCompilation.Compile(closure, prefix, _zone) : error;
    }

    /// <summary>Those whom a campaign leaves out for being members of any of these segments; otherwise as for members.
    /// </summary>
    public async Task<Result<CompiledRule>> CompileAsync(
        NpgsqlConnection connection,
        IReadOnlyList<ExcludedSegment> excluded,
        string prefix,
        CancellationToken cancellationToken
    )
    {
        var references = excluded.Select(segment => new SegmentReference(segment.SegmentId, segment.Version));
        var read = await ReadAsync(connection, [.. references], prefix, cancellationToken);
        return read.TryGet(out var closure, out var error)
            ? SegmentCompilation.Compile(closure, prefix, _zone, excluded: true)
            : error;
    }

    private static Task<Result<SegmentClosure>> ReadAsync(
        NpgsqlConnection connection,
        IReadOnlyList<SegmentReference> references,
        string prefix,
        CancellationToken cancellationToken
    ) =>
        prefix.Length > 0 && prefix.All(char.IsAsciiLetterLower)
            ? SegmentClosure.ReadAsync(connection, references, cancellationToken)
            : throw new ArgumentException("A prefix has lower-case letters.", nameof(prefix));

    /// <summary>The segments of which any version names the field, by id.</summary>
    public async Task<IReadOnlyList<string>> UsesFieldAsync(string field, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return [.. (await RulesOnAsync(connection, field)).Select(row => row.SegmentId).Distinct()];
    }

    /// <summary>The newest version, or the one asked for; 404.</summary>
    public async Task<Result<Segment>> GetAsync(string segmentId, int? version, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await FindAsync(connection, segmentId, version) is { } segment
            ? segment
            : Error.NotFound("segment", segmentId);
    }

    /// <summary>The newest versions, by id.</summary>
    /// <param name="after">The id after which to begin; null for the beginning.</param>
    public async Task<IReadOnlyList<Segment>> ListAsync(string? after, int limit, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var fields = await RuleFields.ReadAsync(connection);
        var rows = await connection.QueryAsync<Row>(
            Row.Select
                + """
                 USING (segment_id, version)
                WHERE NOT s.archived AND segment_id > @after COLLATE "C" ORDER BY segment_id COLLATE "C" LIMIT @limit
                """,
            new { after = after ?? "", limit }
        );
        return [.. rows.Select(row => row.ToSegment(fields))];
    }

    /// <summary>Makes or changes a segment by its rule, or renames an uploaded list.</summary>
    /// <param name="expectedVersion">412 where the newest is another; null for any.</param>
    /// <returns>400 and 422 with everything that is wrong with name and rule: <c>validation-failed</c>,
    /// <c>unknown-field</c>, <c>empty-rule</c>, <c>unknown-rule-field</c>, <c>unsupported-operator</c>,
    /// <c>rule-too-complex</c>, <c>unknown-segment</c>, <c>segment-cycle</c>; 412 <c>version-mismatch</c>.</returns>
    public async Task<Result<SegmentSaved>> PutAsync(
        Actor actor,
        string segmentId,
        SegmentDraft draft,
        int? expectedVersion,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var fields = await HoldAsync(connection, cancellationToken);
        if (!Read(segmentId, draft, fields).TryGet(out var read, out var fault))
        {
            return fault;
        }

        var current = await FindAsync(connection, segmentId, null);
        if (Mismatch(current, expectedVersion) is { } mismatch)
        {
            return mismatch;
        }

        if (read.Rule is null && current?.ListSize is null)
        {
            return Error.Validation(new FieldError("rule", "is required; a list is made by uploading its members"));
        }

        var rule = read.Rule is null ? null : RuleWriter.Write(read.Rule).ToJsonString(RuleText);
        if (current is not null && current.Name == draft.Name && current.Rule?.GetRawText() == rule)
        {
            return new SegmentSaved(current, Created: false, Changed: false);
        }

        var change = new Change(connection, actor, await BusinessClock.NowAsync(connection));
        var made =
            read.Rule is null ? await RenameListAsync(change, current!, draft.Name)
            : (await BindAsync(connection, segmentId, read.Rule)).TryGet(out var bound, out var error)
                ? await AddAsync(change, segmentId, draft.Name, rule!, read.Rule, bound)
            : error;
        if (!made.TryGet(out _, out var refused))
        {
            return refused;
        }

        var saved = (await FindAsync(connection, segmentId, null))!;
        await AuditAsync(change, current is null ? "created" : "changed", saved);
        await transaction.CommitAsync(cancellationToken);
        return new SegmentSaved(saved, Created: current is null, Changed: true);
    }

    private static readonly JsonSerializerOptions RuleText = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private sealed record Draft(Rule? Rule);

    private static Result<Draft> Read(string segmentId, SegmentDraft draft, IReadOnlyDictionary<string, Field> fields)
    {
        var faults = Faults(segmentId, draft.Name);
        if (draft.Rule is not { } json || json.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined)
        {
            return faults.Count == 0 ? new Draft((Rule?)null) : Error.Validation([.. faults]);
        }

        if (RuleReader.Read(json, fields).TryGet(out var rule, out var error))
        {
            return faults.Count == 0 ? new Draft(rule) : Error.Validation([.. faults]);
        }

        return faults.Count == 0 ? error : Error.Validation([.. faults, .. error.Fields]);
    }

    private static List<FieldError> Faults(string segmentId, string name)
    {
        var faults = new List<FieldError>();
        if (!SegmentIds.IsValid(segmentId))
        {
            faults.Add(new FieldError("segmentId", SegmentIds.Form));
        }

        if (string.IsNullOrWhiteSpace(name) || name.Length > MaxName || name.Any(char.IsControl))
        {
            faults.Add(
                new FieldError("name", $"must have 1 to {MaxName} characters, none of them a control character")
            );
        }

        return faults;
    }

    private static Error? Mismatch(Segment? current, int? expectedVersion) =>
        expectedVersion is null || expectedVersion == current?.Version
            ? null
            : new Error(
                ErrorKind.Precondition,
                "version-mismatch",
                current is null
                    ? "There is no such segment yet: send no If-Match."
                    : $"The segment is at version {current.Version} now: read it again, then change it."
            );

    // The lock on the catalogue keeps a field's type as it is until the rule that names it is there to be seen.
    private static async Task<IReadOnlyDictionary<string, Field>> HoldAsync(
        NpgsqlConnection connection,
        CancellationToken cancellationToken
    )
    {
        await connection.ExecuteAsync("SELECT pg_advisory_xact_lock(@LockKey)", new { LockKey });
        await connection.ExecuteAsync("LOCK TABLE field IN ROW SHARE MODE");
        return await RuleFields.ReadAsync(connection);
    }

    private static Task AuditAsync(Change change, string action, Segment segment, object? upload = null) =>
        AuditLog.WriteAsync(
            change.Connection,
            change.At,
            change.Actor,
            action,
            "segment",
            segment.SegmentId,
            new
            {
                segment.Version,
                segment.Name,
                segment.Rule,
                segment.ListSize,
                description = segment.Describe(RuleLanguage.English),
                upload,
            }
        );
}
