using Microsoft.Extensions.Configuration;

namespace Campaigns.Customers;

/// <summary>Settings of consents, from the configuration's section <c>Consents</c>.</summary>
public sealed class ConsentOptions
{
    /// <summary>How long the proofs of an erased customer's consents are kept, under the pseudonym, from the erasure on; 1 to
    /// 100 years. A change holds for whoever is erased later.</summary>
    public int KeepEvidenceYears { get; set; } = 5;

    internal DateTimeOffset EvidenceUntil(DateTimeOffset erasedAt) => erasedAt.AddYears(KeepEvidenceYears);

    /// <exception cref="InvalidOperationException">A member is out of its bounds, or has the wrong form.</exception>
    internal static ConsentOptions Of(IConfiguration configuration)
    {
        var options = configuration.GetSection("Consents").Get<ConsentOptions>() ?? new ConsentOptions();
        return options.KeepEvidenceYears is >= 1 and <= 100
            ? options
            : throw new InvalidOperationException("Consents:KeepEvidenceYears is not in [1, 100].");
    }
}
