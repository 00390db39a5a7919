using System.Text.Json;
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Customers;
using Campaigns.Outcomes;
using Campaigns.Results;

namespace Campaigns.Api.Endpoints;

/// <summary>An event that campaigns are for.</summary>
public sealed record ConversionItem
{
    /// <summary>Who says so, such as <c>core-bank</c>; a partner says its own id.</summary>
    public required string Source { get; init; }

    /// <summary>The source's own id of it: sent again, it changes nothing.</summary>
    public required string Id { get; init; }
    public required string CustomerId { get; init; }

    /// <summary>The event that goals name, such as <c>deposit.opened</c>.</summary>
    public required string Name { get; init; }
    public required DateTimeOffset OccurredAt { get; init; }

    /// <summary>Its value.</summary>
    public decimal? Amount { get; init; }

    /// <summary>ISO 4217.</summary>
    public string? Currency { get; init; }

    /// <summary>Id of an earlier conversion of the same source and customer that this one takes back; it may come
    /// first.</summary>
    public string? Reverses { get; init; }

    /// <summary>What a goal's condition looks at, such as <c>{"product": "gold"}</c>: as of an event.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Attributes { get; init; }

    internal EventEntry Entry =>
        Reverses switch
        {
            null => Plain,
            _ when !EventIntake.IsId(Reverses) => Plain with { Faults = [new("reverses", EventIntake.IdForm)] },
            _ => Plain with
            {
                Attributes = new Dictionary<string, JsonElement>(Attributes ?? new Dictionary<string, JsonElement>())
                {
                    [EventNames.Reverses] = JsonSerializer.SerializeToElement(Reverses),
                },
            },
        };

    private EventEntry Plain => new(Source, Id, CustomerId, Name, OccurredAt, Amount, Currency, Attributes);
}

/// <summary>Up to 1,000 conversions.</summary>
public sealed record ConversionsBody
{
    public required IReadOnlyList<ConversionItem> Conversions { get; init; }
}

internal static class ConversionEndpoints
{
    internal static void MapConversions(this IEndpointRouteBuilder app) =>
        app.MapPost(
                "/conversions",
                async (
                    ConversionsBody body,
                    Actor actor,
                    EventIntake module,
                    FewEvents few,
                    CancellationToken cancellationToken
                ) =>
                    BatchAnswer
                        .Of(await RecordAsync(body, actor, module, few, cancellationToken), "conversions")
                        .ToHttp()
            )
            .RequireRole(Role.Backend, Role.Partner)
            .Bounded(Intake.Events)
            .WithTags("Conversions")
            .WithName("recordConversions")
            .WithSummary("Record up to 1,000 conversions and reversals")
            .WithDescription(
                "Events that goals name, for treated and held-out customers alike; each counts for every campaign whose "
                    + "goal it is. Late ones, repeated ones and reversals that come first are all right. A partner uses names "
                    + "that are known: those of approved campaigns' goals, and those the bank has sent before. An unknown "
                    + "customer's is kept by id until the bank states it, and marked unmatched in the answer."
            );

    private static async Task<Result<IReadOnlyList<BatchItem>>> RecordAsync(
        ConversionsBody body,
        Actor actor,
        EventIntake module,
        FewEvents few,
        CancellationToken cancellationToken
    ) =>
        actor.PartnerId is { } partner && body.Conversions.Any(item => item.Source != partner)
            ? new Error(ErrorKind.Forbidden, "forbidden", $"A partner's source is its own id, {partner}.")
            : await EventEndpoints.RecordAsync(
                actor,
                [.. body.Conversions.Select(item => item.Entry)],
                module,
                few,
                cancellationToken
            );
}
