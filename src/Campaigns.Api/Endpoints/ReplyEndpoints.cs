using System.Globalization;
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Receipts;

namespace Campaigns.Api.Endpoints;

internal static class ReplyEndpoints
{
    internal static void MapReplies(this IEndpointRouteBuilder app) =>
        app.MapGroup("/replies")
            .WithTags("Channels")
            .MapGet(
                "",
                async (Paging paging, Replies module, CancellationToken cancellationToken) =>
                    paging.Page(
                        await module.ListAsync(
                            paging.After is { } seq ? long.Parse(seq, CultureInfo.InvariantCulture) : null,
                            paging.Limit + 1,
                            cancellationToken
                        ),
                        reply => reply.Seq.ToString(CultureInfo.InvariantCulture)
                    )
            )
            .RequireRole(Role.Operator)
            .WithName("listReplies")
            .WithSummary("What customers answered that a person has to read")
            .WithDescription(
                "Replies that opted nobody out, the newest first, with the address and numbers in the text masked: whatever is no refusal, and refusals "
                    + "from an address that nobody has any more. Of these the bank may know whose it was: record her refusal "
                    + "as a consent. Whoever is given the address opts out by it within seconds, and is not listed any more."
            );
}
