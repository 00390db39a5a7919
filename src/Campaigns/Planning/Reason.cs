using System.Text.Json;

namespace Campaigns.Planning;

/// <summary>What a run decided for a customer. The numbers are stored, and those of suppressions are the order of the
/// gates: the first that fails is the reason.</summary>
public enum Reason : short
{
    Touch = 0,
    Excluded = 1,
    Minor = 2,
    Unsuitable = 3,
    PersonalisationOff = 4,
    AlreadyEnrolled = 5,
    DuplicateAddress = 6,
    OptedOut = 7,
    NoConsent = 8,
    Unreachable = 9,
    NoWindow = 10,
    NotInTop = 11,
    OverBudget = 12,
    FrequencyCap = 13,
    Outranked = 14,
    HeldOutGlobal = 20,
    HeldOut = 21,
}

internal static class ReasonNames
{
    /// <summary>As in the table <c>decision_reason</c> and on the wire, such as <c>no_consent</c>.</summary>
    public static string Name(this Reason reason) => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString());
}
