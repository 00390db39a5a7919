using Campaigns.Customers;
using NodaTime;
using NpgsqlTypes;

namespace Campaigns.Segments;

/// <summary>Turns rules into SQL. Every value becomes a parameter; what becomes text is fixed, but for the names of fields,
/// whose form is safe.</summary>
/// <param name="closure">Every segment version that the rules name, directly or through others.</param>
/// <param name="eventTypes">The numbers of event names; a name without one has not been seen yet.</param>
/// <param name="zone">Where a day begins and ends.</param>
internal sealed class RuleCompiler(
    string prefix,
    IReadOnlyDictionary<SegmentReference, SegmentVersion> closure,
    IReadOnlyDictionary<string, short> eventTypes,
    DateTimeZone zone
)
{
    private const short UnseenEventType = 0;

    /// <summary>Those for whom something was taken back: few, so that only theirs are looked at one by one, and the events of
    /// the others are read from the index alone.</summary>
    private const string Reversing =
        "SELECT v.customer_key FROM reversal v WHERE v.customer_key >= @low AND v.customer_key < @high";

    /// <summary>What takes an event back is none itself, nor is what it took back.</summary>
    private static readonly string Stands =
        $"NOT {EventNames.TakesBack} AND NOT EXISTS (SELECT FROM reversal v WHERE v.customer_key = e.customer_key"
        + " AND v.event_source = e.event_source AND v.event_id = e.event_id)";

    private readonly List<RuleParameter> _parameters = [];

    public IReadOnlyList<RuleParameter> Parameters => _parameters;

    /// <summary>The members of a segment version, without what is common to all segments.</summary>
    public string Sql(SegmentVersion segment) =>
        segment.Rule is { } rule ? Sql(rule, segment.Uses) : ListSql(segment.ListKey!.Value);

    /// <summary>Never null.</summary>
    /// <param name="uses">The version of each segment that the rule names.</param>
    public string Sql(Rule rule, IReadOnlyDictionary<string, int> uses) =>
        rule switch
        {
            AllOf all => Join(all.Rules, " AND ", uses),
            AnyOf any => Join(any.Rules, " OR ", uses),
            Not not => $"(NOT {Sql(not.Inner, uses)})",
            SegmentTest test => Sql(closure[new(test.SegmentId, uses[test.SegmentId])]),
            TagTest tag => $"(c.tags @> ARRAY[{Add(NpgsqlDbType.Text, tag.Tag)}])",
            FieldTest test => FieldSql(test),
            EventTest test => EventSql(test),
            _ => throw new InvalidOperationException($"No SQL for {rule.GetType().Name}."),
        };

    private string Join(IReadOnlyList<Rule> rules, string word, IReadOnlyDictionary<string, int> uses) =>
        $"({string.Join(word, rules.Select(rule => Sql(rule, uses)))})";

    // IS TRUE takes null for false and, unlike coalesce, leaves the planner its estimate of what it stands behind.
    private string FieldSql(FieldTest test)
    {
        var field = test.Field.ValueSql();
        return test.Operator switch
        {
            FieldOperator.IsSet => $"({test.Field.TextSql()} IS NOT NULL)",
            FieldOperator.IsNotSet => $"({test.Field.TextSql()} IS NULL)",
            FieldOperator.Between =>
                $"(({field} >= {Add(test.Field, test.Values[0])} AND {field} <= {Add(test.Field, test.Values[1])}) IS TRUE)",
            FieldOperator.In => $"(({field} = ANY({AddArray(test.Field, test.Values)})) IS TRUE)",
            FieldOperator.Contains => $"((strpos({field}, {Add(test.Field, test.Values[0])}) > 0) IS TRUE)",
            FieldOperator.Birthday => BirthdaySql(test.Field, (int)((NumberValue)test.Values[0]).Number),
            _ => $"(({field} {Comparison(test.Operator)} {Add(test.Field, test.Values[0])}) IS TRUE)",
        };
    }

    private string BirthdaySql(Field field, int days)
    {
        var monthDay = $"substr({field.TextSql()}, 6, 5)";
        var parameter = Add(
            NpgsqlDbType.Array | NpgsqlDbType.Text,
            asOf => Birthdays.MonthDays(Today(asOf), days).ToArray()
        );
        return $"(({monthDay} = ANY({parameter})) IS TRUE)";
    }

    // Grouped even where any event will do: no more than a row a customer is expected then, which is sure to be hashed.
    // IS TRUE keeps the sub-select out of the join tree: hashed, it costs the same whatever the planner believes of attributes,
    // where a join that expects 1 row and gets 500,000 may be quadratic.
    private string EventSql(EventTest test)
    {
        var (having, complement) = Having(test.Measure);
        var events = $"""
            FROM event e WHERE {Asked(test)}
             AND e.customer_key >= @low AND e.customer_key < @high
            """.ReplaceLineEndings("");
        var groups = "GROUP BY e.customer_key" + (having.Length == 0 ? "" : $" HAVING {having}");
        var customers = $"""
            SELECT e.customer_key {events} AND e.customer_key NOT IN ({Reversing}) {groups}
             UNION ALL SELECT e.customer_key {events} AND e.customer_key IN ({Reversing}) AND {Stands} {groups}
            """.ReplaceLineEndings("");
        return $"((c.customer_key IN ({customers})) IS {(complement ? "NOT TRUE" : "TRUE")})";
    }

    /// <summary>The condition on a customer's events, and whether it is the complement that is asked for: those without any
    /// event are in no group.</summary>
    private (string Having, bool Complement) Having(EventMeasure measure)
    {
        const string count = "count(*)";
        const string sum = "coalesce(sum(e.amount), 0)";
        switch (measure)
        {
            case EventCount { AtLeast: 1, AtMost: null }:
                return ("", false);
            case EventCount { AtLeast: null, AtMost: 0 }:
                return ("", true);
            case EventCount { AtLeast: null } atMost:
                return ($"{count} > {Add(NpgsqlDbType.Bigint, (long)atMost.AtMost!.Value)}", true);
            case EventCount { AtMost: null } atLeast:
                return ($"{count} >= {Add(NpgsqlDbType.Bigint, (long)atLeast.AtLeast!.Value)}", false);
            case EventCount both:
                var (least, most) = ((long)both.AtLeast!.Value, (long)both.AtMost!.Value);
                return (
                    $"{count} BETWEEN {Add(NpgsqlDbType.Bigint, least)} AND {Add(NpgsqlDbType.Bigint, most)}",
                    false
                );
            case EventLastBefore last:
                var before = Add(NpgsqlDbType.TimestampTz, asOf => last.Period.Before(asOf, zone).UtcDateTime);
                return ($"max(e.occurred_at) < {before}", false);
            case EventSum total:
                var values = total.Values.Select(value => Add(NpgsqlDbType.Numeric, value)).ToList();
                var test =
                    total.Operator == FieldOperator.Between
                        ? $"{sum} BETWEEN {values[0]} AND {values[1]}"
                        : $"{sum} {Comparison(total.Operator)} {values[0]}";
                return HoldsForNone(total) ? ($"NOT ({test})", true) : (test, false);
            default:
                throw new InvalidOperationException($"No SQL for {measure.GetType().Name}.");
        }
    }

    private static bool HoldsForNone(EventSum sum) =>
        sum.Operator switch
        {
            FieldOperator.Eq => sum.Values[0] == 0,
            FieldOperator.Lt => sum.Values[0] > 0,
            FieldOperator.Lte => sum.Values[0] >= 0,
            FieldOperator.Gt => sum.Values[0] < 0,
            FieldOperator.Gte => sum.Values[0] <= 0,
            _ => sum.Values[0] <= 0 && sum.Values[1] >= 0,
        };

    private string ListSql(int listKey) =>
        $"""
            ((c.customer_key IN (SELECT m.customer_key FROM segment_list_member m
             WHERE m.list_key = {Add(NpgsqlDbType.Integer, listKey)}
             AND m.customer_key >= @low AND m.customer_key < @high)) IS TRUE)
            """.ReplaceLineEndings("");

    private static string Comparison(FieldOperator op) =>
        op switch
        {
            FieldOperator.Eq => "=",
            FieldOperator.Ne => "<>",
            FieldOperator.Lt => "<",
            FieldOperator.Lte => "<=",
            FieldOperator.Gt => ">",
            FieldOperator.Gte => ">=",
            _ => throw new InvalidOperationException($"{op} is no comparison."),
        };

    /// <summary>What an explanation shows beside an event test: how many, how much, or when last.</summary>
    public string EventValueSql(EventTest test)
    {
        var value = test.Measure switch
        {
            EventSum => "coalesce(sum(e.amount), 0)::text",
            EventLastBefore => """to_char(max(e.occurred_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')""",
            _ => "count(*)::text",
        };
        return $"(SELECT {value} FROM event e WHERE {Asked(test)} AND e.customer_key = c.customer_key AND {Stands})";
    }

    /// <summary>The condition on an event: its name, when it was, and its attributes.</summary>
    private string Asked(EventTest test)
    {
        var asked = $"e.event_type = {AddEventType(test.Event)} AND e.occurred_at <= @as_of";
        if (test.Within is { } period)
        {
            asked +=
                $" AND e.occurred_at > {Add(NpgsqlDbType.TimestampTz, asOf => period.Before(asOf, zone).UtcDateTime)}";
        }

        return test.Where.Count == 0
            ? asked
            : $"{asked} AND e.attributes @> {Add(NpgsqlDbType.Jsonb, RuleWriter.Attributes(test).ToJsonString())}";
    }

    private LocalDate Today(DateTimeOffset asOf) => Instant.FromDateTimeOffset(asOf).InZone(zone).Date;

    private string AddEventType(string name) =>
        Add(NpgsqlDbType.Smallint, eventTypes.GetValueOrDefault(name, UnseenEventType));

    private string Add(Field field, RuleValue value) => Add(TypeOf(field), asOf => Plain(field, value, asOf));

    private string AddArray(Field field, IReadOnlyList<RuleValue> values) =>
        Add(
            NpgsqlDbType.Array | TypeOf(field),
            asOf =>
            {
                var plain = values.Select(value => Plain(field, value, asOf)).ToList();
                return plain[0] switch
                {
                    decimal => plain.Cast<decimal>().ToArray(),
                    DateOnly => plain.Cast<DateOnly>().ToArray(),
                    _ => plain.Cast<string>().ToArray(),
                };
            }
        );

    private static NpgsqlDbType TypeOf(Field field) =>
        field.Type switch
        {
            FieldType.Number => NpgsqlDbType.Numeric,
            FieldType.Boolean => NpgsqlDbType.Boolean,
            FieldType.Date when field.IsColumn() => NpgsqlDbType.Date,
            _ => NpgsqlDbType.Text,
        };

    private object Plain(Field field, RuleValue value, DateTimeOffset asOf) =>
        value switch
        {
            NumberValue number => number.Number,
            TextValue text => text.Text,
            BooleanValue boolean => boolean.Boolean,
            DateValue date when field.IsColumn() => date.On(Today(asOf)).ToDateOnly(),
            DateValue date => date.On(Today(asOf)).ToString("uuuu-MM-dd", null),
            _ => throw new InvalidOperationException($"No parameter for {value.GetType().Name}."),
        };

    private string Add(NpgsqlDbType type, object value) => Add(type, _ => value);

    private string Add(NpgsqlDbType type, Func<DateTimeOffset, object> value)
    {
        var name = prefix + _parameters.Count;
        _parameters.Add(new RuleParameter(name, type, value));
        return "@" + name;
    }
}
