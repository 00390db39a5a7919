using Campaigns.Customers;
using NodaTime;

namespace Campaigns.Segments;

internal static class SegmentCompilation
{
    /// <summary>The union of the closure's roots; nobody where there are none.</summary>
    /// <param name="excluded">Whether the members are to be left out: then so is whoever must not be looked at.</param>
    public static CompiledRule Compile(SegmentClosure closure, string prefix, DateTimeZone zone, bool excluded = false)
    {
        var compiler = new RuleCompiler(prefix, closure.Segments, closure.EventTypes, zone);
        var members = closure.Roots.Select(root =>
        {
            var sql = compiler.Sql(closure.Segments[root]);
            return !UsesSensitive(closure, root) ? sql
                : excluded ? $"(NOT {SensitiveConsent} OR {sql})"
                : $"({SensitiveConsent} AND {sql})";
        });
        var union = closure.Roots.Count == 0 ? "false" : string.Join(" OR ", members);
        return new CompiledRule(
            $"({KnownCustomer} AND ({union}))",
            compiler.Parameters,
            closure.Roots.Any(root => UsesSensitive(closure, root)),
            closure.Segments.Values.Any(segment => segment.ListKey is not null)
                || Fields(closure.Segments.Values).Any(field => field.Profiling),
            [.. closure.Segments.Keys.OrderBy(segment => segment.SegmentId, StringComparer.Ordinal)]
        );
    }

    /// <summary>An id that somebody used before the bank told of the customer is no member of anything, nor is whoever was
    /// erased.</summary>
    public const string KnownCustomer = "NOT c.stub AND NOT k.erased";

    public const string SensitiveConsent = "k.sensitive_consent";

    /// <summary>Whether a segment uses sensitive data, itself or through another.</summary>
    public static bool UsesSensitive(SegmentClosure closure, SegmentReference reference) =>
        Fields(Below(closure, reference)).Any(field => field.Sensitive);

    private static IEnumerable<SegmentVersion> Below(SegmentClosure closure, SegmentReference reference)
    {
        var segment = closure.Segments[reference];
        return segment
            .Uses.SelectMany(used => Below(closure, new SegmentReference(used.Key, used.Value)))
            .Prepend(segment);
    }

    private static IEnumerable<Field> Fields(IEnumerable<SegmentVersion> segments) =>
        segments.SelectMany(segment => segment.Rule?.Nodes() ?? []).OfType<FieldTest>().Select(test => test.Field);
}
