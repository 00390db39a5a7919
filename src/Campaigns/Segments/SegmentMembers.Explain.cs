using Campaigns.Results;
using Dapper;

namespace Campaigns.Segments;

/// <summary>Why a customer is a member of a segment, or is not.</summary>
/// <param name="AsOf">As of <see cref="SegmentCount"/>.</param>
/// <param name="Tests">Every test that the segment puts to a customer, those of segments it names included.</param>
public sealed record SegmentExplanation(
    string SegmentId,
    int Version,
    string CustomerId,
    DateTimeOffset AsOf,
    bool IsMember,
    IReadOnlyList<ExplainedTest> Tests
);

/// <summary>One test of a customer.</summary>
/// <param name="SegmentId">The segment whose rule has the test.</param>
/// <param name="Path">Where in that rule, as in <c>rule.all[2]</c>; <c>customer</c> or <c>consent</c> for what every
/// segment, or every one that uses sensitive data, asks for.</param>
/// <param name="Words">The test as a person would say it.</param>
/// <param name="Holds">Null where it was not looked at: sensitive data of a customer without the consent.</param>
/// <param name="Decides">Whether the customer is in, or out, because of it.</param>
/// <param name="Value">What the customer has: a field's value, or how many events, their sum, the last one's time. Null
/// where there is none; <c>***</c> where it is sensitive.</param>
public sealed record ExplainedTest(
    string SegmentId,
    string Path,
    string Words,
    bool? Holds,
    bool Decides,
    string? Value
);

public sealed partial class SegmentMembers
{
    private const string Masked = "***";

    /// <summary>Says why a customer is in or out.</summary>
    /// <inheritdoc cref="CountAsync"/>
    public async Task<Result<SegmentExplanation>> ExplainAsync(
        string segmentId,
        int? version,
        string customerId,
        DateTimeOffset? asOf,
        RuleLanguage language,
        CancellationToken cancellationToken
    )
    {
        await using var reading = await Reading.BeginAsync(dataSource, asOf, cancellationToken);
        var read = await ClosureAsync(reading.Connection, segmentId, version, cancellationToken);
        if (!read.TryGet(out var closure, out var error))
        {
            return error;
        }

        var key = await reading.Connection.QuerySingleOrDefaultAsync<long?>(
            "SELECT customer_key FROM customer WHERE customer_id = @customerId",
            new { customerId }
        );
        if (key is null)
        {
            return Error.NotFound("customer", customerId);
        }

        var asked = new Asked(closure, language);
        var facts = await FactsAsync(reading, asked, key.Value, cancellationToken);
        return new SegmentExplanation(
            segmentId,
            closure.Roots[0].Version!.Value,
            customerId,
            reading.AsOf,
            asked.IsMember(facts),
            asked.Explain(facts)
        );
    }

    private async Task<Facts> FactsAsync(Reading reading, Asked asked, long key, CancellationToken cancellationToken)
    {
        var compiler = new RuleCompiler("rule", asked.Closure.Segments, asked.Closure.EventTypes, _zone);
        var tests = asked.Leaves.Select(leaf =>
            leaf.Test is null ? compiler.Sql(leaf.Segment) : compiler.Sql(leaf.Test, leaf.Segment.Uses)
        );
        var values = asked.Leaves.Select(leaf =>
            leaf.Test switch
            {
                FieldTest test => test.Field.TextSql(),
                EventTest test => compiler.EventValueSql(test),
                _ => "NULL",
            }
        );
        await using var command = reading.Command(
            $"""
            SELECT {SegmentCompilation.KnownCustomer}, {SegmentCompilation.SensitiveConsent},
                ARRAY[{string.Join(", ", tests)}]::boolean[], ARRAY[{string.Join(", ", values)}]::text[]
            FROM customer c JOIN contact k USING (customer_key) WHERE c.customer_key = @low
            """,
            compiler.Parameters,
            key,
            key + 1
        );
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return new Facts(
            row.GetBoolean(0),
            row.GetBoolean(1),
            row.GetFieldValue<bool[]>(2),
            row.GetFieldValue<string?[]>(3)
        );
    }

    /// <param name="Test">Null for being on the segment's list.</param>
    private sealed record Leaf(SegmentVersion Segment, string Path, Rule? Test)
    {
        public bool IsSensitive => Test is FieldTest { Field.Sensitive: true };
    }

    private sealed record Facts(bool IsKnown, bool HasConsent, bool[] Holds, string?[] Values);

