using Campaigns.Channels;

namespace Campaigns.Receipts;

/// <summary>A reply that opted nobody out.</summary>
public sealed class CustomerReply
{
    /// <summary>Where it stands in the list; grows.</summary>
    public required long Seq { get; init; }

    /// <summary>Name of the gateway that took it.</summary>
    public required string Gateway { get; init; }

    /// <summary>The channel it came by.</summary>
    public required Channel Channel { get; init; }

    /// <summary>Whose address it came from when it came; the first by the order in which they became known where several
    /// had it, null where nobody did.</summary>
    public string? CustomerId { get; init; }

    /// <summary>The address it came from, with its middle hidden; null where it is none of the channel's.</summary>
    public string? Address { get; init; }

    /// <summary>At most 2,000 characters, as they were written; what may be a mobile number with its middle hidden.</summary>
    public required string Content { get; init; }

    /// <summary>When, by the provider's clock; when it came, where that is ahead.</summary>
    public required DateTimeOffset OccurredAt { get; init; }

    /// <summary>Whether it asks to be left alone, from an address that nobody has: whoever gets it is opted out as of
    /// <see cref="OccurredAt"/>, within seconds.</summary>
    public required bool Refusal { get; init; }
}
