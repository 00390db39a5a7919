using System.Text.Json;
using Campaigns.Customers;

namespace Campaigns.Segments;

internal sealed partial class RuleReader
{
    private const int MaxCount = 1_000_000;
    private const int MaxIn = 1_000;
    private const int MaxWhere = 10;

    private static readonly Dictionary<string, FieldOperator> Operators = Enum.GetValues<FieldOperator>()
        .ToDictionary(RuleWriter.Name);

    private static readonly FieldOperator[] Ordered =
    [
        FieldOperator.Lt,
        FieldOperator.Lte,
        FieldOperator.Gt,
        FieldOperator.Gte,
        FieldOperator.Between,
    ];

    private static readonly FieldOperator[] Everywhere =
    [
        FieldOperator.Eq,
        FieldOperator.Ne,
        FieldOperator.IsSet,
        FieldOperator.IsNotSet,
    ];

    private static FieldOperator[] OperatorsOf(FieldType type) =>
        type switch
        {
            FieldType.Number => [.. Everywhere, FieldOperator.In, .. Ordered],
            FieldType.Text => [.. Everywhere, FieldOperator.In, FieldOperator.Contains],
            FieldType.Enum => [.. Everywhere, FieldOperator.In],
            FieldType.Date => [.. Everywhere, FieldOperator.In, .. Ordered, FieldOperator.Birthday],
            _ => Everywhere,
        };

    private FieldTest? FieldRule(Dictionary<string, JsonElement> members, string path)
    {
        var known = Only(members, path, "field", "op", "value");
        if (
            Text(members["field"], $"{path}.field", 1_000) is not { } name
            || Operator(members, path, Operators.Keys) is not { } op
            || !known
        )
        {
            return null;
        }

        if (!_fields.TryGetValue(name, out var field))
        {
            return Refuse<FieldTest>("unknown-rule-field", $"{path}.field", "is not in the field catalogue");
        }

        var allowed = OperatorsOf(field.Type);
        if (!allowed.Contains(op))
        {
            var names = string.Join(", ", allowed.Select(RuleWriter.Name));
            return Refuse<FieldTest>("unsupported-operator", $"{path}.op", $"a {field.Type} field has {names}");
        }

        var hasValue = members.TryGetValue("value", out var json);
        var values = op switch
        {
            FieldOperator.IsSet or FieldOperator.IsNotSet => hasValue
                ? Malformed<List<RuleValue>>($"{path}.value", "is not asked for by this operator")
                : [],
            _ when !hasValue => Malformed<List<RuleValue>>($"{path}.value", "is missing"),
            FieldOperator.Between => Values(json, $"{path}.value", field, 2, 2),
            FieldOperator.In => Values(json, $"{path}.value", field, 1, MaxIn),
            FieldOperator.Birthday => Days(json, $"{path}.value"),
            _ => Value(json, $"{path}.value", field) is { } value ? [value] : null,
        };
        return values is null ? null : new FieldTest(field, op, values);
    }

    private FieldOperator? Operator(
        Dictionary<string, JsonElement> members,
        string path,
        IReadOnlyCollection<string> allowed
    )
    {
        if (!members.TryGetValue("op", out var json))
        {
            Malformed<object>($"{path}.op", "is missing");
            return null;
        }

        if (Text(json, $"{path}.op", 1_000) is not { } name)
        {
            return null;
        }

        if (allowed.Contains(name))
        {
            return Operators[name];
        }

        Add("unsupported-operator", $"{path}.op", $"must be one of {string.Join(", ", allowed)}");
        return null;
    }

    private List<RuleValue>? Values(JsonElement json, string path, Field field, int least, int most)
    {
        var count = json.ValueKind == JsonValueKind.Array ? json.GetArrayLength() : -1;
        if (count < least || count > most)
        {
            var many = least == most ? $"{least}" : $"{least} to {most}";
            return Malformed<List<RuleValue>>(path, $"must be a list of {many} values");
        }

        var values = json.EnumerateArray().Select((item, i) => Value(item, $"{path}[{i}]", field)).ToList();
        return values.Contains(null) ? null : [.. values.OfType<RuleValue>()];
    }

