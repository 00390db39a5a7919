namespace Campaigns.Segments;

internal static class RulePaths
{
    /// <summary>Every node with where it is, as in <c>rule.all[2].not</c>.</summary>
    public static IEnumerable<(string Path, Rule Node)> Of(Rule rule, string path = "rule") =>
        Below(rule, path).SelectMany(child => Of(child.Node, child.Path)).Prepend((path, rule));

    /// <summary>The children of a node, each with where it is.</summary>
    public static IEnumerable<(string Path, Rule Node)> Below(Rule rule, string path) =>
        rule switch
        {
            AllOf all => all.Rules.Select((child, i) => ($"{path}.all[{i}]", child)),
            AnyOf any => any.Rules.Select((child, i) => ($"{path}.any[{i}]", child)),
            Not not => [($"{path}.not", not.Inner)],
            _ => [],
        };
}
