using System.Text.Json;
using System.Text.RegularExpressions;
using Campaigns.Customers;
using NodaTime;
using NodaTime.Text;

namespace Campaigns.Segments;

internal sealed partial class RuleReader
{
    private const int MaxText = 500;
    private const decimal MaxNumber = 1_000_000_000_000_000m;
    private const int MaxScale = 6;

    private RuleValue? Value(JsonElement json, string path, Field field) =>
        field.Type switch
        {
            FieldType.Number => Number(json, path),
            FieldType.Boolean => Boolean(json, path),
            FieldType.Date => Date(json, path),
            FieldType.Enum => Option(json, path, field),
            _ => Text(json, path, MaxText) is { } text ? new TextValue(text) : null,
        };

    private NumberValue? Number(JsonElement json, string path) =>
        json.ValueKind == JsonValueKind.Number
        && json.TryGetDecimal(out var number)
        && Math.Abs(number) <= MaxNumber
        && decimal.Round(number, MaxScale) == number
            ? new NumberValue(number)
            : Malformed<NumberValue>(path, $"must be a number from -10^15 to 10^15 with at most {MaxScale} decimals");

    private BooleanValue? Boolean(JsonElement json, string path) =>
        json.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? new BooleanValue(json.GetBoolean())
            : Malformed<BooleanValue>(path, "must be true or false");

    private TextValue? Option(JsonElement json, string path, Field field) =>
        Text(json, path, MaxText) is not { } text ? null
        : field.Options.Contains(text) ? new TextValue(text)
        : Malformed<TextValue>(path, $"must be one of {string.Join(", ", field.Options)}");

    private List<RuleValue>? Days(JsonElement json, string path) =>
        Whole(json, path, 0, 365) is { } days ? [new NumberValue(days)] : null;

    private int? Whole(JsonElement json, string path, int least, int most)
    {
        if (json.ValueKind == JsonValueKind.Number && json.TryGetInt32(out var n) && n >= least && n <= most)
        {
            return n;
        }

        Malformed<object>(path, $"must be a whole number from {least} to {most}");
        return null;
    }

    private DateValue? Date(JsonElement json, string path)
    {
        if (Text(json, path, MaxText) is not { } text)
        {
            return null;
        }

        if (LocalDatePattern.Iso.Parse(text) is { Success: true } date && date.Value.Year is >= 1 and <= 9999)
        {
            return new DateValue(text, date.Value, null);
        }

        return Relative().Match(text) is { Success: true } match
            ? new DateValue(text, null, FromToday(match))
            : Malformed<DateValue>(
                path,
                "must be a date such as 2026-03-31, today, today-30d or today+2w (d, w, m, y)"
            );
    }

    private static Period FromToday(Match match)
    {
        if (!match.Groups["n"].Success)
        {
            return NodaTime.Period.Zero;
        }

        var n = int.Parse(match.Groups["n"].ValueSpan) * (match.Groups["sign"].Value == "-" ? -1 : 1);
        return match.Groups["unit"].Value switch
        {
            "d" => NodaTime.Period.FromDays(n),
            "w" => NodaTime.Period.FromWeeks(n),
            "m" => NodaTime.Period.FromMonths(n),
            _ => NodaTime.Period.FromYears(n),
        };
    }

    private RulePeriod? Period(JsonElement json, string path)
    {
        const string form = "must be an ISO 8601 duration of at most 100 years, such as P7D, P2W, P1M or PT12H";
        if (Text(json, path, MaxText) is not { } text)
        {
            return null;
        }

        return
            PeriodForm().IsMatch(text)
            && PeriodPattern.Roundtrip.Parse(text) is { Success: true, Value: var period }
            && RoughDays(period) is > 0 and <= 36_525
            ? new RulePeriod(text, period)
            : Malformed<RulePeriod>(path, form);
    }

    private static double RoughDays(Period period) =>
        (period.Years * 365.25)
        + (period.Months * 30.44)
        + (period.Weeks * 7.0)
        + period.Days
        + (period.Hours / 24.0)
        + (period.Minutes / 1440.0)
        + (period.Seconds / 86400.0);

    private string? Text(JsonElement json, string path, int most)
    {
        if (json.ValueKind != JsonValueKind.String)
        {
            return Malformed<string>(path, "must be text");
        }

        string text;
        try
        {
            text = json.GetString()!;
        }
        catch (InvalidOperationException) // an escaped lone surrogate
        {
            return Malformed<string>(path, "is not valid Unicode");
        }

        return text.Length is 0 || text.Length > most ? Malformed<string>(path, $"must have 1 to {most} characters")
            : text.Contains('\0') ? Malformed<string>(path, "must not have a null character")
            : text;
    }

    [GeneratedRegex(
        @"\Atoday((?<sign>[+-])(?<n>[0-9]{1,3}|[0-9]{4,5}(?=d))(?<unit>[dwmy]))?\z",
        RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1_000
    )]
    private static partial Regex Relative();

    [GeneratedRegex(
        @"\AP(?=.)([0-9]{1,3}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,5}D)?(T(?=.)([0-9]{1,6}H)?([0-9]{1,8}M)?([0-9]{1,9}S)?)?\z",
        RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1_000
    )]
    private static partial Regex PeriodForm();
}
