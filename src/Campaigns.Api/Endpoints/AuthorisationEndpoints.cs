using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Customers;

namespace Campaigns.Api.Endpoints;

/// <summary>Messages that a customer authorises by a template of the provider's.</summary>
public sealed record AuthorisationItem
{
    /// <summary>Who says so, such as <c>mini-program</c>.</summary>
    public required string Source { get; init; }

    /// <summary>The source's own id of it: sent again, it changes nothing.</summary>
    public required string Id { get; init; }
    public required string CustomerId { get; init; }

    /// <summary>The provider's id of the template, as templates name it in <c>providerTemplate</c>.</summary>
    public required string Template { get; init; }

    /// <summary>How many more may be sent, at most 1,000; 0 takes back what was authorised up to then.</summary>
    public required int Messages { get; init; }
    public required DateTimeOffset OccurredAt { get; init; }

    internal AuthorisationEntry Entry => new(Source, Id, CustomerId, Template, Messages, OccurredAt);
}

/// <summary>Up to 1,000 of them.</summary>
public sealed record AuthorisationsBody
{
    public required IReadOnlyList<AuthorisationItem> Authorisations { get; init; }
}

internal static class AuthorisationEndpoints
{
    internal static void MapAuthorisations(this IEndpointRouteBuilder app)
    {
        app.MapPost(
                "/authorisations",
                async (
                    AuthorisationsBody body,
                    Actor actor,
                    Authorisations module,
                    CancellationToken cancellationToken
                ) =>
                    BatchAnswer
                        .Of(
                            await module.RecordAsync(
                                actor,
                                [.. body.Authorisations.Select(item => item.Entry)],
                                cancellationToken
                            ),
                            "authorisations"
                        )
                        .ToHttp()
            )
            .RequireRole(Role.Backend)
            .WithTags("Customers")
            .WithName("recordAuthorisations")
            .WithSummary("Record up to 1,000 authorisations of messages")
            .WithDescription(
                "By whom a WeChat subscribe message may be sent to: each takes one that the customer has authorised by its "
                    + "template, and who has none cannot be reached by it. In any order; each for itself, and once by source "
                    + "and id. Where WeChat's own events come to `/v1/callbacks/wechat`, they tell the same: use one of the "
                    + "two. An unknown customer is kept by id until the bank states it."
            );
    }
}
