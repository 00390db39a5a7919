using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Dispatch;
using Campaigns.Lifecycle;

namespace Campaigns.Api.Endpoints;

internal static class TemplateEndpoints
{
    internal static void MapTemplates(this IEndpointRouteBuilder app)
    {
        var templates = app.MapGroup("/templates").WithTags("Templates");

        templates
            .MapPut(
                "/{templateId}",
                async (
                    string templateId,
                    TemplateDraft draft,
                    IfMatch seen,
                    Actor actor,
                    Templates module,
                    CancellationToken cancellationToken
                ) =>
                    (await module.PutAsync(actor, templateId, draft, seen.Version, cancellationToken)).ToSaved(
                        template => template.Version
                    )
            )
            .RequireRole(Role.Marketer)
            .WithName("putTemplate")
            .WithSummary("Make or change a template")
            .WithDescription(
                "Every change is a new version; a campaign keeps the one it was approved with. Refused (422) where a "
                    + "variable is no field and has no default, where the wording is forbidden, or where the message "
                    + "would arrive without its sender or its way to refuse, or with two, or a short message in more "
                    + "segments than are allowed (`Templates:MaxSegments`, 10). `sms` says how long a short message is "
                    + "as received: with its defaults, and at most."
            );

        templates
            .MapGet(
                "/{templateId}",
                async (string templateId, int? version, Templates module, CancellationToken cancellationToken) =>
                    (await module.GetAsync(templateId, version, cancellationToken)).ToHttp(template => template.Version)
            )
            .RequireStaff()
            .WithName("getTemplate")
            .WithSummary("Read a template")
            .WithDescription("The newest version, or the one asked for.");

        templates
            .MapPost(
                "/{templateId}/preview",
                async (
                    string templateId,
                    TemplatePreviewRequest request,
                    Actor actor,
                    TemplatePreviews module,
                    CancellationToken cancellationToken
                ) => (await module.OfAsync(templateId, request, actor, cancellationToken)).ToHttp()
            )
            .RequireRole(Role.Marketer, Role.Approver)
            .WithName("previewTemplate")
            .WithSummary("See a template as one customer would receive it")
            .WithDescription(
                "Filled in with her values, with what the gateway adds, and where it would go, masked. Sensitive values are "
                    + "covered. Nothing is sent; that somebody looked is audited."
            );

        templates
            .MapPost(
                "/{templateId}/test-sends",
                async (
                    string templateId,
                    TestSendRequest request,
                    Actor actor,
                    TestSends module,
                    CancellationToken cancellationToken
                ) =>
                    (await module.SendAsync(templateId, request, actor, cancellationToken)).ToCreated(send =>
                        $"/v1/test-sends/{send.Number}"
                    )
            )
            .RequireRole(Role.Marketer)
            .WithName("sendTest")
            .WithSummary("Send a template to testers")
            .WithDescription(
                "By the channel's own gateway, exactly as a customer of theirs would receive it: as a preview shows it, with "
                    + "sensitive values in clear where the tester consents to their use. Answered when the provider has answered, "
                    + "tester by tester. Only to customers on the list of testers, which an operator keeps; consent, refusal, quiet "
                    + "hours and wording rules hold, and so does what holds the channel (409 `channel-held`, 503 "
                    + "`channel-resting`). At most 20 testers a call, and `Dispatch:TestsPerDay` messages a day (200; then 429). It "
                    + "is audited, counts for no cap and appears in no report. Give an Idempotency-Key: without one, a repeat is "
                    + "sent again."
            );

        templates
            .MapGet(
                "",
                async (Paging paging, Templates module, CancellationToken cancellationToken) =>
                    paging.Page(
                        await module.ListAsync(paging.After, paging.Limit + 1, cancellationToken),
                        template => template.TemplateId
                    )
            )
            .RequireStaff()
            .WithName("listTemplates")
            .WithSummary("List templates")
            .WithDescription("The newest version of each, by id.");
    }
}
