using Campaigns.Customers;
using NodaTime;

namespace Campaigns.Segments;

/// <summary>A rule over customers. Logic is two-valued: a test of a value that the customer does not have is false, and
/// <see cref="Not"/> is the exact complement.</summary>
internal abstract record Rule
{
    /// <summary>Nodes on the longest way down, this one included.</summary>
    public const int MaxDepth = 8;

    public const int MaxNodes = 200;

    /// <summary>The same two, once the segments that a rule names are put in their places.</summary>
    public const int MaxExpandedDepth = 32;

    public const int MaxExpandedNodes = 1_000;

    public IReadOnlyList<Rule> Children =>
        this switch
        {
            AllOf all => all.Rules,
            AnyOf any => any.Rules,
            Not not => [not.Inner],
            _ => [],
        };

    /// <summary>This node and all below it, each before its children.</summary>
    public IEnumerable<Rule> Nodes() => Children.SelectMany(child => child.Nodes()).Prepend(this);
}

internal sealed record AllOf(IReadOnlyList<Rule> Rules) : Rule;

internal sealed record AnyOf(IReadOnlyList<Rule> Rules) : Rule;

internal sealed record Not(Rule Inner) : Rule;

/// <param name="Values">None for a test of presence, two for between (both included), one or more for in, else one.</param>
internal sealed record FieldTest(Field Field, FieldOperator Operator, IReadOnlyList<RuleValue> Values) : Rule;

internal sealed record TagTest(string Tag) : Rule;

internal sealed record SegmentTest(string SegmentId) : Rule;

/// <param name="Where">Only events with all these attributes, by name in order; none for any.</param>
/// <param name="Within">Only events in (as of − within, as of]; null for all up to as of.</param>
internal sealed record EventTest(
    string Event,
    IReadOnlyList<(string Name, RuleValue Value)> Where,
    RulePeriod? Within,
    EventMeasure Measure
) : Rule;

internal abstract record EventMeasure;

/// <summary>How many events; at least one of the two is set. Nobody has fewer than none.</summary>
internal sealed record EventCount(int? AtLeast, int? AtMost) : EventMeasure;

/// <summary>The sum of the events' amounts; the sum of no events is 0.</summary>
internal sealed record EventSum(FieldOperator Operator, IReadOnlyList<decimal> Values) : EventMeasure;

/// <summary>There is an event, and the last one is longer ago than this.</summary>
internal sealed record EventLastBefore(RulePeriod Period) : EventMeasure;

internal enum FieldOperator
{
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    Between,
    In,
    Contains,
    IsSet,
    IsNotSet,
    Birthday,
}

internal abstract record RuleValue;

internal sealed record NumberValue(decimal Number) : RuleValue;

internal sealed record TextValue(string Text) : RuleValue;

internal sealed record BooleanValue(bool Boolean) : RuleValue;

/// <summary>A date, or so many days, weeks, months or years from the day on which the rule is asked.</summary>
/// <param name="Text">As written.</param>
/// <param name="Date">Null where it is relative.</param>
/// <param name="FromToday">Null where it is not.</param>
internal sealed record DateValue(string Text, LocalDate? Date, Period? FromToday) : RuleValue
{
    public LocalDate On(LocalDate today) => Date ?? today + FromToday!;
}

/// <summary>A length of time back from the instant the rule is asked for; months and years follow the calendar.</summary>
internal sealed record RulePeriod(string Text, Period Period)
{
    public DateTimeOffset Before(DateTimeOffset asOf, DateTimeZone zone) =>
        Instant
            .FromDateTimeOffset(asOf)
            .InZone(zone)
            .LocalDateTime.Minus(Period)
            .InZoneLeniently(zone)
            .ToDateTimeOffset();
}
