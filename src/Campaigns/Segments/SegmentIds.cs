using System.Text.RegularExpressions;

namespace Campaigns.Segments;

internal static partial class SegmentIds
{
    public const string Form = "must be 1 to 63 characters of a-z, 0-9 and -, and start with a letter or a digit";

    public static bool IsValid(string id) => Pattern().IsMatch(id);

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9-]{0,62}\z", RegexOptions.None, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Pattern();
}
