using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Customers;

namespace Campaigns.Api.Endpoints;

/// <summary>A field as declared.</summary>
public sealed record FieldBody
{
    public required FieldType Type { get; init; }

    /// <summary>The values of an enum; none for every other type.</summary>
    public IReadOnlyList<string> Options { get; init; } = [];

    /// <summary>A rule that uses it leaves out customers who gave no consent for sensitive data.</summary>
    public bool Sensitive { get; init; }

    /// <summary>A score or a learned preference.</summary>
    public bool Profiling { get; init; }
    public string? Description { get; init; }
}

/// <summary>All fields.</summary>
public sealed record FieldList(IReadOnlyList<Field> Items);

internal static class FieldEndpoints
{
    internal static void MapFields(this IEndpointRouteBuilder app)
    {
        var fields = app.MapGroup("/fields").WithTags("Fields");

        fields
            .MapPut(
                "/{name}",
                async (string name, FieldBody body, Actor actor, Fields module, CancellationToken cancellationToken) =>
                    (
                        await module.PutAsync(
                            actor,
                            new Field(name, body.Type)
                            {
                                Options = body.Options,
                                Sensitive = body.Sensitive,
                                Profiling = body.Profiling,
                                Description = body.Description,
                            },
                            cancellationToken
                        )
                    ).ToHttp()
            )
            .RequireRole(Role.Marketer, Role.Backend)
            .WithName("putField")
            .WithSummary("Declare a field, or change it")
            .WithDescription(
                "Customers may have a value of every declared field, and rules may name it. 409 where customers hold "
                    + "values that the new declaration would not take."
            );

        fields
            .MapGet(
                "/{name}",
                async (string name, Fields module, CancellationToken cancellationToken) =>
                    (await module.GetAsync(name, cancellationToken)).ToHttp()
            )
            .RequireRole(Role.Marketer, Role.Approver, Role.Analyst, Role.Operator, Role.Backend)
            .WithName("getField")
            .WithSummary("A field")
            .WithDescription("As it was declared.");

        fields
            .MapGet(
                "",
                async (Fields module, CancellationToken cancellationToken) =>
                    new FieldList(await module.ListAsync(cancellationToken))
            )
            .RequireRole(Role.Marketer, Role.Approver, Role.Analyst, Role.Operator, Role.Backend)
            .WithName("listFields")
            .WithSummary("The catalogue of fields")
            .WithDescription("All of them, by name; there are 500 at most.");
    }
}
