namespace Campaigns.Customers;

/// <summary>The bank's own id of a customer: 1 to 64 printable characters.</summary>
internal static class CustomerIds
{
    public const string Form = "must be 1 to 64 printable characters";

    public static bool IsValid(string id) => Texts.IsPrintable(id, 1, 64) && !string.IsNullOrWhiteSpace(id);
}
