using System.Buffers;
using System.Text;

namespace Campaigns.Channels;

/// <summary>How a short message is coded on the air.</summary>
public enum SmsEncoding
{
    /// <summary>The default alphabet of GSM 03.38 and its extension table.</summary>
    Gsm7,

    /// <summary>UTF-16: whatever has one character outside that alphabet.</summary>
    Ucs2,
}

/// <summary>How long a short message is, and in how many parts it is carried and paid for.</summary>
/// <param name="Characters">Unicode code points.</param>
/// <param name="Units">Septets, of which a character of the extension table takes two; or UTF-16 units.</param>
/// <param name="Segments">1 up to 160 septets or 70 units; beyond that as many as hold 153 or 67 each, where no character is
/// cut in two.</param>
public sealed record SmsSize(SmsEncoding Encoding, int Characters, int Units, int Segments);

/// <summary>Counts short messages: 3GPP TS 23.038 (the alphabets) and 23.040 (concatenation).</summary>
public static class SmsText
{
    private const string Basic =
        "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
        + "abcdefghijklmnopqrstuvwxyzäöñüà";
    private const string Extended = "\f^{}\\[~]|€";
    private static readonly SearchValues<char> Extension = SearchValues.Create(Extended);
    private static readonly SearchValues<char> Alphabet = SearchValues.Create(Basic + Extended);

    /// <summary>Measures a text as it is sent.</summary>
    public static SmsSize Measure(string text)
    {
        var encoding = EncodingOf(text);
        var characters = text.EnumerateRunes().Count();
        var units = UnitsOf(text, encoding);
        var (alone, joined) = Capacity(encoding);
        var segments = units <= alone ? 1 : Joined(text, encoding, joined);
        return new SmsSize(encoding, characters, units, segments);
    }

    /// <summary>Into how many segments any text of so many units fits, wherever its characters of two units lie.</summary>
    internal static int SegmentsAtMost(SmsEncoding encoding, int units)
    {
        var (alone, joined) = Capacity(encoding);
        return units <= alone ? 1 : 1 + (units - 1) / (joined - 1);
    }

    internal static SmsEncoding EncodingOf(string text) =>
        text.AsSpan().ContainsAnyExcept(Alphabet) ? SmsEncoding.Ucs2 : SmsEncoding.Gsm7;

    internal static int UnitsOf(string text, SmsEncoding encoding) =>
        encoding == SmsEncoding.Ucs2 ? text.Length : text.Sum(letter => Extension.Contains(letter) ? 2 : 1);

    private static (int Alone, int Joined) Capacity(SmsEncoding encoding) =>
        encoding == SmsEncoding.Ucs2 ? (70, 67) : (160, 153);

    // A pair of surrogates, and an escape with what it escapes, begin the next segment where they do not fit whole.
    private static int Joined(string text, SmsEncoding encoding, int capacity)
    {
        var (segments, used) = (1, 0);
        foreach (var rune in text.EnumerateRunes())
        {
            var width = encoding == SmsEncoding.Ucs2 ? rune.Utf16SequenceLength : UnitsOf(rune.ToString(), encoding);
            (segments, used) = used + width > capacity ? (segments + 1, width) : (segments, used + width);
        }

        return segments;
    }
}
