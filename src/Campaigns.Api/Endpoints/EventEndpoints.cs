using System.Text.Json;
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Customers;
using Campaigns.Outcomes;
using Campaigns.Results;

namespace Campaigns.Api.Endpoints;

/// <summary>Something a customer did.</summary>
public sealed record EventItem
{
    /// <summary>Who says so, such as <c>mobile-bank</c>.</summary>
    public required string Source { get; init; }

    /// <summary>The source's own id of it: sent again, it changes nothing.</summary>
    public required string Id { get; init; }
    public required string CustomerId { get; init; }

    /// <summary>What, such as <c>payment</c>.</summary>
    public required string Name { get; init; }
    public required DateTimeOffset OccurredAt { get; init; }
    public decimal? Amount { get; init; }

    /// <summary>ISO 4217.</summary>
    public string? Currency { get; init; }

    /// <summary>Texts, numbers and booleans.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Attributes { get; init; }

    internal EventEntry Entry => new(Source, Id, CustomerId, Name, OccurredAt, Amount, Currency, Attributes);
}

/// <summary>Up to 1,000 events.</summary>
public sealed record EventsBody
{
    public required IReadOnlyList<EventItem> Events { get; init; }
}

internal static class EventEndpoints
{
    internal static void MapEvents(this IEndpointRouteBuilder app)
    {
        app.MapPost(
                "/events",
                async (
                    EventsBody body,
                    Actor actor,
                    EventIntake module,
                    FewEvents few,
                    CancellationToken cancellationToken
                ) =>
                {
                    var entries = body.Events.Select(item => item.Entry).ToArray();
                    var recorded = await RecordAsync(actor, entries, module, few, cancellationToken);
                    return BatchAnswer.Of(recorded, "events").ToHttp();
                }
            )
            .RequireRole(Role.Backend)
            .Bounded(Intake.Events)
            .WithTags("Events")
            .WithName("recordEvents")
            .WithSummary("Record up to 1,000 events")
            .WithDescription(
                "In any order, late ones too; each for itself, and once by source and id. What lies in the future is "
                    + "refused. An unknown customer is kept by id until the bank states it, and marked unmatched in the answer."
            );
    }

    /// <summary>A batch is a transaction of its own; few events share it with those of other callers.</summary>
    internal static async Task<Result<IReadOnlyList<BatchItem>>> RecordAsync(
        Actor actor,
        EventEntry[] entries,
        EventIntake module,
        FewEvents few,
        CancellationToken cancellationToken
    )
    {
        if (entries.Length is > 0 and <= FewEvents.Most)
        {
            return await few.RecordAsync(actor, entries);
        }

        var recorded = await module.RecordAsync(
            actor,
            entries,
            (connection, batch, now) => Conversions.CountAsync(connection, batch.Stored, now, cancellationToken),
            cancellationToken
        );
        return EngagementEndpoints.Items(recorded);
    }
}
