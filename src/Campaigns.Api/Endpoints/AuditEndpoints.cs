using System.Globalization;
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Audit;

namespace Campaigns.Api.Endpoints;

internal static class AuditEndpoints
{
    internal static void MapAudit(this IEndpointRouteBuilder app)
    {
        var audit = app.MapGroup("/audit").WithTags("Audit").RequireRole(Role.Admin);

        audit
            .MapGet(
                "",
                async (
                    string? subjectKind,
                    string? subjectId,
                    string? actor,
                    Paging paging,
                    AuditTrail module,
                    CancellationToken cancellationToken
                ) =>
                    paging.Page(
                        await module.ListAsync(
                            new AuditQuery(subjectKind, subjectId, actor),
                            paging.After is { } seq ? long.Parse(seq, CultureInfo.InvariantCulture) : null,
                            paging.Limit + 1,
                            cancellationToken
                        ),
                        entry => entry.Seq.ToString(CultureInfo.InvariantCulture)
                    )
            )
            .WithName("listAudit")
            .WithSummary("Who changed what, and when")
            .WithDescription("The newest first; of one subject or one actor, where given.");

        audit
            .MapGet(
                "/verification",
                async (AuditTrail module, CancellationToken cancellationToken) =>
                    await module.VerifyAsync(cancellationToken)
            )
            .WithName("verifyAudit")
            .WithSummary("Walk along the audit log's chain")
            .WithDescription(
                "Says whether every entry is as it was recorded and none is missing. Keep the head elsewhere: a chain "
                    + "that was made anew has another."
            );
    }
}
