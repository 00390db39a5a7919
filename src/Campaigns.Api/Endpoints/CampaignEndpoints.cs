using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Lifecycle;
using Campaigns.Results;

namespace Campaigns.Api.Endpoints;

internal static class CampaignEndpoints
{
    internal static void MapCampaignLifecycle(this IEndpointRouteBuilder app)
    {
        var campaigns = app.MapGroup("/campaigns").WithTags("Campaigns");

        campaigns
            .MapPut(
                "/{campaignId}",
                async (
                    string campaignId,
                    CampaignDefinition definition,
                    IfMatch seen,
                    Actor actor,
                    CampaignRegister module,
                    CancellationToken cancellationToken
                ) =>
                    (await module.PutAsync(actor, campaignId, definition, seen.Version, cancellationToken)).ToSaved(
                        campaign => campaign.Version
                    )
            )
            .RequireRole(Role.Marketer)
            .WithName("putCampaign")
            .WithSummary("Draft or change a campaign")
            .WithDescription(
                "Every edit is a new version and a draft again: it voids an approval. Once launched, a campaign is not "
                    + "edited any more (409)."
            );

        campaigns
            .MapGet(
                "/{campaignId}",
                async (string campaignId, CampaignRegister module, CancellationToken cancellationToken) =>
                    (await module.GetAsync(campaignId, cancellationToken)).ToHttp(campaign => campaign.Version)
            )
            .RequireStaff()
            .WithName("getCampaign")
            .WithSummary("Read a campaign")
            .WithDescription("Its newest version, where it stands, and what was submitted and decided of it.");

        campaigns
            .MapGet(
                "",
                async (
                    Named<CampaignState>? state,
                    Paging paging,
                    CampaignRegister module,
                    CancellationToken cancellationToken
                ) =>
                    paging.Page(
                        await module.ListAsync(state?.Value, paging.After, paging.Limit + 1, cancellationToken),
                        campaign => campaign.CampaignId
                    )
            )
            .RequireStaff()
            .WithName("listCampaigns")
            .WithSummary("List campaigns")
            .WithDescription("By id; those in one state, where one is given.");

        MapApproval(campaigns);
    }

    private static void MapApproval(RouteGroupBuilder campaigns)
    {
        campaigns
            .MapPost(
                "/{campaignId}/submit",
                async (
                    string campaignId,
                    Submission submission,
                    IfMatch seen,
                    Actor actor,
                    CampaignApprovals module,
                    CancellationToken cancellationToken
                ) =>
                    (await module.SubmitAsync(actor, campaignId, submission, seen.Version, cancellationToken)).ToHttp(
                        campaign => campaign.Version
                    )
            )
            .RequireRole(Role.Marketer)
            .WithName("submitCampaign")
            .WithSummary("Ask for approval")
            .WithDescription(
                "Binds the segments and templates in their versions of now, and the size of the audience where one is "
                    + "given: what is launched is exactly that."
            );

        campaigns
            .MapPost(
                "/{campaignId}/approve",
                async (
                    string campaignId,
                    ApprovalDecision decision,
                    IfMatch seen,
                    Actor actor,
                    CampaignApprovals module,
                    CancellationToken cancellationToken
                ) =>
                    (
                        seen.Version is { } version
                            ? await module.ApproveAsync(actor, campaignId, decision, version, cancellationToken)
                            : WhichVersion
                    ).ToHttp(campaign => campaign.Version)
            )
            .RequireRole(Role.Approver)
            .WithName("approveCampaign")
            .WithSummary("Approve the version that was read")
            .WithDescription(
                "If-Match names the version (its ETag), so that nobody approves what changed meanwhile (412). Whoever "
                    + "edited or submitted it cannot approve it (403 self-approval)."
            );

        campaigns
            .MapPost(
                "/{campaignId}/reject",
                async (
                    string campaignId,
                    ApprovalDecision decision,
                    IfMatch seen,
                    Actor actor,
                    CampaignApprovals module,
                    CancellationToken cancellationToken
                ) =>
                    (
                        seen.Version is { } version
                            ? await module.RejectAsync(actor, campaignId, decision, version, cancellationToken)
                            : WhichVersion
                    ).ToHttp(campaign => campaign.Version)
            )
            .RequireRole(Role.Approver)
            .WithName("rejectCampaign")
            .WithSummary("Send a submitted version back")
            .WithDescription("It is a draft again. If-Match names the version (its ETag).");
    }

    private static Result<Campaign> WhichVersion =>
        Error.Validation(new FieldError("If-Match", "is required: the ETag of the version that was read"));
}
