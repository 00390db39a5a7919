using System.Text.RegularExpressions;
using Campaigns.Customers;
using Npgsql;

namespace Campaigns.Segments;

/// <summary>The fields that rules may name, and how they are read in SQL.</summary>
internal static partial class RuleFields
{
    /// <summary>Every customer's date of birth is kept beside the attributes; it needs no entry in the catalogue, and an
    /// entry of that name comes before it.</summary>
    public static readonly Field BirthDate = new("birth_date", FieldType.Date);

    public static async Task<IReadOnlyDictionary<string, Field>> ReadAsync(NpgsqlConnection connection)
    {
        var fields = new Dictionary<string, Field>(await Fields.LoadAsync(connection));
        fields.TryAdd(BirthDate.Name, BirthDate);
        return fields;
    }

    /// <summary>Whether a date is compared as a date; an attribute's is compared as ISO 8601 text, which is ordered alike.
    /// </summary>
    public static bool IsColumn(this Field field) => ReferenceEquals(field, BirthDate);

    /// <summary>What may be ranked by, with the aliases <c>c</c> and <c>k</c>: of a sensitive field nothing, where the
    /// customer has not consented to its use.</summary>
    public static string Sql(this Field field) =>
        field.Sensitive
            ? $"(CASE WHEN {SegmentCompilation.SensitiveConsent} THEN {field.ValueSql()} END)"
            : field.ValueSql();

    /// <summary>The expression that statistics and indexes are made on, with the alias <c>c</c>; whoever reads it sees to the
    /// consent for sensitive data.</summary>
    public static string ValueSql(this Field field) =>
        field.IsColumn()
            ? "k.birth_date"
            : field.Type switch
            {
                FieldType.Number => $"({field.TextSql()}::numeric)",
                FieldType.Boolean => $"({field.TextSql()}::boolean)",
                _ => field.TextSql(),
            };

    /// <summary>The value as text, null where the customer has none.</summary>
    public static string TextSql(this Field field) =>
        field.IsColumn() ? "k.birth_date::text" : $"(c.attributes->>'{SafeName(field)}')";

    // The name is the one thing of a rule that becomes SQL text.
    private static string SafeName(Field field) =>
        NamePattern().IsMatch(field.Name)
            ? field.Name
            : throw new InvalidOperationException("A field's name is not safe in SQL.");

    [GeneratedRegex(@"\A[a-z][a-z0-9_]{0,62}\z", RegexOptions.None, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex NamePattern();
}
