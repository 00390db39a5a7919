using System.Text.Json.Nodes;

namespace Campaigns.Client.Generator;

/// <summary>C# types of schemas.</summary>
internal static class TypeNames
{
    /// <summary>The type, without a mark for null.</summary>
    /// <exception cref="NotSupportedException">The schema has a shape that this API has no use for.</exception>
    public static string Of(JsonObject schema)
    {
        if (schema["$ref"]?.ToString() is { } reference)
        {
            return reference[(reference.LastIndexOf('/') + 1)..];
        }

        if (schema["allOf"] is JsonArray { Count: 1 } all)
        {
            return Of(all[0]!.AsObject());
        }

        return (schema["type"]?.ToString(), schema["format"]?.ToString()) switch
        {
            (null, _) => "JsonElement",
            ("boolean", _) => "bool",
            ("integer", "int64") => "long",
            ("integer", _) => "int",
            ("number", "decimal") => "decimal",
            ("number", _) => "double",
            ("string", "date-time") => "DateTimeOffset",
            ("string", "date") => "DateOnly",
            ("string", "duration") => "TimeSpan",
            ("string", "local-time") => "TimeOnly",
            ("string", _) => "string",
            ("array", _) => $"IReadOnlyList<{Of(schema["items"]!.AsObject())}>",
            ("object", _) => Dictionary(schema),
            var (type, format) => throw new NotSupportedException($"A schema is of type {type}, format {format}."),
        };
    }

    /// <summary>The converter that reads and writes the type, where the serialiser has none of this form.</summary>
    public static string? Converter(string type) =>
        type switch
        {
            "TimeSpan" => "DurationConverter",
            "TimeOnly" => "LocalTimeConverter",
            _ => null,
        };

    private static string Dictionary(JsonObject schema)
    {
        var key = schema["x-key-type"]?.ToString() ?? "string";
        var values = schema["additionalProperties"] as JsonObject ?? schema["properties"]?.AsObject().First().Value;
        return values is null
            ? throw new NotSupportedException("A schema is an object without members or a name.")
            : $"IReadOnlyDictionary<{key}, {Of(values.AsObject())}>";
    }
}
