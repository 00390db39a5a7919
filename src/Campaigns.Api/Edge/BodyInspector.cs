using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Campaigns.Results;

namespace Campaigns.Api.Edge;

/// <summary>Finds everything that is wrong with a JSON body, by walking it beside the contract it should have. The
/// serialiser stops at the first fault; a caller wants them all.</summary>
internal sealed class BodyInspector
{
    private const int MostFaults = 100;

    private readonly JsonSerializerOptions _options;
    private readonly List<FieldError> _faults = [];
    private readonly List<FieldError> _unknown = [];

    private BodyInspector(JsonSerializerOptions options) => _options = options;

    /// <summary>The error to answer with; null when the body is acceptable.</summary>
    public static Error? FindFault(ReadOnlyMemory<byte> body, Type type, JsonSerializerOptions options)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(
                body,
                new JsonDocumentOptions { MaxDepth = options.MaxDepth, AllowDuplicateProperties = false }
            );
        }
        catch (JsonException exception)
        {
            return Malformed(exception);
        }

        using (document)
        {
            var inspector = new BodyInspector(options);
            inspector.Walk(document.RootElement, options.GetTypeInfo(type), "");
            return inspector.Verdict();
        }
    }

    private static Error Malformed(JsonException exception) =>
        new(
            ErrorKind.Malformed,
            "malformed-json",
            $"The body is not well-formed JSON with each member once and at most {Json.ProductJson.MaxDepth} levels deep"
                + (exception.LineNumber is { } line ? $" (line {line + 1}, byte {exception.BytePositionInLine})." : ".")
        );

    private Error? Verdict()
    {
        if (_unknown.Count > 0)
        {
            return new Error(ErrorKind.Malformed, "unknown-field", "The body has a member that is not taken here.")
            {
                Fields = [.. _unknown, .. _faults],
            };
        }

        return _faults.Count > 0 ? Error.Validation([.. _faults]) : null;
    }

    private void Walk(JsonElement element, JsonTypeInfo type, string path)
    {
        if (_faults.Count + _unknown.Count >= MostFaults)
        {
            return;
        }

        if (element.ValueKind == JsonValueKind.Null)
        {
            if (path.Length == 0 || !MayBeNull(type.Type))
            {
                Fault(path, "may not be null");
            }

            return;
        }

        switch (type.Kind)
        {
            case JsonTypeInfoKind.Object when type.PolymorphismOptions is null:
                WalkObject(element, type, path);
                break;
            case JsonTypeInfoKind.Enumerable:
                WalkArray(element, type, path);
                break;
            case JsonTypeInfoKind.Dictionary:
                WalkDictionary(element, type, path);
                break;
            default:
                Leaf(element, type, path);
                break;
        }
    }

    // Of an item of a list: the serialiser takes null for every class there.
    private static bool MayBeNull(Type type) =>
        type == typeof(JsonElement) || type == typeof(object) || Nullable.GetUnderlyingType(type) is not null;

    private void WalkObject(JsonElement element, JsonTypeInfo type, string path)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            Fault(path, "must be an object");
            return;
        }

        var known = type.Properties.Where(property => !property.IsExtensionData).ToDictionary(p => p.Name);
        var takesAny = known.Count < type.Properties.Count;
        foreach (var member in element.EnumerateObject())
        {
            if (!TryName(member, path, out var name))
            {
                continue;
            }

            var at = Join(path, name);
            if (!known.TryGetValue(name, out var property))
            {
                if (takesAny)
                {
                    Text(member.Value, at);
                }
                else
                {
                    _unknown.Add(new FieldError(at, "is not taken here"));
                }

                continue;
            }

            if (
                member.Value.ValueKind == JsonValueKind.Null
                && !property.IsSetNullable
                && property.PropertyType != typeof(JsonElement)
            )
            {
                Fault(at, "may not be null");
                continue;
            }

            if (member.Value.ValueKind != JsonValueKind.Null)
            {
                Walk(member.Value, _options.GetTypeInfo(property.PropertyType), at);
            }
        }

        foreach (var missing in known.Values.Where(p => p.IsRequired && !element.TryGetProperty(p.Name, out _)))
        {
            Fault(Join(path, missing.Name), "is required");
        }
    }

    private void WalkArray(JsonElement element, JsonTypeInfo type, string path)
    {
        if (element.ValueKind != JsonValueKind.Array)
        {
            Fault(path, "must be an array");
            return;
        }

        var item = _options.GetTypeInfo(type.ElementType!);
        var index = 0;
        foreach (var member in element.EnumerateArray())
        {
            Walk(member, item, $"{path}[{index++}]");
        }
    }

    private void WalkDictionary(JsonElement element, JsonTypeInfo type, string path)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            Fault(path, "must be an object");
            return;
        }

        var value = _options.GetTypeInfo(type.ElementType!);
        foreach (var member in element.EnumerateObject())
        {
            if (!TryName(member, path, out var name))
            {
                continue;
            }

            if (type.KeyType is { IsEnum: true } keys && !Names(keys).Contains(name, StringComparer.Ordinal))
            {
                Fault(Join(path, name), $"the name must be one of {string.Join(", ", Names(keys))}");
                continue;
            }

            Walk(member.Value, value, Join(path, name));
        }
    }

    private void Leaf(JsonElement element, JsonTypeInfo type, string path)
    {
        if (!Text(element, path))
        {
            return;
        }

        try
        {
            element.Deserialize(type);
        }
        catch (JsonException exception)
        {
            var inner = exception.Path is { Length: > 1 } at && at[0] == '$' ? at[1..] : "";
            Fault(path.Length == 0 ? inner.TrimStart('.') : path + inner, Expected(type.Type));
        }
        catch (Exception exception) when (exception is FormatException or InvalidOperationException)
        {
            Fault(path, Expected(type.Type));
        }
    }

    /// <summary>Looks at every text of a value, however it will be read.</summary>
    private bool Text(JsonElement element, string path)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                return IsText(element.GetString, path);
            case JsonValueKind.Array:
                var index = 0;
                return element
                    .EnumerateArray()
                    .Aggregate(true, (good, item) => Text(item, $"{path}[{index++}]") && good);
            case JsonValueKind.Object:
                return element
                    .EnumerateObject()
                    .Aggregate(
                        true,
                        (good, member) =>
                            TryName(member, path, out var name) && Text(member.Value, Join(path, name)) && good
                    );
            default:
                return true;
        }
    }

    private bool TryName(JsonProperty member, string path, out string name)
    {
        var read = "";
        var good = IsText(() => read = member.Name, path);
        name = read;
        return good;
    }

    private bool IsText(Func<string?> read, string path)
    {
        try
        {
            if (read()?.Contains('\0', StringComparison.Ordinal) != true)
            {
                return true;
            }

            Fault(path, "holds the character U+0000");
        }
        catch (InvalidOperationException)
        {
            Fault(path, "is not well-formed Unicode");
        }

        return false;
    }

    private void Fault(string path, string detail) => _faults.Add(new FieldError(path, detail));

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";

    private string[] Names(Type type) =>
        [
            .. Enum.GetValues(type)
                .Cast<object>()
                .Select(value => JsonSerializer.SerializeToElement(value, type, _options).GetString()!),
        ];

    private string Expected(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type switch
        {
            { IsEnum: true } => $"must be one of {string.Join(", ", Names(type))}",
            _ when type == typeof(int) || type == typeof(long) || type == typeof(short) => "must be a whole number",
            _ when type == typeof(decimal) || type == typeof(double) => "must be a number in range",
            _ when type == typeof(bool) => "must be true or false",
            _ when type == typeof(string) => "must be a text",
            _ when type == typeof(DateTimeOffset) =>
                "must be a time with its offset, such as 2026-03-02T08:00:00+08:00",
            _ when type == typeof(DateOnly) => "must be a date, such as 2026-03-02",
            _ when type == typeof(TimeOnly) => "must be a time of day, such as 08:00",
            _ when type == typeof(TimeSpan) => "must be an ISO 8601 duration, such as P14D or PT2H",
            _ => "has the wrong form",
        };
    }
}
