using System.Text.Json;
using Campaigns.Customers;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Segments;

/// <summary>Segment versions with all that their rules name, and the numbers of their event names: what a compilation needs
/// to know.</summary>
internal sealed record SegmentClosure(
    IReadOnlyList<SegmentReference> Roots,
    IReadOnlyDictionary<SegmentReference, SegmentVersion> Segments,
    IReadOnlyDictionary<string, short> EventTypes
)
{
    /// <summary>422 <c>unknown-segment</c> where a segment or its version is not there, and <c>stale-segment</c> where the
    /// field catalogue has changed under it.</summary>
    public static async Task<Result<SegmentClosure>> ReadAsync(
        NpgsqlConnection connection,
        IReadOnlyList<SegmentReference> references,
        CancellationToken cancellationToken
    )
    {
        var (roots, missing) = await ResolveAsync(connection, references, cancellationToken);
        if (missing is not null)
        {
            return missing;
        }

        var fields = await RuleFields.ReadAsync(connection);
        var segments = new Dictionary<SegmentReference, SegmentVersion>();
        foreach (var row in await RowsAsync(connection, roots, cancellationToken))
        {
            if (!row.ToVersion(fields).TryGet(out var segment, out var error))
            {
                return error;
            }

            segments[new(segment.SegmentId, segment.Version)] = segment;
        }

        var names = segments.Values.SelectMany(segment => segment.Rule?.Nodes() ?? []).OfType<EventTest>();
        var types = await EventTypesAsync(connection, names.Select(test => test.Event).Distinct(), cancellationToken);
        return new SegmentClosure(roots, segments, types);
    }

    public static async Task<IReadOnlyDictionary<string, short>> EventTypesAsync(
        NpgsqlConnection connection,
        IEnumerable<string> names,
        CancellationToken cancellationToken
    )
    {
        var rows = await connection.QueryAsync<(string Name, short EventType)>(
            new CommandDefinition(
                "SELECT name, event_type FROM event_type WHERE name = ANY(@names)",
                new { names = names.ToArray() },
                cancellationToken: cancellationToken
            )
        );
        return rows.ToDictionary(row => row.Name, row => row.EventType);
    }

    /// <summary>Gives a reference without a version the newest one.</summary>
    private static async Task<(IReadOnlyList<SegmentReference> Found, Error? Missing)> ResolveAsync(
        NpgsqlConnection connection,
        IReadOnlyList<SegmentReference> references,
        CancellationToken cancellationToken
    )
    {
        var rows = await connection.QueryAsync<(int Nth, string Id, int Version)>(
            new CommandDefinition(
                """
                SELECT asked.nth::int, v.segment_id, v.version
                FROM unnest(@ids, @versions) WITH ORDINALITY AS asked (segment_id, version, nth)
                JOIN segment s USING (segment_id)
                JOIN segment_version v ON v.segment_id = s.segment_id AND v.version = coalesce(asked.version, s.version)
                WHERE asked.version IS NOT NULL OR NOT s.archived
                ORDER BY asked.nth
                """,
                new
                {
                    ids = references.Select(reference => reference.SegmentId).ToArray(),
                    versions = references.Select(reference => reference.Version).ToArray(),
                },
                cancellationToken: cancellationToken
            )
        );
        var found = rows.ToDictionary(row => row.Nth - 1, row => new SegmentReference(row.Id, row.Version));
        var missing = references.Where((_, i) => !found.ContainsKey(i)).Select(Name).ToList();
        return missing.Count > 0
            ? (
                [],
                new Error(ErrorKind.Invalid, "unknown-segment", $"There is no segment {string.Join(", ", missing)}.")
            )
            : ([.. found.Values.Distinct()], null);
    }

    private static string Name(SegmentReference reference) =>
        reference.Version is { } version ? $"'{reference.SegmentId}' in version {version}" : $"'{reference.SegmentId}'";

    private static Task<IEnumerable<Row>> RowsAsync(
        NpgsqlConnection connection,
        IReadOnlyList<SegmentReference> roots,
        CancellationToken cancellationToken
    ) =>
        connection.QueryAsync<Row>(
            new CommandDefinition(
                """
                WITH RECURSIVE used AS (
                    SELECT * FROM unnest(@ids, @versions) AS root (segment_id, version)
                    UNION
                    SELECT u.used_id, u.used_version FROM used JOIN segment_use u USING (segment_id, version)
                )
                SELECT segment_id, version, v.rule::text AS rule, v.list_key,
                    ARRAY(SELECT used_id FROM segment_use u
                        WHERE u.segment_id = v.segment_id AND u.version = v.version ORDER BY used_id) AS used_ids,
                    ARRAY(SELECT used_version FROM segment_use u
                        WHERE u.segment_id = v.segment_id AND u.version = v.version ORDER BY used_id) AS used_versions
                FROM used JOIN segment_version v USING (segment_id, version)
                """,
                new
                {
                    ids = roots.Select(root => root.SegmentId).ToArray(),
                    versions = roots.Select(root => root.Version!.Value).ToArray(),
                },
                cancellationToken: cancellationToken
            )
        );

    private sealed class Row
    {
        public string SegmentId { get; init; } = "";
        public int Version { get; init; }
        public string? Rule { get; init; }
        public int? ListKey { get; init; }
        public string[] UsedIds { get; init; } = [];
        public int[] UsedVersions { get; init; } = [];

        public Result<SegmentVersion> ToVersion(IReadOnlyDictionary<string, Field> fields)
        {
            var uses = UsedIds.Zip(UsedVersions).ToDictionary(used => used.First, used => used.Second);
            if (Rule is null)
            {
                return new SegmentVersion(SegmentId, Version, null, ListKey, uses);
            }

            using var json = JsonDocument.Parse(Rule);
            return RuleReader.Read(json.RootElement, fields).TryGet(out var rule, out var error)
                ? new SegmentVersion(SegmentId, Version, rule, null, uses)
                : new Error(
                    ErrorKind.Invalid,
                    "stale-segment",
                    $"Segment '{SegmentId}' in version {Version} no longer fits the field catalogue: {error.Detail}"
                )
                {
                    Fields = error.Fields,
                };
        }
    }
}
