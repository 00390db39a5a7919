using System.Text.Json.Nodes;

namespace Campaigns.Client.Generator;

/// <summary>Records and enums of what goes over the wire.</summary>
internal static class ContractSource
{
    public static string Of(JsonObject schemas)
    {
        var code = new CodeWriter();
        code.Line("using System.Runtime.Serialization;");
        code.Line("using System.Text.Json;");
        code.Line("using System.Text.Json.Serialization;");
        code.Line();
        code.Line("namespace Campaigns.Client;");
        foreach (var (name, schema) in schemas.OrderBy(schema => schema.Key, StringComparer.Ordinal))
        {
            code.Line();
            code.Summary(schema!["description"]?.ToString());
            if (schema["enum"] is JsonArray values)
            {
                Enum(code, name, values);
            }
            else
            {
                Record(code, name, schema.AsObject());
            }
        }

        return code.ToString();
    }

    private static void Enum(CodeWriter code, string name, JsonArray values)
    {
        code.Line($"[JsonConverter(typeof(JsonStringEnumConverter<{name}>))]");
        code.Open($"public enum {name}");
        foreach (var value in values.Select(value => value!.ToString()))
        {
            code.Line($"[JsonStringEnumMemberName(\"{value}\"), EnumMember(Value = \"{value}\")]");
            code.Line($"{CodeWriter.Pascal(value)},");
        }

        code.Close();
    }

    private static void Record(CodeWriter code, string name, JsonObject schema)
    {
        var required = (schema["required"] as JsonArray ?? []).Select(member => member!.ToString()).ToHashSet();
        var members = schema["properties"] as JsonObject ?? [];
        code.Open($"public sealed record {name}");
        var first = true;
        foreach (var (member, declared) in members)
        {
            if (!first)
            {
                code.Line();
            }

            first = false;
            Member(code, name, member, declared!.AsObject(), required.Contains(member));
        }

        code.Close();
    }

    private static void Member(CodeWriter code, string owner, string member, JsonObject schema, bool required)
    {
        var type = TypeNames.Of(schema);
        var name = CodeWriter.Pascal(member);
        code.Summary(schema["description"]?.ToString());
        code.Line(
            required
                ? $"[JsonPropertyName(\"{member}\")]"
                : $"[JsonPropertyName(\"{member}\"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]"
        );
        if (TypeNames.Converter(type) is { } converter)
        {
            code.Line($"[JsonConverter(typeof({converter}))]");
        }

        code.Line(
            $"public {(required ? "required " : "")}{type}{(required ? "" : "?")} "
                + $"{(name == owner ? name + "Value" : name)} {{ get; init; }}"
        );
    }
}
