using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Planning;

namespace Campaigns.Api.Endpoints;

internal static class PlanningEndpoints
{
    internal static void MapPlanning(this IEndpointRouteBuilder app)
    {
        var campaigns = app.MapGroup("/campaigns/{campaignId}").WithTags("Planning");

        campaigns
            .MapPost(
                "/launch",
                async (string campaignId, Actor actor, Planner module, CancellationToken cancellationToken) =>
                    (await module.LaunchAsync(campaignId, actor, cancellationToken)).ToAccepted(launched =>
                        $"/v1/campaigns/{launched.CampaignId}/run"
                    )
            )
            .RequireRole(Role.Marketer, Role.Approver, Role.Operator)
            .WithName("launchCampaign")
            .WithSummary("Launch an approved campaign")
            .WithDescription(
                "Makes the run and has it planned, exactly as it was approved; follow it at the address in Location. "
                    + "409 where it is not approved, or it uses sensitive data and has no impact assessment."
            );

        campaigns
            .MapPost(
                "/preview",
                async (string campaignId, Actor actor, Previews module, CancellationToken cancellationToken) =>
                    (await module.StartAsync(campaignId, actor, cancellationToken)).ToAccepted(operation =>
                        $"/v1/operations/{operation.Id}"
                    )
            )
            .RequireStaff()
            .WithName("previewCampaign")
            .WithSummary("Preview what a launch would decide now")
            .WithDescription(
                "The planning statement itself, rolled back, as an operation: parts done of all. One that takes no more than "
                    + "two seconds is answered when it has succeeded; another is watched at the address in Location. Its result "
                    + "is what `GET …/preview` answers."
            );

        campaigns
            .MapGet(
                "/preview",
                async (string campaignId, Previews module, CancellationToken cancellationToken) =>
                    (await module.NewestAsync(campaignId, cancellationToken)).ToHttp()
            )
            .RequireStaff()
            .WithName("getPreview")
            .WithSummary("Read the newest preview")
            .WithDescription(
                "The ledger by reason, channel and variant, the timetable, and the smallest effect that so many treated and held "
                    + "out can show, at 80 % power; with the version and the instant it was reckoned for. And what it would cost, "
                    + "where the channels have prices (`Channels:sms:Price`, of a segment; elsewhere of a message)."
            );

        campaigns
            .MapGet(
                "/run",
                async (string campaignId, Ledgers module, CancellationToken cancellationToken) =>
                    (await module.OfAsync(campaignId, cancellationToken)).ToHttp()
            )
            .RequireStaff()
            .WithName("getRun")
            .WithSummary("Read the newest run")
            .WithDescription("How far it is planned; once planned, its ledger and its timetable.");

        campaigns
            .MapGet(
                "/explain/{customerId}",
                async (
                    string campaignId,
                    string customerId,
                    HttpRequest request,
                    Explanations module,
                    CancellationToken cancellationToken
                ) => (await module.OfAsync(campaignId, customerId, Languages.Of(request), cancellationToken)).ToHttp()
            )
            .RequireStaff()
            .WithName("explainDecision")
            .WithSummary("Explain what a launch would decide for a customer")
            .WithDescription(
                "All rules that fail, not just the first, also in the words of Accept-Language (en, zh), and the earliest instant "
                    + "at which the hours allow a touch."
            );
    }
}
