using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Customers;
using Campaigns.Outcomes;
using Campaigns.Results;

namespace Campaigns.Api.Endpoints;

/// <summary>What a customer did with a campaign's message.</summary>
public sealed record EngagementItem
{
    /// <summary>Who says so, such as <c>mobile-bank</c>.</summary>
    public required string Source { get; init; }

    /// <summary>The source's own id of it: sent again, it changes nothing.</summary>
    public required string Id { get; init; }
    public required string CampaignId { get; init; }
    public required string CustomerId { get; init; }
    public required EngagementKind Kind { get; init; }
    public required DateTimeOffset OccurredAt { get; init; }

    internal EngagementEntry Entry => new(Source, Id, CampaignId, CustomerId, Kind, OccurredAt);
}

/// <summary>Up to 1,000 engagements.</summary>
public sealed record EngagementsBody
{
    public required IReadOnlyList<EngagementItem> Engagements { get; init; }
}

internal static class EngagementEndpoints
{
    internal static void MapEngagements(this IEndpointRouteBuilder app) =>
        app.MapPost(
                "/engagements",
                async (EngagementsBody body, Actor actor, Engagements module, CancellationToken cancellationToken) =>
                {
                    var entries = body.Engagements.Select(item => item.Entry).ToArray();
                    var result = await module.RecordAsync(actor, entries, cancellationToken);
                    return BatchAnswer.Of(Items(result), "engagements").ToHttp();
                }
            )
            .RequireRole(Role.Backend)
            .Bounded(Intake.Batches)
            .WithTags("Engagements")
            .WithName("recordEngagements")
            .WithSummary("Record up to 1,000 openings, clicks and dismissals")
            .WithDescription(
                "Once by source and id, in any order. Each is also an event of the customer (message.opened, "
                    + "message.clicked, message.dismissed) that a segment can ask for, with the campaign's id as its attribute campaign."
            );

    internal static Result<IReadOnlyList<BatchItem>> Items(Result<EventBatch> result) =>
        result.TryGet(out var batch, out var error) ? batch.Items.ToArray() : error;
}
