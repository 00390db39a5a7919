using System.Text.Json;
using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Customers;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Segments;

public sealed partial class SegmentStore
{
    private sealed record Change(NpgsqlConnection Connection, Actor Actor, DateTimeOffset At);

    /// <summary>The newest versions of the segments that a rule names, and its size with them in their places.</summary>
    private sealed record Bound(IReadOnlyDictionary<string, int> Uses, int Depth, int Nodes);

    private sealed class Size
    {
        public string SegmentId { get; init; } = "";
        public int Version { get; init; }
        public int Depth { get; init; }
        public int Nodes { get; init; }
    }

    private static async Task<Result<Bound>> BindAsync(NpgsqlConnection connection, string segmentId, Rule rule)
    {
        var named = rule.Nodes().OfType<SegmentTest>().Select(test => test.SegmentId).Distinct().ToArray();
        var sizes = (
            await connection.QueryAsync<Size>(
                """
                SELECT segment_id, version, depth, nodes FROM segment JOIN segment_version USING (segment_id, version)
                WHERE segment_id = ANY (@named) AND NOT archived
                """,
                new { named }
            )
        ).ToDictionary(size => size.SegmentId);
        var circles = (await UsersAsync(connection, segmentId)).Append(segmentId).ToHashSet();
        var faults = new List<(string Type, FieldError Error)>();
        foreach (var (path, node) in RulePaths.Of(rule))
        {
            if (node is not SegmentTest test)
            {
                continue;
            }

            if (circles.Contains(test.SegmentId))
            {
                faults.Add(("segment-cycle", new($"{path}.segment", "comes back to the segment that names it")));
            }
            else if (!sizes.ContainsKey(test.SegmentId))
            {
                faults.Add(("unknown-segment", new($"{path}.segment", "is not a segment")));
            }
        }

        if (faults.Count > 0)
        {
            var type = faults.Exists(fault => fault.Type == "segment-cycle") ? "segment-cycle" : "unknown-segment";
            var detail =
                type == "segment-cycle"
                    ? "A segment cannot name itself, nor through another segment."
                    : "The rule names segments that do not exist.";
            return new Error(ErrorKind.Invalid, type, detail) { Fields = [.. faults.Select(fault => fault.Error)] };
        }

        return Measure(rule, sizes) is var (depth, nodes) && IsTooLarge(depth, nodes)
            ? TooLarge(segmentId)
            : new Bound(named.ToDictionary(id => id, id => sizes[id].Version), depth, nodes);
    }

    private static (int Depth, int Nodes) Measure(Rule rule, IReadOnlyDictionary<string, Size> sizes)
    {
        if (rule is SegmentTest test)
        {
            return (sizes[test.SegmentId].Depth, sizes[test.SegmentId].Nodes);
        }

        var below = rule.Children.Select(child => Measure(child, sizes)).ToList();
        return (1 + below.Select(size => size.Depth).DefaultIfEmpty().Max(), 1 + below.Sum(size => size.Nodes));
    }

    private static bool IsTooLarge(int depth, int nodes) =>
        depth > Rule.MaxExpandedDepth || nodes > Rule.MaxExpandedNodes;

    private static Error TooLarge(string segmentId) =>
        Error.Invalid(
            "rule-too-complex",
            "rule",
            $"With the segments it names in their places, segment '{segmentId}' would have more than "
                + $"{Rule.MaxExpandedDepth} levels or {Rule.MaxExpandedNodes} nodes."
        );

    /// <summary>Those whose newest version names the segment, directly or through others.</summary>
    private static Task<IEnumerable<string>> UsersAsync(NpgsqlConnection connection, string segmentId) =>
        connection.QueryAsync<string>(
            """
            WITH RECURSIVE named AS (
                SELECT segment_id, used_id FROM segment JOIN segment_use USING (segment_id, version) WHERE NOT archived
            ), above AS (
                SELECT segment_id FROM named WHERE used_id = @segmentId
                UNION
                SELECT named.segment_id FROM above JOIN named ON named.used_id = above.segment_id
            )
            SELECT segment_id FROM above
            """,
            new { segmentId }
        );

    private static async Task<Result<Done>> AddAsync(
        Change change,
        string segmentId,
        string name,
        string ruleJson,
        Rule rule,
        Bound bound
    )
    {
        await change.Connection.ExecuteAsync(
            AddVersion
                + """
                INSERT INTO segment_version
                    (segment_id, version, name, rule, fields, depth, nodes, created_by, created_at)
                SELECT segment_id, version, @name, @ruleJson::json, @fields, @Depth, @Nodes, @by, @At FROM next
                """,
            new
            {
                segmentId,
                name,
                ruleJson,
                fields = rule.Nodes().OfType<FieldTest>().Select(test => test.Field.Name).Distinct().ToArray(),
                bound.Depth,
                bound.Nodes,
                by = change.Actor.Id,
                change.At,
            }
        );
        await UseAsync(change.Connection, segmentId, bound.Uses);
        return await FollowAsync(change, segmentId);
    }

    private static async Task<Result<Done>> AddListAsync(
        Change change,
        string segmentId,
        string name,
        int listKey,
        int listSize
    )
    {
        await change.Connection.ExecuteAsync(
            AddVersion
                + """
                INSERT INTO segment_version
                    (segment_id, version, name, list_key, list_size, fields, depth, nodes, created_by, created_at)
                SELECT segment_id, version, @name, @listKey, @listSize, '{}', 1, 1, @by, @At FROM next
                """,
            new
            {
                segmentId,
                name,
                listKey,
                listSize,
                by = change.Actor.Id,
                change.At,
            }
        );
        return await FollowAsync(change, segmentId);
    }

