using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Dispatch;

namespace Campaigns.Api.Endpoints;

/// <summary>How to resume.</summary>
public sealed record ResumeRequest
{
    /// <summary>What is done with touches that came due meanwhile: <c>skip</c> cancels them, <c>send</c> lets them go now,
    /// or in their next window where this one has closed; <c>shift</c> moves the whole rest of the timetable by the length of
    /// the pause, the holdout's too: the campaign's own windows and last day move along, while quiet hours, channel hours,
    /// working days and customers' slots hold, and a window that falls outside them takes the next legal hours.</summary>
    public required Overdue Overdue { get; init; }
}

internal static class CampaignControlEndpoints
{
    internal static void MapCampaignControl(this IEndpointRouteBuilder app)
    {
        var campaigns = app.MapGroup("/campaigns/{campaignId}").WithTags("Campaigns").RequireRole(Role.Operator);

        campaigns
            .MapPost(
                "/pause",
                async (string campaignId, Actor actor, CampaignControl module, CancellationToken cancellationToken) =>
                    (await module.PauseAsync(campaignId, actor, cancellationToken)).ToHttp()
            )
            .WithName("pauseCampaign")
            .WithSummary("Pause a campaign")
            .WithDescription(
                "Answers when what was on the wire has been answered or timed out: nothing is sent after that. Says when the "
                    + "last attempt was. Pausing again waits likewise."
            );

        campaigns
            .MapPost(
                "/resume",
                async (
                    string campaignId,
                    ResumeRequest request,
                    Actor actor,
                    CampaignControl module,
                    CancellationToken cancellationToken
                ) => (await module.ResumeAsync(campaignId, request.Overdue, actor, cancellationToken)).ToHttp()
            )
            .WithName("resumeCampaign")
            .WithSummary("Resume a paused campaign")
            .WithDescription("With what is to be done about touches that came due meanwhile.");

        campaigns
            .MapPost(
                "/cancel",
                async (string campaignId, Actor actor, CampaignControl module, CancellationToken cancellationToken) =>
                    (await module.CancelAsync(campaignId, actor, cancellationToken)).ToHttp()
            )
            .WithName("cancelCampaign")
            .WithSummary("Cancel a campaign for good")
            .WithDescription("Every touch that waits is cancelled; what was sent stays sent.");
    }
}
