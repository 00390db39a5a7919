using System.Text.Json.Nodes;

namespace Campaigns.Segments;

/// <summary>Writes a rule as JSON, always in the same form: two rules are equal where their texts are.</summary>
internal static class RuleWriter
{
    public static string Name(FieldOperator op)
    {
        var name = op.ToString();
        return char.ToLowerInvariant(name[0]) + name[1..];
    }

    public static JsonObject Write(Rule rule) =>
        rule switch
        {
            AllOf all => new() { ["all"] = Write(all.Rules) },
            AnyOf any => new() { ["any"] = Write(any.Rules) },
            Not not => new() { ["not"] = Write(not.Inner) },
            TagTest tag => new() { ["tag"] = tag.Tag },
            SegmentTest segment => new() { ["segment"] = segment.SegmentId },
            FieldTest field => Write(field),
            EventTest test => Write(test),
            _ => throw new InvalidOperationException($"No JSON for {rule.GetType().Name}."),
        };

    private static JsonArray Write(IReadOnlyList<Rule> rules) => [.. rules.Select(Write)];

    private static JsonObject Write(FieldTest test)
    {
        var json = new JsonObject { ["field"] = test.Field.Name, ["op"] = Name(test.Operator) };
        if (test.Operator is FieldOperator.In or FieldOperator.Between)
        {
            json["value"] = new JsonArray([.. test.Values.Select(Write)]);
        }
        else if (test.Values.Count == 1)
        {
            json["value"] = Write(test.Values[0]);
        }

        return json;
    }

    private static JsonValue Write(RuleValue value) =>
        value switch
        {
            NumberValue number => JsonValue.Create(Plain(number.Number)),
            TextValue text => JsonValue.Create(text.Text),
            BooleanValue boolean => JsonValue.Create(boolean.Boolean),
            DateValue date => JsonValue.Create(date.Text),
            _ => throw new InvalidOperationException($"No JSON for {value.GetType().Name}."),
        };

    private static JsonObject Write(EventTest test)
    {
        var json = new JsonObject { ["event"] = test.Event };
        if (test.Where.Count > 0)
        {
            json["where"] = Attributes(test);
        }

        switch (test.Measure)
        {
            case EventCount { AtMost: 0 }:
                json["never"] = true;
                break;
            case EventCount { AtLeast: 1, AtMost: null }:
                break;
            case EventCount count:
                Add(json, "atLeast", count.AtLeast);
                Add(json, "atMost", count.AtMost);
                break;
            case EventLastBefore last:
                json["lastBefore"] = last.Period.Text;
                break;
            case EventSum sum:
                json["sum"] = "amount";
                json["op"] = Name(sum.Operator);
                json["value"] =
                    sum.Operator == FieldOperator.Between
                        ? new JsonArray([.. sum.Values.Select(value => JsonValue.Create(Plain(value)))])
                        : Plain(sum.Values[0]);
                break;
        }

        if (test.Within is { } within)
        {
            json["within"] = within.Text;
        }

        return json;
    }

    /// <summary>What an event has to have, as jsonb.</summary>
    public static JsonObject Attributes(EventTest test) =>
        new(test.Where.Select(one => KeyValuePair.Create(one.Name, (JsonNode?)Write(one.Value))));

    private static void Add(JsonObject json, string name, int? value)
    {
        if (value is { } n)
        {
            json[name] = n;
        }
    }

    /// <summary>Without zeros at the end of the decimals, which jsonb would keep.</summary>
    public static decimal Plain(decimal number) => number / 1.0000000000000000000000000000m;
}
