using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Calendar;
using Campaigns.Planning;

namespace Campaigns.Api.Endpoints;

/// <summary>All versions of the bank-wide holdout, the newest first; the newest holds.</summary>
public sealed record GlobalHoldoutList(IReadOnlyList<GlobalHoldoutVersion> Items);

internal static class ContactPolicyEndpoints
{
    internal static void MapContactPolicy(this IEndpointRouteBuilder app)
    {
        MapPolicy(app.MapGroup("/policy").WithTags("Contact policy"));
        MapCalendars(app.MapGroup("/calendars").WithTags("Calendars"));
        MapHoldouts(app.MapGroup("/holdouts").WithTags("Holdouts"));
    }

    private static void MapPolicy(RouteGroupBuilder policy)
    {
        policy
            .MapPut(
                "",
                async (
                    ContactPolicy draft,
                    IfMatch seen,
                    Actor actor,
                    ContactPolicies module,
                    CancellationToken cancellationToken
                ) => (await module.PutAsync(actor, draft, seen.Version, cancellationToken)).ToHttp(made => made.Version)
            )
            .RequireRole(Role.Operator)
            .WithName("putPolicy")
            .WithSummary("Set the contact policy")
            .WithDescription(
                "Quiet hours, hours of channels and caps that bind every campaign. What is planned from then on goes by "
                    + "it; the tightest of bank, channel, campaign and customer wins."
            );

        policy
            .MapGet(
                "",
                async (ContactPolicies module, CancellationToken cancellationToken) =>
                    ((Results.Result<ContactPolicyVersion>)await module.GetAsync(cancellationToken)).ToHttp(held =>
                        held.Version
                    )
            )
            .RequireStaff()
            .WithName("getPolicy")
            .WithSummary("Read the contact policy in force")
            .WithDescription("Version 0 is what holds where nobody has set one.");
    }

    private static void MapCalendars(RouteGroupBuilder calendars)
    {
        calendars
            .MapPut(
                "/{calendarId}",
                async (
                    string calendarId,
                    WorkingCalendar calendar,
                    IfMatch seen,
                    Actor actor,
                    WorkingCalendars module,
                    CancellationToken cancellationToken
                ) =>
                    (await module.PutAsync(actor, calendarId, calendar, seen.Version, cancellationToken)).ToHttp(made =>
                        made.Version
                    )
            )
            .RequireRole(Role.Operator)
            .WithName("putCalendar")
            .WithSummary("Make or change a working calendar")
            .WithDescription("Weekends, days off and make-up working days. Campaigns name it in their schedule.");

        calendars
            .MapGet(
                "/{calendarId}",
                async (string calendarId, WorkingCalendars module, CancellationToken cancellationToken) =>
                    (await module.GetAsync(calendarId, cancellationToken)).ToHttp(made => made.Version)
            )
            .RequireStaff()
            .WithName("getCalendar")
            .WithSummary("Read a working calendar")
            .WithDescription("Its newest version.");
    }

    private static void MapHoldouts(RouteGroupBuilder holdouts)
    {
        holdouts
            .MapPut(
                "/global",
                async (
                    GlobalHoldoutDraft draft,
                    IfMatch seen,
                    Actor actor,
                    GlobalHoldouts module,
                    CancellationToken cancellationToken
                ) => (await module.PutAsync(actor, draft, seen.Version, cancellationToken)).ToHttp(made => made.Version)
            )
            .RequireRole(Role.Operator)
            .WithName("putGlobalHoldout")
            .WithSummary("Set the bank-wide holdout")
            .WithDescription(
                "The share of all customers that no campaign touches. Versions are kept for good, so that a run's "
                    + "assignment can be replayed."
            );

        holdouts
            .MapGet(
                "/global",
                async (GlobalHoldouts module, CancellationToken cancellationToken) =>
                    new GlobalHoldoutList(await module.ListAsync(cancellationToken))
            )
            .RequireStaff()
            .WithName("listGlobalHoldouts")
            .WithSummary("Read the bank-wide holdout")
            .WithDescription("All versions, the newest first.");
    }
}