    private EventTest? EventRule(Dictionary<string, JsonElement> members, string path)
    {
        var known = Only(
            members,
            path,
            ["event", "where", "within", "atLeast", "atMost", "never", "sum", "op", "value", "lastBefore"]
        );
        var name = Text(members["event"], $"{path}.event", 100);
        RulePeriod? within = null;
        if (members.TryGetValue("within", out var json) && (within = Period(json, $"{path}.within")) is null)
        {
            known = false;
        }

        var where = members.TryGetValue("where", out json) ? Where(json, $"{path}.where") : [];
        return Measure(members, path) is { } measure && known && name is not null && where is not null
            ? new EventTest(name, where, within, measure)
            : null;
    }

    private List<(string, RuleValue)>? Where(JsonElement json, string path)
    {
        if (Members(json, path) is not { } members)
        {
            return null;
        }

        if (members.Count is 0 or > MaxWhere || !members.Keys.All(name => Texts.IsPrintable(name, 1, 63)))
        {
            return Malformed<List<(string, RuleValue)>>(
                path,
                $"has 1 to {MaxWhere} texts, numbers or booleans by attribute, whose names have at most 63 printable characters"
            );
        }

        var attributes = members
            .OrderBy(member => member.Key, StringComparer.Ordinal)
            .Select(member => (member.Key, Value: Attribute(member.Value, $"{path}.{member.Key}")))
            .ToList();
        return attributes.Exists(attribute => attribute.Value is null)
            ? null
            : [.. attributes.Select(attribute => (attribute.Key, attribute.Value!))];
    }

    private RuleValue? Attribute(JsonElement json, string path) =>
        json.ValueKind switch
        {
            JsonValueKind.Number => Number(json, path),
            JsonValueKind.True or JsonValueKind.False => Boolean(json, path),
            _ => Text(json, path, MaxText) is { } text ? new TextValue(text) : null,
        };

    private EventMeasure? Measure(Dictionary<string, JsonElement> members, string path)
    {
        var counts = members.ContainsKey("atLeast") || members.ContainsKey("atMost");
        var sums = members.ContainsKey("sum") || members.ContainsKey("op") || members.ContainsKey("value");
        var last = members.ContainsKey("lastBefore");
        var never = members.ContainsKey("never");
        if ((counts ? 1 : 0) + (sums ? 1 : 0) + (last ? 1 : 0) + (never ? 1 : 0) > 1)
        {
            return Malformed<EventMeasure>(path, "has at most one of atLeast with atMost, sum, lastBefore and never");
        }

        if (never)
        {
            return members["never"].ValueKind == JsonValueKind.True
                ? new EventCount(null, 0)
                : Malformed<EventMeasure>($"{path}.never", "must be true");
        }

        if (last && members.ContainsKey("within"))
        {
            return Malformed<EventMeasure>($"{path}.within", "does not go with lastBefore");
        }

        return sums ? Sum(members, path)
            : last
                ? Period(members["lastBefore"], $"{path}.lastBefore") is { } period ? new EventLastBefore(period)
                    : null
            : counts ? Count(members, path)
            : new EventCount(1, null);
    }

    private EventCount? Count(Dictionary<string, JsonElement> members, string path)
    {
        int? Bound(string name) =>
            members.TryGetValue(name, out var json) ? Whole(json, $"{path}.{name}", 1, MaxCount) : null;

        var before = _problems.Count;
        var (least, most) = (Bound("atLeast"), Bound("atMost"));
        if (least > most)
        {
            return Malformed<EventCount>($"{path}.atMost", "must not be below atLeast");
        }

        return _problems.Count == before ? new EventCount(least, most) : null;
    }

    private EventSum? Sum(Dictionary<string, JsonElement> members, string path)
    {
        if (!members.TryGetValue("sum", out var sum))
        {
            return Malformed<EventSum>($"{path}.sum", "is missing");
        }

        if (sum.ValueKind != JsonValueKind.String || !sum.ValueEquals("amount"))
        {
            return Malformed<EventSum>($"{path}.sum", "must be \"amount\"");
        }

        if (Operator(members, path, [.. Ordered.Prepend(FieldOperator.Eq).Select(RuleWriter.Name)]) is not { } op)
        {
            return null;
        }

        if (!members.TryGetValue("value", out var json))
        {
            return Malformed<EventSum>($"{path}.value", "is missing");
        }

        var amount = new Field("amount", FieldType.Number);
        var values =
            op == FieldOperator.Between ? Values(json, $"{path}.value", amount, 2, 2)
            : Value(json, $"{path}.value", amount) is { } value ? [value]
            : null;
        return values is null ? null : new EventSum(op, [.. values.Cast<NumberValue>().Select(value => value.Number)]);
    }
}