    private static async Task<Result<Done>> RenameListAsync(Change change, Segment list, string name)
    {
        var listKey = await ListKeyAsync(change.Connection, list.SegmentId);
        return await AddListAsync(change, list.SegmentId, name, listKey, list.ListSize!.Value);
    }

    /// <summary>Gives every segment that names this one, directly or through others, a new version that stands for its
    /// newest.</summary>
    private static async Task<Result<Done>> FollowAsync(Change change, string segmentId)
    {
        var connection = change.Connection;
        var waiting = (await UsersAsync(connection, segmentId)).ToHashSet();
        while (waiting.Count > 0)
        {
            // Next are those that name none of those which still wait.
            var next = await connection.QueryAsync<string>(
                """
                SELECT s.segment_id FROM segment s
                WHERE s.segment_id = ANY (@waiting) AND NOT EXISTS (
                    SELECT FROM segment_use u
                    WHERE u.segment_id = s.segment_id AND u.version = s.version AND u.used_id = ANY (@waiting)
                )
                ORDER BY s.segment_id
                """,
                new { waiting = waiting.ToArray() }
            );
            foreach (var follower in next.ToList())
            {
                waiting.Remove(follower);
                if (!(await FollowAsync(change, follower, segmentId)).TryGet(out _, out var error))
                {
                    return error;
                }
            }
        }

        return default(Done);
    }

    private static async Task<Result<Done>> FollowAsync(Change change, string follower, string changed)
    {
        var connection = change.Connection;
        var before = (await FindAsync(connection, follower, null))!;
        if (before.Parsed is null)
        {
            return new Error(
                ErrorKind.Conflict,
                "stale-segment",
                $"Segment '{follower}' names this one and no longer fits the field catalogue: change it first."
            );
        }

        if (!(await BindAsync(connection, follower, before.Parsed)).TryGet(out var bound, out var error))
        {
            return error;
        }

        var version = await connection.ExecuteScalarAsync<int>(
            AddVersion
                + """
                INSERT INTO segment_version
                    (segment_id, version, name, rule, fields, depth, nodes, created_by, created_at)
                SELECT n.segment_id, n.version, v.name, v.rule, v.fields, @Depth, @Nodes, @by, @At
                FROM next n JOIN segment_version v ON v.segment_id = n.segment_id AND v.version = n.version - 1
                RETURNING version
                """,
            new
            {
                segmentId = follower,
                bound.Depth,
                bound.Nodes,
                by = change.Actor.Id,
                change.At,
            }
        );
        await UseAsync(connection, follower, bound.Uses);
        await AuditLog.WriteAsync(
            connection,
            change.At,
            change.Actor,
            "followed",
            "segment",
            follower,
            new { version, changed }
        );
        return default(Done);
    }

    private const string AddVersion = """
        WITH next AS (
            INSERT INTO segment (segment_id, version) VALUES (@segmentId, 1)
            ON CONFLICT (segment_id) DO UPDATE SET version = segment.version + 1, archived = false
            RETURNING segment_id, version
        )

        """;

    private static Task<int> UseAsync(
        NpgsqlConnection connection,
        string segmentId,
        IReadOnlyDictionary<string, int> uses
    ) =>
        connection.ExecuteAsync(
            """
            INSERT INTO segment_use (segment_id, version, used_id, used_version)
            SELECT s.segment_id, s.version, used.id, used.version
            FROM segment s, unnest(@ids, @versions) AS used (id, version)
            WHERE s.segment_id = @segmentId
            """,
            new
            {
                segmentId,
                ids = uses.Keys.ToArray(),
                versions = uses.Values.ToArray(),
            }
        );

    private static async Task<Segment?> FindAsync(NpgsqlConnection connection, string segmentId, int? version)
    {
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            Row.Select
                + """
                 ON v.segment_id = s.segment_id AND v.version = coalesce(@version, s.version)
                WHERE v.segment_id = @segmentId AND (NOT s.archived OR @version IS NOT NULL)
                """,
            new { segmentId, version }
        );
        return row?.ToSegment(await RuleFields.ReadAsync(connection));
    }

    private sealed class Row
    {
        public const string Select = """
            SELECT v.segment_id, v.version, v.name, v.rule::text AS rule, v.list_size, v.created_by, v.created_at,
                ARRAY(SELECT used_id FROM segment_use u
                    WHERE u.segment_id = v.segment_id AND u.version = v.version ORDER BY used_id) AS used_ids,
                ARRAY(SELECT used_version FROM segment_use u
                    WHERE u.segment_id = v.segment_id AND u.version = v.version ORDER BY used_id) AS used_versions
            FROM segment s JOIN segment_version v
            """;

        public string SegmentId { get; init; } = "";
        public int Version { get; init; }
        public string Name { get; init; } = "";
        public string? Rule { get; init; }
        public int? ListSize { get; init; }
        public string CreatedBy { get; init; } = "";
        public DateTimeOffset CreatedAt { get; init; }
        public string[] UsedIds { get; init; } = [];
        public int[] UsedVersions { get; init; } = [];

        public Segment ToSegment(IReadOnlyDictionary<string, Field> fields)
        {
            using var json = Rule is null ? null : JsonDocument.Parse(Rule);
            Rule? parsed = null;
            var fits = json is not null && RuleReader.Read(json.RootElement, fields).TryGet(out parsed, out _);
            return new Segment
            {
                SegmentId = SegmentId,
                Version = Version,
                Name = Name,
                Rule = json?.RootElement.Clone(),
                ListSize = ListSize,
                Uses = [.. UsedIds.Zip(UsedVersions, (id, version) => new SegmentReference(id, version))],
                CreatedBy = CreatedBy,
                CreatedAt = CreatedAt,
                Parsed = fits ? parsed : null,
            };
        }
    }
}
