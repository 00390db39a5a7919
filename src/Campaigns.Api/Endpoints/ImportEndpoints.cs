using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Customers.Import;
using Campaigns.Operations;
using Campaigns.Results;
using Microsoft.AspNetCore.Http.Features;

namespace Campaigns.Api.Endpoints;

internal static class ImportEndpoints
{
    /// <summary>Nothing of a file is held in memory, so this is a bound on patience alone.</summary>
    private const long MostBytes = 16L << 30;

    internal static void MapImports(this IEndpointRouteBuilder app)
    {
        var imports = app.MapGroup("/imports").WithTags("Imports").RequireRole(Role.Backend);
        imports.MapMappings();
        imports
            .MapPost("/customers", ReceiveAsync)
            .Accepts<string>("text/csv")
            .WithName("importCustomers")
            .WithSummary("Import a file of customers")
            .WithDescription(
                "CSV with a header, in UTF-8 or, declared as `text/csv; charset=gb18030`, in GB18030; separated by comma, "
                    + "semicolon or tab. `mapping` names what its columns become. Rows that are wrong are told with line, "
                    + "column and reason in the operation's result, and the others are imported; a file that is wrong as a "
                    + "whole is refused before anything is written. What a file does not say stays as it is, and a file that is "
                    + "sent again changes nothing."
            );
    }

    private static void MapMappings(this IEndpointRouteBuilder imports)
    {
        imports
            .MapPut(
                "/mappings/{id}",
                async (
                    string id,
                    ImportMapping body,
                    Actor actor,
                    ImportMappings module,
                    CancellationToken cancellationToken
                ) => (await module.PutAsync(actor, id, body, cancellationToken)).ToHttp()
            )
            .WithName("putMapping")
            .WithSummary("Say which column of a file becomes what")
            .WithDescription("Creates or replaces the mapping; fields are looked up when a file comes.");

        imports
            .MapGet(
                "/mappings/{id}",
                async (string id, ImportMappings module, CancellationToken cancellationToken) =>
                    (await module.GetAsync(id, cancellationToken)).ToHttp()
            )
            .WithName("getMapping")
            .WithSummary("A mapping")
            .WithDescription("As it was put.");
    }

    /// <param name="mapping">The mapping's id.</param>
    /// <param name="delimiter"><c>,</c>, <c>;</c> or <c>tab</c>; found out from the header when left out.</param>
    private static async Task<AcceptedAnswer<Operation>> ReceiveAsync(
        string mapping,
        string? delimiter,
        HttpRequest request,
        Actor actor,
        CustomerImport module,
        CancellationToken cancellationToken
    )
    {
        if (!Delimiter(delimiter).TryGet(out var separator, out var error))
        {
            return Answer(error);
        }

        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = MostBytes;
        }

        var charset = request.GetTypedHeaders().ContentType?.Charset.Value;
        return Answer(
            await module.ReceiveAsync(
                actor,
                new CustomerFile(mapping, request.Body, charset, separator.Character),
                cancellationToken
            )
        );

        static AcceptedAnswer<Operation> Answer(Result<Operation> result) =>
            result.ToAccepted(operation => $"/v1/operations/{operation.Id}");
    }

    private static Result<Separator> Delimiter(string? delimiter) =>
        delimiter switch
        {
            null or "" => new Separator(null),
            "," => new Separator(','),
            ";" => new Separator(';'),
            "tab" or "\t" => new Separator('\t'),
            _ => Error.Validation(new FieldError("delimiter", "must be ',', ';' or 'tab'")),
        };

    private sealed record Separator(char? Character);
}
