using System.Text.RegularExpressions;

namespace Campaigns.Channels;

/// <summary>Addresses as they may be shown.</summary>
public static partial class Masking
{
    /// <summary>A telephone number with its middle hidden, without a country code of China: <c>138****5678</c>. What is
    /// shorter than nine digits is hidden altogether.</summary>
    public static string Phone(string phone)
    {
        var national = phone.StartsWith("+86", StringComparison.Ordinal) && phone.Length == 14 ? phone[3..] : phone;
        return national.Length < 9 ? "****" : $"{national[..3]}****{national[^4..]}";
    }

    /// <summary>A text in which whatever may be a mobile number is masked as <see cref="Phone"/> has it: eleven digits or
    /// more in a row, nine after a plus, or <c>138 1234 5678</c> in three groups.</summary>
    public static string PhonesIn(string text) =>
        Number().Replace(text, found => Phone(string.Concat(found.Value.Where(IsPartOfNumber))));

    private static bool IsPartOfNumber(char letter) => letter == '+' || char.IsDigit(letter);

    [GeneratedRegex(@"\+\d{9,}|\d{11,}|(?<!\d)\d{3}[\s.-]{1,2}\d{4}[\s.-]{1,2}\d{4}(?!\d)", RegexOptions.None, 1000)]
    private static partial Regex Number();
}
