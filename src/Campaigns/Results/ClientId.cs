using System.Text.RegularExpressions;

namespace Campaigns.Results;

/// <summary>Ids that clients choose, such as <c>new-citizens-payday</c>.</summary>
public static partial class ClientId
{
    /// <summary>1 to 63 characters of <c>[a-z0-9-]</c>, the first no hyphen.</summary>
    public static bool IsValid(string id) => Pattern().IsMatch(id);

    /// <summary>Says so where an id is not valid.</summary>
    public static void CheckId(this FaultList faults, string path, string id)
    {
        if (!IsValid(id))
        {
            faults.Malformed(path, "must have 1 to 63 characters of a-z, 0-9 and -, the first no hyphen");
        }
    }

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9-]{0,62}\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Pattern();
}
