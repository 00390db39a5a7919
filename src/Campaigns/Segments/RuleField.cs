using System.Text.RegularExpressions;
using Dapper;
using Npgsql;

namespace Campaigns.Segments;

internal enum RuleFieldType
{
    Number,
    Text,
    Boolean,
    Date,
    Enum,
}

/// <summary>A field that a rule may name.</summary>
internal sealed partial record RuleField(
    string Name,
    RuleFieldType Type,
    IReadOnlyList<string> Options,
    bool Sensitive,
    bool Profiling
)
{
    /// <summary>Every customer's date of birth is kept beside the attributes; it needs no entry in the catalogue, and an
    /// entry of that name comes before it.</summary>
    public static readonly RuleField BirthDate = new("birth_date", RuleFieldType.Date, [], false, false);

    private bool IsColumn => ReferenceEquals(this, BirthDate);

    /// <summary>Whether dates are compared as dates; an attribute's are compared as ISO 8601 text, which is ordered alike.
    /// </summary>
    public bool IsDateColumn => IsColumn;

    /// <summary>The text that expression statistics and indexes are made on, with the alias <c>c</c>.</summary>
    public string Sql =>
        IsColumn
            ? "k.birth_date"
            : Type switch
            {
                RuleFieldType.Number => $"((c.attributes->>'{SafeName}')::numeric)",
                RuleFieldType.Boolean => $"((c.attributes->>'{SafeName}')::boolean)",
                _ => TextSql,
            };

    /// <summary>The value as text, null where the customer has none.</summary>
    public string TextSql => IsColumn ? "k.birth_date::text" : $"(c.attributes->>'{SafeName}')";

    // The name is the one thing of a rule that becomes SQL text.
    private string SafeName =>
        NamePattern().IsMatch(Name) ? Name : throw new InvalidOperationException("A field's name is not safe in SQL.");

    [GeneratedRegex(@"\A[a-z][a-z0-9_]{0,62}\z", RegexOptions.None, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex NamePattern();

    public static async Task<IReadOnlyDictionary<string, RuleField>> ReadAsync(
        NpgsqlConnection connection,
        CancellationToken cancellationToken
    )
    {
        var rows = await connection.QueryAsync<(string Name, string Type, string[]? Options, bool, bool)>(
            new CommandDefinition(
                "SELECT name, type, options, sensitive, profiling FROM field",
                cancellationToken: cancellationToken
            )
        );
        var fields = rows.Select(row => new RuleField(
                row.Name,
                Enum.Parse<RuleFieldType>(row.Type, ignoreCase: true),
                row.Options ?? [],
                row.Item4,
                row.Item5
            ))
            .ToDictionary(field => field.Name);
        fields.TryAdd(BirthDate.Name, BirthDate);
        return fields;
    }
}
