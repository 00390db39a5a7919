using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Channels;
using Campaigns.Customers;

namespace Campaigns.Api.Endpoints;

/// <summary>Up to 1,000 customers.</summary>
public sealed record CustomersBody
{
    public required IReadOnlyList<CustomerItem> Customers { get; init; }
}

/// <summary>One customer of a batch.</summary>
public sealed record CustomerItem
{
    /// <summary>The bank's own id.</summary>
    public required string Id { get; init; }
    public required CustomerProfile Profile { get; init; }
}

/// <summary>What a customer agrees to or refuses, with its proof.</summary>
public record ConsentBody
{
    /// <summary><c>sms</c>, <c>wechat</c>, <c>app</c> or <c>all</c>; always <c>all</c> but for marketing.</summary>
    public ConsentChannel Channel { get; init; } = ConsentChannel.All;
    public required ConsentPurpose Purpose { get; init; }

    /// <summary>False is a refusal.</summary>
    public required bool Granted { get; init; }

    /// <summary>Where the customer said it.</summary>
    public required string Source { get; init; }

    /// <summary>Which text was shown.</summary>
    public string? TextVersion { get; init; }

    /// <summary>Who entered it, where a person did.</summary>
    public string? Operator { get; init; }

    /// <summary>When the customer said it. The newest word holds.</summary>
    public required DateTimeOffset OccurredAt { get; init; }

    internal ConsentEntry Of(string customerId) =>
        new(
            customerId,
            Channel == ConsentChannel.All ? null : (Channel)(short)Channel,
            Purpose,
            Granted,
            Source,
            TextVersion,
            Operator,
            OccurredAt
        );
}

/// <summary>One channel, or all.</summary>
public enum ConsentChannel : short
{
    All = 0,
    Sms = Channel.Sms,
    WeChat = Channel.WeChat,
    App = Channel.App,
}

/// <summary>What one of many customers agrees to or refuses.</summary>
public sealed record ConsentItem : ConsentBody
{
    public required string CustomerId { get; init; }
}

/// <summary>Up to 1,000 consents.</summary>
public sealed record ConsentsBody
{
    public required IReadOnlyList<ConsentItem> Consents { get; init; }
}

internal static class CustomerEndpoints
{
    internal static void MapCustomers(this IEndpointRouteBuilder app)
    {
        var customers = app.MapGroup("").WithTags("Customers").RequireRole(Role.Backend);
        customers.MapProfiles();
        customers.MapConsents();
    }

    private static void MapProfiles(this IEndpointRouteBuilder customers)
    {
        customers
            .MapPut(
                "/customers/{id}",
                async (
                    string id,
                    CustomerProfile body,
                    Actor actor,
                    CustomerRegister module,
                    CancellationToken cancellationToken
                ) => (await module.PutAsync(actor, id, body, cancellationToken)).ToHttp()
            )
            .Bounded(Intake.Batches)
            .WithName("putCustomer")
            .WithSummary("State a customer, whole")
            .WithDescription(
                "Creates the customer, or replaces all that was stated before: what is left out is taken away. Consents "
                    + "and events stay. Addresses are stored encrypted and shown masked."
            );

        customers
            .MapPost(
                "/customers",
                async (CustomersBody body, Actor actor, CustomerRegister module, CancellationToken cancellationToken) =>
                    BatchAnswer
                        .Of(
                            await module.PutManyAsync(
                                actor,
                                [.. body.Customers.Select(item => new CustomerEntry(item.Id, item.Profile))],
                                cancellationToken
                            ),
                            "customers"
                        )
                        .ToHttp()
            )
            .Bounded(Intake.Batches)
            .WithName("putCustomers")
            .WithSummary("State up to 1,000 customers")
            .WithDescription("Each for itself, as PUT would: what is wrong with one does not stop the others.");

        customers
            .MapGet(
                "/customers/{id}",
                async (string id, CustomerRegister module, CancellationToken cancellationToken) =>
                    (await module.GetAsync(id, cancellationToken)).ToHttp()
            )
            .WithName("getCustomer")
            .WithSummary("A customer")
            .WithDescription("With channels, consents as they hold now, and addresses masked.");

        customers
            .MapDelete(
                "/customers/{id}",
                async (string id, Actor actor, CustomerRegister module, CancellationToken cancellationToken) =>
                    (await module.EraseAsync(actor, id, cancellationToken)).ToHttp()
            )
            .WithName("eraseCustomer")
            .WithSummary("Erase a customer")
            .WithDescription(
                "Attributes, events, addresses and their hashes go at once and for good, and so does what the customer "
                    + "answered. Pseudonymous decisions and the proof of consents stay. Nothing is taken in for this id again."
            );
    }

    private static void MapConsents(this IEndpointRouteBuilder customers)
    {
        customers
            .MapPost(
                "/customers/{id}/consents",
                async (
                    string id,
                    ConsentBody body,
                    Actor actor,
                    Consents module,
                    CancellationToken cancellationToken
                ) =>
                    BatchAnswer
                        .Of(await module.RecordAsync(actor, [body.Of(id)], cancellationToken), member: null)
                        .ToHttp()
            )
            .WithName("recordConsent")
            .WithSummary("Record a grant or a refusal")
            .WithDescription(
                "Kept as proof; the newest by occurredAt holds, and of two at one instant the refusal. Sent again it "
                    + "changes nothing. An unknown customer is kept by id until the bank states it."
            );

        customers
            .MapPost(
                "/consents",
                async (ConsentsBody body, Actor actor, Consents module, CancellationToken cancellationToken) =>
                    BatchAnswer
                        .Of(
                            await module.RecordAsync(
                                actor,
                                [.. body.Consents.Select(item => item.Of(item.CustomerId))],
                                cancellationToken
                            ),
                            "consents"
                        )
                        .ToHttp()
            )
            .WithName("recordConsents")
            .WithSummary("Record up to 1,000 grants and refusals")
            .WithDescription("Of any customers, in any order, each for itself.");
    }
}
