using System.Text.Json;
using Campaigns.Results;

namespace Campaigns.Customers;

/// <summary>Something a customer did.</summary>
/// <param name="Source">Who says so, such as <c>mobile-bank</c>: 1 to 63 characters of <c>[a-z0-9._-]</c>.</param>
/// <param name="Id">The source's own id of it, 1 to 128 printable characters. The same id of one source and customer is
/// the same event.</param>
/// <param name="Name">What, such as <c>payment</c>: 1 to 63 characters of <c>[a-z0-9._-]</c>.</param>
/// <param name="OccurredAt">From 2000 to five minutes from now.</param>
/// <param name="Amount">At most 16 digits before the point and 4 after it; may be negative.</param>
/// <param name="Currency">ISO 4217, such as <c>CNY</c>.</param>
/// <param name="Attributes">At most 50 texts (of at most 500 characters), numbers and booleans.</param>
public sealed record EventEntry(
    string Source,
    string Id,
    string CustomerId,
    string Name,
    DateTimeOffset OccurredAt,
    decimal? Amount = null,
    string? Currency = null,
    IReadOnlyDictionary<string, JsonElement>? Attributes = null
)
{
    /// <summary>Whether the service itself says so, by a source that is its own.</summary>
    internal bool IsOwn { get; init; }

    /// <summary>What is wrong with what the entry was made of, beside what is wrong with the entry.</summary>
    public IReadOnlyList<FieldError> Faults { get; init; } = [];
}

/// <summary>An event that was stored just now.</summary>
/// <param name="Index">Place of its entry in the batch.</param>
public sealed record StoredEvent(int Index, long CustomerKey, short EventSource, short EventType, EventEntry Entry);

/// <summary>What became of a batch of events.</summary>
/// <param name="Items">One an entry, in their order; <c>created</c> where it was stored, <c>unchanged</c> where it was
/// known.</param>
/// <param name="Stored">The new ones.</param>
public sealed record EventBatch(IReadOnlyList<BatchItem> Items, IReadOnlyList<StoredEvent> Stored);
