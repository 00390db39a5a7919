using System.Globalization;
using System.Text.RegularExpressions;
using Campaigns.Customers;

namespace Campaigns.Segments;

/// <summary>A language that rules are rendered in.</summary>
public enum RuleLanguage
{
    English,
    Chinese,
}

/// <summary>A rule as a person would say it.</summary>
internal abstract partial class RuleWords
{
    public static RuleWords In(RuleLanguage language) =>
        language == RuleLanguage.Chinese ? new ChineseRuleWords() : new EnglishRuleWords();

    public string Say(Rule rule) =>
        rule switch
        {
            AllOf all => Join(all.Rules, And),
            AnyOf any => Join(any.Rules, Or),
            Not not => Negated(Say(not.Inner)),
            FieldTest test => Field(test),
            TagTest tag => Tag(Quoted(tag.Tag)),
            SegmentTest segment => Segment(Quoted(segment.SegmentId)),
            EventTest test => Event(test),
            _ => throw new InvalidOperationException($"No words for {rule.GetType().Name}."),
        };

    public abstract string List { get; }

    /// <summary>Said of whoever is in no segment that uses sensitive data.</summary>
    public abstract string NeedsSensitiveConsent { get; }

    /// <summary>Said of whoever is in no segment at all.</summary>
    public abstract string NeedsKnownCustomer { get; }

    protected abstract string And { get; }
    protected abstract string Or { get; }
    protected abstract string Negated(string inner);
    protected abstract string Field(FieldTest test);
    protected abstract string Tag(string tag);
    protected abstract string Segment(string id);
    protected abstract string Event(EventTest test);
    protected abstract string Quoted(string text);
    protected abstract string Unit(int n, char unit);
    protected abstract string Truth(bool truth);

    protected string Value(RuleValue value) =>
        value switch
        {
            NumberValue number => Number(number.Number),
            TextValue text => Quoted(text.Text),
            BooleanValue boolean => Truth(boolean.Boolean),
            DateValue date => Date(date),
            _ => throw new InvalidOperationException($"No words for {value.GetType().Name}."),
        };

    protected static string Number(decimal number) => number.ToString("#,0.######", CultureInfo.InvariantCulture);

    protected abstract string Today { get; }

    private string Date(DateValue date) =>
        date.FromToday is null || date.Text == "today"
            ? date.Text.Replace("today", Today, StringComparison.Ordinal)
            : $"{Today} {(date.Text[5] == '-' ? '−' : '+')} {Unit(int.Parse(date.Text.AsSpan(6..^1)), date.Text[^1])}";

    protected string Period(RulePeriod period)
    {
        var time = period.Text.IndexOf('T');
        var parts = Part()
            .Matches(period.Text)
            .Select(part =>
                Unit(
                    int.Parse(part.ValueSpan[..^1]),
                    time >= 0 && part.Index > time ? part.ValueSpan[^1] : char.ToLowerInvariant(part.ValueSpan[^1])
                )
            );
        return string.Join(' ', parts);
    }

    private string Join(IReadOnlyList<Rule> rules, string word) =>
        rules.Count == 1 ? Say(rules[0]) : string.Join(word, rules.Select(Bracketed));

    private string Bracketed(Rule rule) =>
        rule is AllOf or AnyOf && rule.Children.Count > 1 ? $"({Say(rule)})" : Say(rule);