    /// <summary>Everything that a segment asks of a customer.</summary>
    private sealed class Asked
    {
        private readonly RuleLanguage _language;
        private readonly SegmentVersion _root;
        private readonly bool _asksConsent;
        private readonly Dictionary<(string, string), int> _places = [];

        public Asked(SegmentClosure closure, RuleLanguage language)
        {
            (Closure, _language, _root) = (closure, language, closure.Segments[closure.Roots[0]]);
            _asksConsent = SegmentCompilation.UsesSensitive(closure, closure.Roots[0]);
            foreach (var leaf in LeavesOf(_root))
            {
                if (_places.TryAdd((leaf.Segment.SegmentId, leaf.Path), Leaves.Count))
                {
                    Leaves.Add(leaf);
                }
            }
        }

        public SegmentClosure Closure { get; }

        public List<Leaf> Leaves { get; } = [];

        public bool IsMember(Facts facts) =>
            facts.IsKnown && (facts.HasConsent || !_asksConsent) && Follow(_root, facts).Holds;

        public List<ExplainedTest> Explain(Facts facts)
        {
            var words = RuleWords.In(_language);
            var mayLook = facts.HasConsent || !_asksConsent;
            var deciding = facts.IsKnown && mayLook ? Follow(_root, facts).Because.ToHashSet() : [];
            var isMember = IsMember(facts);
            var tests = new List<ExplainedTest>
            {
                new(
                    _root.SegmentId,
                    "customer",
                    words.NeedsKnownCustomer,
                    facts.IsKnown,
                    isMember || !facts.IsKnown,
                    null
                ),
            };
            if (_asksConsent)
            {
                var consent = words.NeedsSensitiveConsent;
                tests.Add(
                    new(_root.SegmentId, "consent", consent, facts.HasConsent, isMember || !facts.HasConsent, null)
                );
            }

            tests.AddRange(
                Leaves.Select(
                    (leaf, i) =>
                        new ExplainedTest(
                            leaf.Segment.SegmentId,
                            leaf.Path,
                            leaf.Test is null ? words.List : words.Say(leaf.Test),
                            leaf.IsSensitive && !mayLook ? null : facts.Holds[i],
                            deciding.Contains(i),
                            leaf.IsSensitive ? Masked : facts.Values[i]
                        )
                )
            );
            return tests;
        }

        private IEnumerable<Leaf> LeavesOf(SegmentVersion segment) =>
            segment.Rule is null
                ? [new Leaf(segment, "list", null)]
                : RulePaths
                    .Of(segment.Rule)
                    .Where(place => place.Node.Children.Count == 0)
                    .SelectMany(place =>
                        place.Node is SegmentTest test
                            ? LeavesOf(Named(segment, test))
                            : [new Leaf(segment, place.Path, place.Node)]
                    );

        private SegmentVersion Named(SegmentVersion segment, SegmentTest test) =>
            Closure.Segments[new(test.SegmentId, segment.Uses[test.SegmentId])];

        /// <summary>What comes out, and the leaves without which something else might.</summary>
        private (bool Holds, IEnumerable<int> Because) Follow(SegmentVersion segment, Facts facts) =>
            segment.Rule is null ? Follow(segment, "list", facts) : Follow(segment, segment.Rule, "rule", facts);

        private (bool Holds, IEnumerable<int> Because) Follow(SegmentVersion segment, string path, Facts facts)
        {
            var place = _places[(segment.SegmentId, path)];
            return (facts.Holds[place], [place]);
        }

        private (bool Holds, IEnumerable<int> Because) Follow(
            SegmentVersion segment,
            Rule rule,
            string path,
            Facts facts
        )
        {
            if (rule is SegmentTest test)
            {
                return Follow(Named(segment, test), facts);
            }

            if (rule.Children.Count == 0)
            {
                return Follow(segment, path, facts);
            }

            var below = RulePaths
                .Below(rule, path)
                .Select(child => Follow(segment, child.Node, child.Path, facts))
                .ToList();
            if (rule is Not)
            {
                return (!below[0].Holds, below[0].Because);
            }

            // One child decides an all that fails and an any that holds; otherwise all of them do.
            var deciding = below.Where(child => child.Holds == rule is AnyOf).ToList();
            return deciding.Count > 0
                ? (rule is AnyOf, deciding.SelectMany(child => child.Because))
                : (rule is AllOf, below.SelectMany(child => child.Because));
        }
    }
}
