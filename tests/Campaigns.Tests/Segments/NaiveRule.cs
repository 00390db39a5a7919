using System.Text.Json;

namespace Campaigns.Tests.Segments;

/// <summary>What a rule means, written a second time: customer by customer, from the JSON, without SQL.</summary>
internal sealed class NaiveRule(DateTimeOffset asOf, IReadOnlyDictionary<string, JsonElement> segments)
{
    private static readonly TimeSpan Shanghai = TimeSpan.FromHours(8);

    private DateOnly Today => DateOnly.FromDateTime(asOf.ToOffset(Shanghai).DateTime);

    /// <summary>Whether the customer is a member of a segment with this rule.</summary>
    public bool IsMember(JsonElement rule, BankCustomer customer) =>
        !customer.Stub && !customer.Erased && (customer.SensitiveConsent || !UsesIncome(rule)) && Holds(rule, customer);

    private bool UsesIncome(JsonElement rule) =>
        rule.ValueKind switch
        {
            JsonValueKind.Array => rule.EnumerateArray().Any(UsesIncome),
            JsonValueKind.Object => rule.TryGetProperty("field", out var field) && field.GetString() == "income"
                || rule.TryGetProperty("segment", out var id) && UsesIncome(segments[id.GetString()!])
                || rule.EnumerateObject().Any(member => UsesIncome(member.Value)),
            _ => false,
        };

    private bool Holds(JsonElement rule, BankCustomer customer)
    {
        if (rule.TryGetProperty("all", out var all))
        {
            return all.EnumerateArray().All(child => Holds(child, customer));
        }

        if (rule.TryGetProperty("any", out var any))
        {
            return any.EnumerateArray().Any(child => Holds(child, customer));
        }

        if (rule.TryGetProperty("not", out var not))
        {
            return !Holds(not, customer);
        }

        if (rule.TryGetProperty("tag", out var tag))
        {
            return customer.Tags.Contains(tag.GetString());
        }

        if (rule.TryGetProperty("segment", out var segment))
        {
            return Holds(segments[segment.GetString()!], customer);
        }

        return rule.TryGetProperty("event", out var name)
            ? EventHolds(rule, customer.Events.Where(e => e.Name == name.GetString() && e.At <= asOf))
            : FieldHolds(rule, customer);
    }

    private bool FieldHolds(JsonElement rule, BankCustomer customer)
    {
        var field = rule.GetProperty("field").GetString()!;
        var op = rule.GetProperty("op").GetString()!;
        var value = field == "birth_date" ? customer.BirthDate : customer.Attributes.GetValueOrDefault(field);
        if (op is "isSet" or "isNotSet")
        {
            return value is null == (op == "isNotSet");
        }

        if (value is null)
        {
            return false;
        }

        var asked = rule.GetProperty("value");
        return op switch
        {
            "contains" => ((string)value).Contains(asked.GetString()!, StringComparison.Ordinal),
            "birthday" => IsBirthday((DateOnly)value, asked.GetInt32()),
            "in" => asked.EnumerateArray().Any(item => value.Equals(Value(item, value))),
            _ => Compares(op, value, asked),
        };
    }

    private bool IsBirthday(DateOnly born, int days) =>
        Enumerable.Range(0, days + 1).Select(Today.AddDays).Any(day => BirthdayIn(day.Year, born) == day);

    private static DateOnly BirthdayIn(int year, DateOnly born) =>
        new(year, born.Month, Math.Min(born.Day, DateTime.DaysInMonth(year, born.Month)));

    private bool Compares(string op, object value, JsonElement asked)
    {
        int To(JsonElement item) => ((IComparable)value).CompareTo(Value(item, value));
        return op switch
        {
            "eq" => To(asked) == 0,
            "ne" => To(asked) != 0,
            "lt" => To(asked) < 0,
            "lte" => To(asked) <= 0,
            "gt" => To(asked) > 0,
            "gte" => To(asked) >= 0,
            "between" => To(asked[0]) >= 0 && To(asked[1]) <= 0,
            _ => throw new InvalidOperationException(op),
        };
    }

    private object Value(JsonElement item, object like) =>
        like switch
        {
            decimal => item.GetDecimal(),
            bool => item.GetBoolean(),
            DateOnly => Date(item.GetString()!),
            _ => item.GetString()!,
        };

    private DateOnly Date(string text)
    {
        if (!text.StartsWith("today", StringComparison.Ordinal))
        {
            return DateOnly.ParseExact(text, "yyyy-MM-dd");
        }

        if (text == "today")
        {
            return Today;
        }

        var n = int.Parse(text[5..^1]);
        return text[^1] switch
        {
            'd' => Today.AddDays(n),
            'w' => Today.AddDays(7 * n),
            'm' => Today.AddMonths(n),
            _ => Today.AddYears(n),
        };
    }

    private bool EventHolds(JsonElement rule, IEnumerable<BankEvent> known)
    {
        var events = (
            rule.TryGetProperty("within", out var within) ? known.Where(e => e.At > Before(within.GetString()!)) : known
        )
            .Where(e => !rule.TryGetProperty("where", out var where) || HasAll(e, where))
            .ToList();
        if (rule.TryGetProperty("lastBefore", out var last))
        {
            return events.Count > 0 && events.Max(e => e.At) < Before(last.GetString()!);
        }

        if (rule.TryGetProperty("never", out _))
        {
            return events.Count == 0;
        }

        if (rule.TryGetProperty("sum", out _))
        {
            return Compares(
                rule.GetProperty("op").GetString()!,
                events.Sum(e => e.Amount ?? 0),
                rule.GetProperty("value")
            );
        }

        var atMost = rule.TryGetProperty("atMost", out var most) ? most.GetInt32() : int.MaxValue;
        var atLeast =
            rule.TryGetProperty("atLeast", out var least) ? least.GetInt32()
            : atMost < int.MaxValue ? 0
            : 1;
        return events.Count >= atLeast && events.Count <= atMost;
    }

    private static bool HasAll(BankEvent happened, JsonElement where) =>
        where
            .EnumerateObject()
            .All(asked =>
                happened.Attributes?.TryGetValue(asked.Name, out var value) is true
                && asked.Value.ValueKind switch
                {
                    JsonValueKind.Number => value is decimal number && number == asked.Value.GetDecimal(),
                    JsonValueKind.String => value is string text && text == asked.Value.GetString(),
                    _ => value is bool truth && truth == asked.Value.GetBoolean(),
                }
            );

    private DateTimeOffset Before(string period)
    {
        var n = int.Parse(period.Trim('P', 'T', 'D', 'H', 'M', 'W'));
        var local = asOf.ToOffset(Shanghai);
        return period[^1] switch
        {
            'D' => local.AddDays(-n),
            'W' => local.AddDays(-7 * n),
            'H' => local.AddHours(-n),
            _ => local.AddMonths(-n),
        };
    }
}
