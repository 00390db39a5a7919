using System.Text.Json;
using System.Text.Json.Serialization;
using Campaigns.Channels;
using Campaigns.Json;
using Campaigns.Results;

namespace Campaigns.Customers.Import;

/// <summary>A column of the mapping, found in a file.</summary>
/// <param name="Index">Its place in the header; −1 for a constant.</param>
/// <param name="Field">Set for an attribute.</param>
internal sealed record PlannedColumn(ImportColumn Column, int Index, Field? Field)
{
    /// <summary>As an error names it.</summary>
    public string Name => Column.Column ?? Column.Name ?? Column.To.ToString();
}

/// <summary>A mapping put against a file's header and the catalogue: what is read, what is staged, what is merged.
/// </summary>
internal sealed class ImportPlan
{
    private static readonly Dictionary<ImportTarget, string> ContactColumns = new()
    {
        [ImportTarget.BirthDate] = "birth_date",
        [ImportTarget.RiskRatedUntil] = "risk_rated_until",
        [ImportTarget.RiskRating] = "risk_rating",
        [ImportTarget.Zone] = "zone",
        [ImportTarget.PreferredSlots] = "preferred_slots",
        [ImportTarget.PreferredChannels] = "preferred_channels",
        [ImportTarget.Student] = "student",
    };

    private static readonly Dictionary<ImportTarget, Channel> AddressChannels = new()
    {
        [ImportTarget.Phone] = Channel.Sms,
        [ImportTarget.OpenId] = Channel.WeChat,
        [ImportTarget.PushId] = Channel.App,
    };

    public required ImportMapping Mapping { get; init; }

    /// <summary>−1 where rows are numbered.</summary>
    public required int IdIndex { get; init; }

    /// <summary>−1 where consents have one instant.</summary>
    public required int OccurredAtIndex { get; init; }
    public required IReadOnlyList<PlannedColumn> Attributes { get; init; }
    public required IReadOnlyList<PlannedColumn> Tags { get; init; }

    /// <summary>In the order of <see cref="ImportScope.Channels"/>.</summary>
    public required IReadOnlyList<PlannedColumn> Addresses { get; init; }

    /// <summary>In the order of <see cref="ImportScope.Columns"/>.</summary>
    public required IReadOnlyList<PlannedColumn> Contact { get; init; }
    public required IReadOnlyList<PlannedColumn> Consents { get; init; }
    public required ImportScope Scope { get; init; }

