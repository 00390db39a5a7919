using System.Text.Json;
using Campaigns.Customers;
using Campaigns.Results;

namespace Campaigns.Segments;

/// <summary>Reads a rule from JSON against the field catalogue, strictly, and reports all that is wrong at once.</summary>
internal sealed partial class RuleReader
{
    private static readonly string[] Kinds = ["all", "any", "not", "field", "tag", "segment", "event"];

    // Of several problems the first named here gives the answer its type.
    private static readonly string[] Precedence =
    [
        "rule-too-complex",
        "validation-failed",
        "unknown-field",
        "empty-rule",
        "unknown-rule-field",
        "unsupported-operator",
    ];

    private readonly IReadOnlyDictionary<string, Field> _fields;
    private readonly List<(string Type, FieldError Error)> _problems = [];
    private int _nodes;

    private RuleReader(IReadOnlyDictionary<string, Field> fields) => _fields = fields;

    /// <param name="path">Where the rule is in what the caller sent.</param>
    public static Result<Rule> Read(JsonElement json, IReadOnlyDictionary<string, Field> fields, string path = "rule")
    {
        var reader = new RuleReader(fields);
        var rule = reader.Node(json, path, depth: 1);
        if (reader._problems.Count == 0)
        {
            return rule!;
        }

        var type = reader._problems.Select(problem => problem.Type).MinBy(name => Array.IndexOf(Precedence, name))!;
        var kind = type is "validation-failed" or "unknown-field" ? ErrorKind.Malformed : ErrorKind.Invalid;
        var errors = reader._problems.Select(problem => problem.Error).ToList();
        return new Error(kind, type, Sentence(type)) { Fields = errors };
    }

    private static string Sentence(string type) =>
        type switch
        {
            "rule-too-complex" => $"A rule has at most {Rule.MaxDepth} levels and {Rule.MaxNodes} nodes.",
            "unknown-field" => "The rule has members that it cannot have.",
            "empty-rule" => "An empty rule is refused: say whom it is for.",
            "unknown-rule-field" => "The rule names fields that are not in the field catalogue.",
            "unsupported-operator" => "The rule uses operators that its fields do not have.",
            _ => "One or more fields are not valid.",
        };

    private Rule? Node(JsonElement json, string path, int depth)
    {
        if (++_nodes > Rule.MaxNodes || depth > Rule.MaxDepth)
        {
            if (_problems.TrueForAll(problem => problem.Type != "rule-too-complex"))
            {
                Add("rule-too-complex", path, Sentence("rule-too-complex"));
            }

            return null;
        }

        if (Members(json, path) is not { } members)
        {
            return null;
        }

        var kinds = Kinds.Where(members.ContainsKey).ToList();
        if (kinds.Count != 1)
        {
            return members.Count == 0
                ? Refuse<Rule>("empty-rule", path, Sentence("empty-rule"))
                : Malformed<Rule>(path, $"must have exactly one of {string.Join(", ", Kinds)}");
        }

        return kinds[0] switch
        {
            "all" => Only(members, path, "all") && Rules(members["all"], $"{path}.all", depth) is { } rules
                ? new AllOf(rules)
                : null,
            "any" => Only(members, path, "any") && Rules(members["any"], $"{path}.any", depth) is { } rules
                ? new AnyOf(rules)
                : null,
            "not" => Only(members, path, "not") && Node(members["not"], $"{path}.not", depth + 1) is { } inner
                ? new Not(inner)
                : null,
            "tag" => Only(members, path, "tag") && Text(members["tag"], $"{path}.tag", 100) is { } tag
                ? new TagTest(tag)
                : null,
            "segment" => Only(members, path, "segment") && SegmentId(members["segment"], $"{path}.segment") is { } id
                ? new SegmentTest(id)
                : null,
            "field" => FieldRule(members, path),
            _ => EventRule(members, path),
        };
    }

    private List<Rule>? Rules(JsonElement json, string path, int depth)
    {
        if (json.ValueKind != JsonValueKind.Array)
        {
            return Malformed<List<Rule>>(path, "must be a list of rules");
        }

        if (json.GetArrayLength() == 0)
        {
            return Refuse<List<Rule>>("empty-rule", path, Sentence("empty-rule"));
        }

        var rules = json.EnumerateArray().Select((item, i) => Node(item, $"{path}[{i}]", depth + 1)).ToList();
        return rules.Contains(null) ? null : [.. rules.OfType<Rule>()];
    }

    private string? SegmentId(JsonElement json, string path) =>
        Text(json, path, 63) is not { } id ? null
        : SegmentIds.IsValid(id) ? id
        : Malformed<string>(path, SegmentIds.Form);

    private Dictionary<string, JsonElement>? Members(JsonElement json, string path)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            return Malformed<Dictionary<string, JsonElement>>(path, "must be an object");
        }

        var members = new Dictionary<string, JsonElement>();
        foreach (var member in json.EnumerateObject())
        {
            if (NameOf(member) is not { } name)
            {
                return Malformed<Dictionary<string, JsonElement>>(path, "has a member whose name is not text");
            }

            if (!members.TryAdd(name, member.Value))
            {
                Malformed<object>($"{path}.{name}", "is there twice");
            }
        }

        return members;
    }

    private static string? NameOf(JsonProperty member)
    {
        try
        {
            return member.Name is { Length: <= 64 } name ? name : member.Name[..64];
        }
        catch (InvalidOperationException) // an escaped lone surrogate
        {
            return null;
        }
    }

    private bool Only(Dictionary<string, JsonElement> members, string path, params ReadOnlySpan<string> allowed)
    {
        var before = _problems.Count;
        foreach (var name in members.Keys)
        {
            if (!allowed.Contains(name))
            {
                Add(
                    "unknown-field",
                    $"{path}.{name}",
                    $"is not a member here; there may be {string.Join(", ", allowed)}"
                );
            }
        }

        return _problems.Count == before;
    }

    private void Add(string type, string path, string detail) => _problems.Add((type, new FieldError(path, detail)));

    private T? Refuse<T>(string type, string path, string detail)
        where T : class
    {
        Add(type, path, detail);
        return null;
    }

    private T? Malformed<T>(string path, string detail)
        where T : class => Refuse<T>("validation-failed", path, detail);
}
