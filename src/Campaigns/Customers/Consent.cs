using Campaigns.Channels;

namespace Campaigns.Customers;

/// <summary>What a customer agrees to or refuses.</summary>
public enum ConsentPurpose
{
    /// <summary>Commercial messages, by channel.</summary>
    Marketing,

    /// <summary>Use of fields that the catalogue marks as sensitive.</summary>
    Sensitive,

    /// <summary>Use of profiling; granted unless refused.</summary>
    Personalisation,
}

/// <summary>A grant or a refusal, with its proof.</summary>
/// <param name="Channel">Null for every channel; a purpose other than marketing has no channel.</param>
/// <param name="Source">Where the customer said it, such as <c>app-settings</c>; 1 to 64 printable characters.</param>
/// <param name="TextVersion">Which text was shown; at most 64 characters.</param>
/// <param name="Operator">Who entered it, where a person did; at most 64 characters.</param>
/// <param name="OccurredAt">When the customer said it; from 2000 to five minutes from now.</param>
public sealed record ConsentEntry(
    string CustomerId,
    Channel? Channel,
    ConsentPurpose Purpose,
    bool Granted,
    string Source,
    string? TextVersion,
    string? Operator,
    DateTimeOffset OccurredAt
);
