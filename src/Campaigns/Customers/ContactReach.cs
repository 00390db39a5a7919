namespace Campaigns.Customers;

/// <summary>Which channels a customer can be reached on.</summary>
public static class ContactReach
{
    /// <summary>SQL of the channels by which a row of <c>contact</c> can be reached, and of those where another customer has
    /// the same address: as stored, but for channels that need no address. These reach whoever has an address there or has
    /// consented, and nobody shares them.</summary>
    /// <param name="contact">The table's alias.</param>
    /// <param name="withoutAddress">Set of channels.</param>
    public static (string Reachable, string Shared) Sql(string contact, short withoutAddress) =>
        withoutAddress == 0
            ? ($"{contact}.reachable", $"{contact}.shared")
            : (
                $"({contact}.reachable | {contact}.consented & {withoutAddress}::smallint)",
                $"({contact}.shared & ~{withoutAddress}::smallint)"
            );
}
