using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Operations;

namespace Campaigns.Api.Endpoints;

internal static class OperationEndpoints
{
    internal static void MapOperations(this IEndpointRouteBuilder app)
    {
        app.MapGet(
                "/operations/{id}",
                async (string id, Actor actor, OperationLog module, CancellationToken cancellationToken) =>
                    (await module.GetAsync(actor, id, cancellationToken)).ToHttp()
            )
            .RequireAnyRole()
            .WithTags("Operations")
            .WithName("getOperation")
            .WithSummary("How far long work is")
            .WithDescription("An import, a preview, a planning: done of total, and at the end what came of it.");
    }
}
