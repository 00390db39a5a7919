using System.Globalization;
using System.Text.Json;

namespace Campaigns.Customers;

/// <summary>Values of fields: what is taken, and the one form in which they are stored.</summary>
internal static class FieldValues
{
    public const int LongestText = 4096;
    private const int LongestNumber = 40;

    // What numeric, decimal and double all hold without surprise.
    private const decimal LargestNumber = 1_000_000_000_000_000_000m;

    private static readonly string[] DateForms = ["yyyy-MM-dd", "yyyy/M/d", "yyyyMMdd"];

    /// <summary>Most UTF-16 units of a value of the field, written as text.</summary>
    public static int Longest(Field field) =>
        field.Type switch
        {
            // Stored without its exponent: what it shifts a number by is less than a decimal's 29 digits.
            FieldType.Number => LongestNumber + 30,
            FieldType.Boolean => "false".Length,
            FieldType.Date => "2026-02-17".Length,
            FieldType.Enum => field.Options.Select(option => option.Length).DefaultIfEmpty().Max(),
            _ => LongestText,
        };

    /// <summary>Why a JSON value is not one of the field's; null where it is.</summary>
    public static string? FindFault(Field field, JsonElement value) =>
        field.Type switch
        {
            FieldType.Number => value.ValueKind == JsonValueKind.Number && IsNumber(value)
                ? null
                : $"must be a number of at most 18 digits before the point and {LongestNumber} characters",
            FieldType.Boolean => value.ValueKind is JsonValueKind.True or JsonValueKind.False
                ? null
                : "must be true or false",
            FieldType.Date => value.ValueKind == JsonValueKind.String && IsDate(value.GetString()!)
                ? null
                : "must be a date such as 2026-02-17",
            FieldType.Enum => value.ValueKind == JsonValueKind.String && field.Options.Contains(value.GetString()!)
                ? null
                : "must be one of the field's options",
            _ => value.ValueKind == JsonValueKind.String ? FindTextFault(value.GetString()!) : "must be a text",
        };

    /// <summary>Writes a cell of a file as the field's JSON value, or says why it is none.</summary>
    public static string? Write(Utf8JsonWriter writer, Field field, string cell)
    {
        switch (field.Type)
        {
            case FieldType.Number:
                if (!TryNumber(cell, out var number))
                {
                    return "is not a number";
                }

                writer.WriteNumber(field.Name, number);
                return null;
            case FieldType.Boolean:
                if (ToBoolean(cell) is not { } boolean)
                {
                    return "is neither yes nor no";
                }

                writer.WriteBoolean(field.Name, boolean);
                return null;
            case FieldType.Date:
                if (ToDate(cell) is not { } date)
                {
                    return "is not a date such as 2026-02-17";
                }

                writer.WriteString(field.Name, date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
                return null;
            case FieldType.Enum when !field.Options.Contains(cell):
                return "is not one of the field's options";
            default:
                if (FindTextFault(cell) is { } fault)
                {
                    return fault;
                }

                writer.WriteString(field.Name, cell);
                return null;
        }
    }

    public static bool? ToBoolean(string cell) =>
        cell.ToLowerInvariant() switch
        {
            "true" or "yes" or "y" or "t" or "1" or "是" => true,
            "false" or "no" or "n" or "f" or "0" or "否" => false,
            _ => null,
        };

    public static DateOnly? ToDate(string cell) =>
        DateOnly.TryParseExact(cell, DateForms, CultureInfo.InvariantCulture, DateTimeStyles.None, out var date)
            ? date
            : null;

    private static string? FindTextFault(string text) =>
        text.Length > LongestText
            ? $"is longer than {LongestText} characters"
            : Texts.FindFault(text, lineBreaks: true);

    private static bool TryNumber(string cell, out decimal number) =>
        decimal.TryParse(
            cell,
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint,
            CultureInfo.InvariantCulture,
            out number
        )
        && Math.Abs(number) < LargestNumber;

    // A thousandfold exponent of zero, or of what is as good as zero, would be stored as a thousand digits.
    private static bool IsNumber(JsonElement value) =>
        value.GetRawText() is { Length: <= LongestNumber } written
        && value.TryGetDecimal(out var number)
        && Math.Abs(number) < LargestNumber
        && (number != 0 || !written.Contains('e', StringComparison.OrdinalIgnoreCase));

    private static bool IsDate(string text) =>
        DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _);
}