    [GeneratedRegex("[0-9]+[A-Z]", RegexOptions.None, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Part();
}

internal sealed class EnglishRuleWords : RuleWords
{
    public override string List => "is on the uploaded list";
    public override string NeedsSensitiveConsent => "has consented to the use of sensitive data";
    public override string NeedsKnownCustomer => "is a customer known to the bank";
    protected override string And => " and ";
    protected override string Or => " or ";
    protected override string Today => "today";

    protected override string Negated(string inner) => $"not ({inner})";

    protected override string Truth(bool truth) => truth ? "true" : "false";

    protected override string Tag(string tag) => $"has tag {tag}";

    protected override string Segment(string id) => $"is in segment {id}";

    protected override string Quoted(string text) => $"\"{text}\"";

    protected override string Field(FieldTest test)
    {
        var values = test.Values.Select(Value).ToList();
        var name = test.Field.Name;
        return test.Operator switch
        {
            FieldOperator.IsSet => $"{name} is known",
            FieldOperator.IsNotSet => $"{name} is not known",
            FieldOperator.In => $"{name} is one of {string.Join(", ", values)}",
            FieldOperator.Contains => $"{name} contains {values[0]}",
            FieldOperator.Birthday when values[0] == "0" => $"the birthday in {name} is today",
            FieldOperator.Birthday => $"the birthday in {name} is today or in the next {Days(values[0])}",
            _ when test.Field.Type == FieldType.Date => $"{name} {Dated(test.Operator, values)}",
            _ => $"{name} {Compared(test.Operator, values)}",
        };
    }

    protected override string Event(EventTest test)
    {
        var attributes = test.Where.Select(one => $"{one.Name} {Value(one.Value)}");
        var name = Quoted(test.Event) + (test.Where.Count == 0 ? "" : $" with {string.Join(" and ", attributes)}");
        var within = test.Within is { } period ? $" within the last {Period(period)}" : "";
        return test.Measure switch
        {
            EventCount { AtMost: 0 } => $"no event {name}{(within.Length == 0 ? " ever" : within)}",
            EventCount count => $"event {name} {Times(count)}{within}",
            EventSum sum =>
                $"the sum of amount of events {name}{within} {Compared(sum.Operator, [.. sum.Values.Select(Number)])}",
            EventLastBefore last => $"the last event {name} more than {Period(last.Period)} ago",
            _ => throw new InvalidOperationException($"No words for {test.Measure.GetType().Name}."),
        };
    }

    protected override string Unit(int n, char unit)
    {
        var name = unit switch
        {
            'y' => "year",
            'm' => "month",
            'w' => "week",
            'd' => "day",
            'H' => "hour",
            'M' => "minute",
            _ => "second",
        };
        return n == 1 ? $"1 {name}" : $"{n} {name}s";
    }

    private static string Days(string n) => n == "1" ? "day" : $"{n} days";

    private static string Times(EventCount count) =>
        count switch
        {
            { AtLeast: { } n, AtMost: null } => $"at least {Times(n)}",
            { AtLeast: null, AtMost: { } n } => $"at most {Times(n)}",
            { AtLeast: var least, AtMost: var most } when least == most => $"exactly {Times(least!.Value)}",
            _ => $"{count.AtLeast} to {count.AtMost} times",
        };

    private static string Times(int n) => n == 1 ? "once" : $"{n} times";

    private static string Dated(FieldOperator op, List<string> values) =>
        op switch
        {
            FieldOperator.Lt => $"is before {values[0]}",
            FieldOperator.Lte => $"is {values[0]} or earlier",
            FieldOperator.Gt => $"is after {values[0]}",
            FieldOperator.Gte => $"is {values[0]} or later",
            _ => Compared(op, values),
        };

    private static string Compared(FieldOperator op, List<string> values) =>
        op switch
        {
            FieldOperator.Eq => $"is {values[0]}",
            FieldOperator.Ne => $"is known and not {values[0]}",
            FieldOperator.Lt => $"is below {values[0]}",
            FieldOperator.Lte => $"is at most {values[0]}",
            FieldOperator.Gt => $"is above {values[0]}",
            FieldOperator.Gte => $"is at least {values[0]}",
            _ => $"is between {values[0]} and {values[1]}",
        };
}

internal sealed class ChineseRuleWords : RuleWords
{
    public override string List => "在上传的名单中";
    public override string NeedsSensitiveConsent => "已单独同意使用敏感信息";
    public override string NeedsKnownCustomer => "是银行已知的客户";
    protected override string And => " 且 ";
    protected override string Or => " 或 ";
    protected override string Today => "当天";

    protected override string Negated(string inner) => $"不满足（{inner}）";

    protected override string Truth(bool truth) => truth ? "“是”" : "“否”";

    protected override string Tag(string tag) => $"有标签{tag}";

    protected override string Segment(string id) => $"属于客群{id}";

    protected override string Quoted(string text) => $"“{text}”";

    protected override string Field(FieldTest test)
    {
        var values = test.Values.Select(Value).ToList();
        var name = test.Field.Name;
        return test.Operator switch
        {
            FieldOperator.IsSet => $"{name} 有值",
            FieldOperator.IsNotSet => $"{name} 无值",
            FieldOperator.In => $"{name} 为{string.Join("、", values)}之一",
            FieldOperator.Contains => $"{name} 包含{values[0]}",
            FieldOperator.Birthday when values[0] == "0" => $"{name} 的生日在当天",
            FieldOperator.Birthday => $"{name} 的生日在当天或未来 {values[0]} 天内",
            _ when test.Field.Type == FieldType.Date => $"{name} {Dated(test.Operator, values)}",
            _ => $"{name} {Compared(test.Operator, values)}",
        };
    }

    protected override string Event(EventTest test)
    {
        var attributes = test.Where.Select(one => $"{one.Name} 为{Spaced(Value(one.Value))}");
        var name = Quoted(test.Event) + (test.Where.Count == 0 ? "" : $"（{string.Join("，", attributes)}）");
        var within = test.Within is { } period ? $"近 {Period(period)}内" : "";
        return test.Measure switch
        {
            EventCount { AtMost: 0 } => within.Length == 0 ? $"从未发生事件{name}" : $"{within}未发生事件{name}",
            EventCount count => $"{within}事件{name}{Times(count)}",
            EventSum sum => $"{within}事件{name}的金额合计{Compared(sum.Operator, [.. sum.Values.Select(Number)])}",
            EventLastBefore last => $"最近一次事件{name}在 {Period(last.Period)}以前",
            _ => throw new InvalidOperationException($"No words for {test.Measure.GetType().Name}."),
        };
    }

    protected override string Unit(int n, char unit) =>
        unit switch
        {
            'y' => $"{n} 年",
            'm' => $"{n} 个月",
            'w' => $"{n} 周",
            'd' => $"{n} 天",
            'H' => $"{n} 小时",
            'M' => $"{n} 分钟",
            _ => $"{n} 秒",
        };

    private static string Times(EventCount count) =>
        count switch
        {
            { AtLeast: { } n, AtMost: null } => $"至少 {n} 次",
            { AtLeast: null, AtMost: { } n } => $"至多 {n} 次",
            { AtLeast: var least, AtMost: var most } when least == most => $"恰好 {least} 次",
            _ => $" {count.AtLeast} 至 {count.AtMost} 次",
        };

    private static string Dated(FieldOperator op, List<string> values) =>
        op switch
        {
            FieldOperator.Lt => $"早于{Spaced(values[0])}",
            FieldOperator.Lte => $"不晚于{Spaced(values[0])}",
            FieldOperator.Gt => $"晚于{Spaced(values[0])}",
            FieldOperator.Gte => $"不早于{Spaced(values[0])}",
            _ => Compared(op, values),
        };

    private static string Compared(FieldOperator op, List<string> values) =>
        op switch
        {
            FieldOperator.Eq => $"为{Spaced(values[0])}",
            FieldOperator.Ne => $"有值且不为{Spaced(values[0])}",
            FieldOperator.Lt => $"低于{Spaced(values[0])}",
            FieldOperator.Lte => $"不高于{Spaced(values[0])}",
            FieldOperator.Gt => $"高于{Spaced(values[0])}",
            FieldOperator.Gte => $"不低于{Spaced(values[0])}",
            _ => $"介于{Spaced(values[0])} 和{Spaced(values[1])} 之间",
        };

    // Chinese stands apart from figures, not from itself.
    private static string Spaced(string value) => char.IsAsciiDigit(value[0]) || value[0] == '-' ? " " + value : value;
}
