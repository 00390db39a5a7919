using System.Text.RegularExpressions;
using Campaigns.Channels;

namespace Campaigns.Customers;

/// <summary>The one form in which an address of a channel is stored, and how it may be shown.</summary>
public static partial class AddressForms
{
    /// <summary>The normalised address; null where it is none. A phone becomes E.164: eleven digits of a mainland mobile
    /// get +86, a leading 00 becomes +, and blanks, hyphens and brackets go.</summary>
    public static string? Normalise(Channel channel, string address) =>
        channel == Channel.Sms ? Phone(address)
        : IdPattern().IsMatch(address) ? address
        : null;

    /// <summary>What an address of the channel looks like, for an error; the wrong one is not repeated in it.</summary>
    internal static string Form(Channel channel) =>
        channel == Channel.Sms
            ? "must be a mobile number such as +8613800000000"
            : "must be 4 to 128 characters of A-Z, a-z, 0-9, _ and -";

    /// <summary>The address with its middle hidden.</summary>
    public static string Mask(Channel channel, string address) =>
        channel == Channel.Sms ? Masking.Phone(address)
        : address.Length < 12 ? "****"
        : $"{address[..3]}****{address[^4..]}";

    private static string? Phone(string address)
    {
        if (address.Length > 40)
        {
            return null;
        }

        var bare = Separators().Replace(address, "");
        var phone =
            MainlandMobile().IsMatch(bare) ? $"+86{bare}"
            : bare.StartsWith("00", StringComparison.Ordinal) ? $"+{bare[2..]}"
            : bare.StartsWith("86", StringComparison.Ordinal) ? $"+{bare}"
            : bare;
        var isMainland = phone.StartsWith("+86", StringComparison.Ordinal);
        return International().IsMatch(phone) && (!isMainland || MainlandMobile().IsMatch(phone[3..])) ? phone : null;
    }

    [GeneratedRegex(@"[ \-().]", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Separators();

    [GeneratedRegex(@"\A1[3-9][0-9]{9}\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex MainlandMobile();

    [GeneratedRegex(@"\A\+[1-9][0-9]{6,14}\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex International();

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{4,128}\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex IdPattern();
}
