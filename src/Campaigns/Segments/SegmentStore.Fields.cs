using System.Text.Json;
using Campaigns.Customers;
using Dapper;
using Npgsql;

namespace Campaigns.Segments;

public sealed partial class SegmentStore
{
    /// <summary>A field keeps its type while a segment names it, and its options while a rule has them. Old versions count
    /// as well: a campaign may be bound to one.</summary>
    internal static async Task<string?> WhyFieldMustStayAsync(NpgsqlConnection connection, Field before, Field after)
    {
        if (before.Type == after.Type && before.Options.All(after.Options.Contains))
        {
            return null;
        }

        var rules = await RulesOnAsync(connection, after.Name);
        if (before.Type != after.Type)
        {
            return rules.Count > 0
                ? $"Segment '{rules[0].SegmentId}' names field '{after.Name}': its type cannot change."
                : null;
        }

        var fields = new Dictionary<string, Field>(await RuleFields.ReadAsync(connection)) { [after.Name] = after };
        var broken = rules.FirstOrDefault(row => !Fits(row.Rule, fields));
        return broken.SegmentId is { } segment
            ? $"A rule of segment '{segment}' has an option of field '{after.Name}' that would go."
            : null;
    }

    private static bool Fits(string rule, IReadOnlyDictionary<string, Field> fields)
    {
        using var json = JsonDocument.Parse(rule);
        return RuleReader.Read(json.RootElement, fields).Error is null;
    }

    private static async Task<IReadOnlyList<(string SegmentId, string Rule)>> RulesOnAsync(
        NpgsqlConnection connection,
        string field
    ) =>
        [
            .. await connection.QueryAsync<(string, string)>(
                """
                SELECT segment_id, rule::text FROM segment_version v JOIN segment s USING (segment_id)
                WHERE @field = ANY (fields) AND NOT archived ORDER BY segment_id, v.version
                """,
                new { field }
            ),
        ];
}
