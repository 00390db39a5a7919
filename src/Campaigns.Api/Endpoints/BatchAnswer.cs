using Campaigns.Api.Edge;
using Campaigns.Customers;
using Campaigns.Results;

namespace Campaigns.Api.Endpoints;

/// <summary>What became of a batch.</summary>
public sealed record BatchAnswer
{
    public required int Created { get; init; }
    public required int Updated { get; init; }
    public required int Unchanged { get; init; }
    public required int Refused { get; init; }

    /// <summary>One an item, in their order.</summary>
    public required IReadOnlyList<BatchItemAnswer> Items { get; init; }

    /// <summary>The answer; a batch of one that was refused is refused as a whole.</summary>
    /// <param name="member">The body's member that holds the items; null where the body is the item.</param>
    internal static Result<BatchAnswer> Of(Result<IReadOnlyList<BatchItem>> result, string? member) =>
        !result.TryGet(out var items, out var error) ? error
        : items is [{ Error: { } only }] ? Whole(only, member)
        : new BatchAnswer
        {
            Created = items.Count(item => item.Status == ItemStatus.Created),
            Updated = items.Count(item => item.Status == ItemStatus.Updated),
            Unchanged = items.Count(item => item.Status == ItemStatus.Unchanged),
            Refused = items.Count(item => item.Status == ItemStatus.Refused),
            Items = [.. items.Select(BatchItemAnswer.Of)],
        };

    private static Error Whole(Error only, string? member) =>
        member is null
            ? only
            : only with
            {
                Fields = [.. only.Fields.Select(field => field with { Path = $"{member}[0].{field.Path}" })],
            };
}

/// <summary>What became of one item.</summary>
public sealed record BatchItemAnswer
{
    /// <summary>Place in the batch, from 0.</summary>
    public required int Index { get; init; }

    /// <summary>As sent.</summary>
    public required string Id { get; init; }
    public required ItemStatus Status { get; init; }

    /// <summary>True where it is of a customer whom the bank has not stated yet: it is kept by the id, and is hers once she is
    /// stated. A conversion so kept counts for no run that was planned without her. Absent elsewhere.</summary>
    public bool? Unmatched { get; init; }

    /// <summary>Why it was refused, where it was: a stable slug such as <c>invalid-time</c>.</summary>
    public string? Type { get; init; }

    /// <summary>The same in words.</summary>
    public string? Detail { get; init; }

    /// <summary>Every field at fault.</summary>
    public IReadOnlyList<ProblemField>? Errors { get; init; }

    internal static BatchItemAnswer Of(BatchItem item) =>
        new()
        {
            Index = item.Index,
            Id = item.Id,
            Status = item.Status,
            Unmatched = item.Unmatched ? true : null,
            Type = item.Error?.Type,
            Detail = item.Error?.Detail,
            Errors = item.Error is null
                ? null
                : [.. item.Error.Fields.Select(field => new ProblemField(field.Path, field.Detail))],
        };
}
