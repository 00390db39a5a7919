using System.Text.RegularExpressions;
using Campaigns.Channels;
using Campaigns.Results;

namespace Campaigns.Customers.Import;

/// <summary>What a value of a file becomes.</summary>
public enum ImportTarget
{
    /// <summary>The field named by <c>name</c>.</summary>
    Attribute,

    /// <summary>The tag named by <c>name</c>, where the value is yes, or equals <c>when</c>.</summary>
    Tag,
    Phone,
    OpenId,
    PushId,
    BirthDate,
    Zone,

    /// <summary>Channels, the first preference first, such as <c>wechat|app</c>.</summary>
    PreferredChannels,

    /// <summary>Slots, such as <c>morning|evening</c>.</summary>
    PreferredSlots,
    RiskRating,
    RiskRatedUntil,
    Student,

    /// <summary>What <c>name</c> says: <c>sms</c>, <c>wechat</c>, <c>app</c> or <c>all</c> for marketing, or <c>sensitive</c>
    /// or <c>personalisation</c>. Yes is a grant, no a refusal; with <c>when</c>, a value that equals it is a grant and any
    /// other says nothing.</summary>
    Consent,
}

/// <summary>Which column of a file becomes what.</summary>
public sealed record ImportMapping
{
    public required ImportId Id { get; init; }
    public required IReadOnlyList<ImportColumn> Columns { get; init; }

    /// <summary>The proof of the consents in the file; needed where there are any.</summary>
    public ImportProof? Proof { get; init; }
}

/// <summary>Where the bank's own id of a customer is.</summary>
public sealed record ImportId
{
    /// <summary>The column that has it; null where the file has none.</summary>
    public string? Column { get; init; }

    /// <summary>Put before the value; before the number of the row, from 1, where there is no column.</summary>
    public string Prefix { get; init; } = "";
}

/// <summary>What one column, or a constant, becomes. What a file does not say stays as it is.</summary>
public sealed record ImportColumn
{
    /// <summary>The column's name in the header; null for a constant.</summary>
    public string? Column { get; init; }

    /// <summary>The same value for every row, where there is no column.</summary>
    public string? Value { get; init; }
    public required ImportTarget To { get; init; }

    /// <summary>Of the attribute, tag or consent.</summary>
    public string? Name { get; init; }

    /// <summary>The value that means yes.</summary>
    public string? When { get; init; }

    /// <summary>An empty value takes away what was there; without this it makes the row wrong.</summary>
    public bool Optional { get; init; }
}

/// <summary>Where and when customers said what a file says of their consent.</summary>
public sealed record ImportProof
{
    /// <summary>1 to 64 printable characters.</summary>
    public required string Source { get; init; }
    public string? TextVersion { get; init; }
    public string? Operator { get; init; }

    /// <summary>The same for every row; or null, and the column has it.</summary>
    public DateTimeOffset? OccurredAt { get; init; }

    /// <summary>Times as RFC 3339, or dates, which count from their start in China.</summary>
    public string? OccurredAtColumn { get; init; }
}

/// <summary>What is wrong with a mapping by itself; columns and fields are looked up when a file comes.</summary>
internal static partial class ImportMappingRules
{
    public const int MostColumns = 1000;

    public static IReadOnlyList<FieldError> Faults(ImportMapping mapping)
    {
        var faults = new List<FieldError>();
        if (!Texts.IsPrintable(mapping.Id.Prefix, 0, 32))
        {
            faults.Add(new("id.prefix", "must be at most 32 printable characters"));
        }

        if (mapping.Columns.Count > MostColumns)
        {
            faults.Add(new("columns", $"must be {MostColumns} at most"));
        }

        for (var index = 0; index < mapping.Columns.Count; index++)
        {
            faults.AddRange(Faults(mapping.Columns[index], $"columns[{index}]"));
        }

        faults.AddRange(Repeats(mapping));
        faults.AddRange(ProofFaults(mapping));
        return faults;
    }

    private static IEnumerable<FieldError> Faults(ImportColumn column, string path)
    {
        if (column.Column is null == column.Value is null)
        {
            yield return new(path, "must have either a column or a value");
        }

        var named = column.To is ImportTarget.Attribute or ImportTarget.Tag or ImportTarget.Consent;
        if (named != column.Name is not null)
        {
            yield return new($"{path}.name", named ? "is required" : "is for attributes, tags and consents");
        }

        if (column.When is not null && !named)
        {
            yield return new($"{path}.when", "is for attributes, tags and consents");
        }

        if (column is { To: ImportTarget.Tag, Name: { } tag } && !Texts.IsPrintable(tag, 1, ProfileReader.LongestTag))
        {
            yield return new($"{path}.name", $"must be 1 to {ProfileReader.LongestTag} printable characters");
        }

        if (column is { To: ImportTarget.Consent, Name: { } consent } && !ConsentName().IsMatch(consent))
        {
            yield return new($"{path}.name", "must be sms, wechat, app, all, sensitive or personalisation");
        }
    }

    private static IEnumerable<FieldError> Repeats(ImportMapping mapping) =>
        mapping
            .Columns.Select((column, index) => (column, index))
            .GroupBy(pair => (pair.column.To, pair.column.Name))
            .SelectMany(group => group.Skip(1))
            .Select(pair => new FieldError($"columns[{pair.index}]", "says again what another column says"));

    private static IEnumerable<FieldError> ProofFaults(ImportMapping mapping)
    {
        if (mapping.Proof is not { } proof)
        {
            if (mapping.Columns.Any(column => column.To == ImportTarget.Consent))
            {
                yield return new("proof", "is required where a column is a consent");
            }

            yield break;
        }

        if (!Texts.IsPrintable(proof.Source, 1, 64))
        {
            yield return new("proof.source", "must be 1 to 64 printable characters");
        }

        if (proof.TextVersion is not null && !Texts.IsPrintable(proof.TextVersion, 1, 64))
        {
            yield return new("proof.textVersion", "must be 1 to 64 printable characters");
        }

        if (proof.Operator is not null && !Texts.IsPrintable(proof.Operator, 1, 64))
        {
            yield return new("proof.operator", "must be 1 to 64 printable characters");
        }

        if (proof.OccurredAt is null == proof.OccurredAtColumn is null)
        {
            yield return new("proof", "must have either occurredAt or occurredAtColumn");
        }
    }

    /// <summary>The channel of a consent's name: null for every channel.</summary>
    public static Channel? ChannelOf(string consent) =>
        consent == "all" ? null : Enum.Parse<Channel>(consent, ignoreCase: true);

    [GeneratedRegex(@"\A(?:sms|wechat|app|all|sensitive|personalisation)\z", RegexOptions.None, 1000)]
    private static partial Regex ConsentName();
}