    /// <summary>422 with every column or field that is missing.</summary>
    public static Result<ImportPlan> Make(
        ImportMapping mapping,
        IReadOnlyList<string> header,
        IReadOnlyDictionary<string, Field> fields
    )
    {
        var faults = new List<FieldError>();
        var id = mapping.Id.Column is { } idColumn ? Find(idColumn, "id.column") : -1;
        var occurredAt = mapping.Proof?.OccurredAtColumn is { } at ? Find(at, "proof.occurredAtColumn") : -1;
        var columns = mapping.Columns.Select(Plan).ToList();
        if (faults.Count > 0)
        {
            return new Error(
                ErrorKind.Invalid,
                faults.Exists(fault => fault.Path.EndsWith(".name", StringComparison.Ordinal))
                    ? "unknown-field"
                    : "missing-column",
                "The file does not fit the mapping; nothing was imported."
            )
            {
                Fields = faults,
            };
        }

        var attributes = columns.Where(column => column.Column.To == ImportTarget.Attribute).ToList();
        var tags = columns.Where(column => column.Column.To == ImportTarget.Tag).ToList();
        var addresses = columns.Where(column => AddressChannels.ContainsKey(column.Column.To)).ToList();
        var contact = columns.Where(column => ContactColumns.ContainsKey(column.Column.To)).ToList();
        return new ImportPlan
        {
            Mapping = mapping,
            IdIndex = id,
            OccurredAtIndex = occurredAt,
            Attributes = attributes,
            Tags = tags,
            Addresses = addresses,
            Contact = contact,
            Consents = [.. columns.Where(column => column.Column.To == ImportTarget.Consent)],
            Scope = new ImportScope
            {
                Fields = attributes.ToDictionary(column => column.Field!.Name, column => Form(column.Field!)),
                Tags = [.. tags.Select(column => column.Column.Name!)],
                Columns = [.. contact.Select(column => ContactColumns[column.Column.To])],
                Channels = [.. addresses.Select(column => AddressChannels[column.Column.To])],
                Source = columns.Exists(column => column.Column.To == ImportTarget.Consent)
                    ? mapping.Proof!.Source
                    : null,
                TextVersion = mapping.Proof?.TextVersion,
                Operator = mapping.Proof?.Operator,
            },
        };

        PlannedColumn Plan(ImportColumn column, int index)
        {
            var path = $"columns[{index}]";
            var place = column.Column is null ? -1 : Find(column.Column, $"{path}.column");
            var field = column.To == ImportTarget.Attribute ? fields.GetValueOrDefault(column.Name!) : null;
            if (column.To == ImportTarget.Attribute && field is null)
            {
                faults.Add(new($"{path}.name", $"'{column.Name}' is not in the field catalogue"));
            }
            else if (column.When is not null && field is { Type: not FieldType.Boolean })
            {
                faults.Add(new($"{path}.name", $"'{column.Name}' is not a boolean, and 'when' makes one"));
            }

            return new PlannedColumn(column, place, field);
        }

        int Find(string name, string path)
        {
            var places = Enumerable.Range(0, header.Count).Where(place => header[place] == name).ToList();
            if (places.Count != 1)
            {
                faults.Add(
                    new(path, places.Count == 0 ? $"the file has no column '{name}'" : $"'{name}' is there twice")
                );
            }

            return places.Count == 0 ? -1 : places[0];
        }
    }

    /// <summary>What of a field has to stay while its values are on the way.</summary>
    public static string Form(Field field) => string.Join('\n', field.Options.Prepend(field.Type.ToString()));
}

/// <summary>What an import says, as it is kept beside its staged rows.</summary>
internal sealed record ImportScope
{
    /// <summary>Fields with their types and options at the time of reading.</summary>
    public required IReadOnlyDictionary<string, string> Fields { get; init; }
    public required IReadOnlyList<string> Tags { get; init; }
    public required IReadOnlyList<string> Columns { get; init; }
    public required IReadOnlyList<Channel> Channels { get; init; }
    public string? Source { get; init; }
    public string? TextVersion { get; init; }
    public string? Operator { get; init; }

    [JsonIgnore]
    public MergeScope Merge =>
        new()
        {
            Fields = [.. Fields.Keys],
            Tags = [.. Tags],
            Columns = Columns,
            Channels = Channels,
            Proof = Source is null ? null : new ConsentProof(Source, TextVersion, Operator),
        };

    public string ToJson() => JsonSerializer.Serialize(this, ProductJson.Options);

    public static ImportScope FromJson(string json) =>
        JsonSerializer.Deserialize<ImportScope>(json, ProductJson.Options)!;

    /// <summary>The staging table's columns in their order, with types.</summary>
    public IEnumerable<(string Name, string Type)> StagedColumns()
    {
        yield return ("ord", "integer");
        yield return ("id", "text");
        yield return ("attributes", "jsonb");
        yield return ("tags", "text[]");
        if (Channels.Count > 0)
        {
            yield return ("address_key", "smallint");
        }

        foreach (var channel in Channels)
        {
            yield return ($"{CustomerMerge.Name(channel)}_cipher", "bytea");
            yield return ($"{CustomerMerge.Name(channel)}_lookup", "bytea");
        }

        foreach (var column in Columns)
        {
            yield return (column, TypeOf(column));
        }

        if (Source is not null)
        {
            yield return ("granted", "smallint");
            yield return ("refused", "smallint");
            yield return ("sensitive", "boolean");
            yield return ("personalisation", "boolean");
            yield return ("consented_at", "timestamptz");
        }
    }

    private static string TypeOf(string column) =>
        column switch
        {
            "birth_date" or "risk_rated_until" => "date",
            "student" => "boolean",
            _ => "smallint",
        };
}
