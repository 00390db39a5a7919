using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Customers;
using Campaigns.Dispatch;

namespace Campaigns.Api.Endpoints;

/// <summary>Who a tester is.</summary>
public sealed record TesterBody
{
    /// <summary>Who she is at the bank; 1 to 100 characters.</summary>
    public required string Name { get; init; }
}

/// <summary>All testers.</summary>
public sealed record TesterList(IReadOnlyList<Tester> Items);

internal static class TesterEndpoints
{
    internal static void MapTesters(this IEndpointRouteBuilder app)
    {
        var testers = app.MapGroup("/testers").WithTags("Templates");

        testers
            .MapPut(
                "/{customerId}",
                async (
                    string customerId,
                    TesterBody body,
                    Actor actor,
                    Testers module,
                    CancellationToken cancellationToken
                ) => (await module.PutAsync(actor, customerId, body.Name, cancellationToken)).ToHttp()
            )
            .RequireRole(Role.Operator)
            .WithName("putTester")
            .WithSummary("Make a customer a tester")
            .WithDescription(
                "One of the bank's own people, to whom marketers may send templates to be looked at. She gets a test like any "
                    + "other message: with her consent, and outside quiet hours. There are 100 testers at most."
            );

        testers
            .MapDelete(
                "/{customerId}",
                async (string customerId, Actor actor, Testers module, CancellationToken cancellationToken) =>
                    (await module.RemoveAsync(actor, customerId, cancellationToken)).ToHttp()
            )
            .RequireRole(Role.Operator)
            .WithName("removeTester")
            .WithSummary("Take a tester off the list")
            .WithDescription("She remains a customer. Who is erased is off it, too.");

        testers
            .MapGet(
                "",
                async (Testers module, CancellationToken cancellationToken) =>
                    new TesterList(await module.ListAsync(cancellationToken))
            )
            .RequireRole(Role.Marketer, Role.Approver, Role.Operator)
            .WithName("listTesters")
            .WithSummary("The testers")
            .WithDescription("All of them, by id.");

        app.MapGroup("/test-sends")
            .WithTags("Templates")
            .MapGet(
                "/{number:int}",
                async (int number, TestSends module, CancellationToken cancellationToken) =>
                    (await module.GetAsync(number, cancellationToken)).ToHttp()
            )
            .RequireRole(Role.Marketer, Role.Approver, Role.Operator)
            .WithName("getTestSend")
            .WithSummary("Read what became of a test")
            .WithDescription(
                "Tester by tester, with what receipts have said since: they are shown here and nowhere else. WeChat's mass send "
                    + "tells nothing of a single follower, and JPush is not asked: there `accepted` is all that will be known."
            );
    }
}
