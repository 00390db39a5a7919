using Campaigns.Customers;

namespace Campaigns.Dispatch;

/// <summary>A touch on its way: with an address in clear, and so never logged and never kept.</summary>
internal sealed class Touch(long customerKey)
{
    internal long CustomerKey { get; } = customerKey;
    internal string Address { get; init; } = "";
    internal IReadOnlyDictionary<string, string> Variables { get; init; } = new Dictionary<string, string>();

    /// <summary>Why it cannot go whatever else is true: without an address, or with a template that cannot be filled in.
    /// </summary>
    internal Withheld? Fault { get; init; }

    public override string ToString() => $"touch of {CustomerKey}";
}
