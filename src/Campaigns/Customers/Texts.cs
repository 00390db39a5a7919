using System.Globalization;
using System.Text;

namespace Campaigns.Customers;

/// <summary>What a text from outside may hold.</summary>
internal static class Texts
{
    /// <summary>Whether a text has so many characters, none of them a control character (line breaks included), a lone
    /// surrogate, or one that turns the direction of writing.</summary>
    public static bool IsPrintable(string text, int least, int most) =>
        text.Length >= least && text.Length <= most && FindFault(text, lineBreaks: false) is null;

    /// <summary>Why a text cannot be stored; null where it can.</summary>
    public static string? FindFault(ReadOnlySpan<char> text, bool lineBreaks)
    {
        var rest = text;
        while (!rest.IsEmpty)
        {
            // Nearly every character is plain; only the others are looked at one by one.
            var plain = rest.IndexOfAnyExceptInRange(' ', '~');
            if (plain < 0)
            {
                return null;
            }

            rest = rest[plain..];
            if (Rune.DecodeFromUtf16(rest, out var rune, out var consumed) != System.Buffers.OperationStatus.Done)
            {
                return "holds half of a surrogate pair";
            }

            if (!(lineBreaks && rune.Value is '\n' or '\r' or '\t') && IsUnfit(rune))
            {
                return "holds a control character";
            }

            rest = rest[consumed..];
        }

        return null;
    }

    private static bool IsUnfit(Rune rune) =>
        Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.Control
                or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator
        || rune.Value is (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069);
}
