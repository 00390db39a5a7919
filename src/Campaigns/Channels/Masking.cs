namespace Campaigns.Channels;

/// <summary>Addresses as they may be shown.</summary>
public static class Masking
{
    /// <summary>A telephone number with its middle hidden, without a country code of China: <c>138****5678</c>. What is
    /// shorter than nine digits is hidden altogether.</summary>
    public static string Phone(string phone)
    {
        var national = phone.StartsWith("+86", StringComparison.Ordinal) && phone.Length == 14 ? phone[3..] : phone;
        return national.Length < 9 ? "****" : $"{national[..3]}****{national[^4..]}";
    }
}
