using System.Globalization;
using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Json;
using Microsoft.AspNetCore.Authorization;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace Campaigns.Api.Hosting;

/// <summary>Adds to each operation what the edge does for all of them: roles, refusals, headers, pages and examples.
/// </summary>
internal sealed class OperationDocument : IOperationFilter
{
    public void Apply(OpenApiOperation operation, OperationFilterContext context)
    {
        var metadata = context.ApiDescription.ActionDescriptor.EndpointMetadata;
        var handler = context.MethodInfo.GetParameters().Select(parameter => parameter.ParameterType).ToList();
        operation.Parameters ??= [];
        AddRoles(operation, metadata, context);
        AddParameters(operation, context, handler);
        AddRefusals(operation, context, metadata);
        AddExamples(operation);
    }

    private static void AddRoles(OpenApiOperation operation, IList<object> metadata, OperationFilterContext context)
    {
        if (metadata.OfType<OpenTo>().LastOrDefault() is not { } open)
        {
            operation.Security = [];
            return;
        }

        var roles =
            open.Roles.Count == Enum.GetValues<Role>().Length
                ? "everyone with a key"
                : string.Join(", ", open.Roles.Select(ProductJson.NameOf));
        operation.Description += $"\n\nOpen to: {roles}.";
        operation.Security =
        [
            new OpenApiSecurityRequirement
            {
                [new OpenApiSecuritySchemeReference(ApiDocument.Bearer, context.Document)] = [],
            },
        ];
    }

    private static void AddParameters(OpenApiOperation operation, OperationFilterContext context, List<Type> handler)
    {
        if (handler.Contains(typeof(Paging)))
        {
            Remove(operation, "paging");
            Add(
                operation,
                ParameterLocation.Query,
                "limit",
                "How many items a page has at most.",
                new OpenApiSchema
                {
                    Type = JsonSchemaType.Integer,
                    Format = "int32",
                    Minimum = "1",
                    Maximum = Paging.MaxLimit.ToString(CultureInfo.InvariantCulture),
                    Default = JsonValue.Create(Paging.DefaultLimit),
                }
            );
            Add(
                operation,
                ParameterLocation.Query,
                "cursor",
                "As the page before gave it; left out for the first.",
                Text()
            );
        }

        if (handler.Contains(typeof(AsOf)))
        {
            var instant = Text();
            instant.Format = "date-time";
            Add(
                operation,
                ParameterLocation.Query,
                "asOf",
                "An instant, with its offset; now where left out.",
                instant
            );
        }

        if (handler.Contains(typeof(IfMatch)))
        {
            Add(
                operation,
                ParameterLocation.Header,
                "If-Match",
                "The ETag of what was read: refused (412) when it has changed since.",
                Text()
            );
        }

        if (context.ApiDescription.HttpMethod == HttpMethods.Post)
        {
            var kept = Text();
            kept.MaxLength = 255;
            Add(
                operation,
                ParameterLocation.Header,
                Idempotency.Header,
                "Names the request: sent again within a day it is answered as before, and done once.",
                kept
            );
        }

        foreach (var parameter in operation.Parameters!.OfType<OpenApiParameter>())
        {
            DescribeNamed(parameter, context);
        }
    }

    /// <summary>A <see cref="Named{T}"/> is one of its enum's names.</summary>
    private static void DescribeNamed(OpenApiParameter parameter, OperationFilterContext context)
    {
        var type = context
            .MethodInfo.GetParameters()
            .FirstOrDefault(declared => declared.Name == parameter.Name)
            ?.ParameterType;
        type = type is null ? null : Nullable.GetUnderlyingType(type) ?? type;
        if (type is { IsGenericType: true } && type.GetGenericTypeDefinition() == typeof(Named<>))
        {
            parameter.Schema = context.SchemaGenerator.GenerateSchema(
                type.GetGenericArguments()[0],
                context.SchemaRepository
            );
        }
    }

    private static void AddRefusals(OpenApiOperation operation, OperationFilterContext context, IList<object> metadata)
    {
        if (metadata.OfType<IAllowAnonymous>().Any())
        {
            if (IsCallback(context))
            {
                const string proof = "The provider's own proof is missing, wrong or stale.";
                operation.Responses!.TryAdd("400", Refusal("The body cannot be read.", context));
                operation.Responses!.TryAdd("401", Refusal(proof, context));
            }

            return;
        }

        var changes = context.ApiDescription.HttpMethod is "PUT" or "POST" or "DELETE";
        List<(string Status, string Description, bool Given)> refusals =
        [
            ("400", "The request cannot be read, or a member has the wrong form.", operation.Parameters!.Count > 0),
            ("401", "No key, or not a valid one.", true),
            ("403", "The key's role may not do this.", true),
            ("404", "There is none of this id.", operation.Parameters.Any(p => p.In == ParameterLocation.Path)),
            ("409", "Not in this state, or the same request is under way.", changes),
            ("412", "It has changed since it was read.", operation.Parameters.Any(p => p.Name == "If-Match")),
            ("413", "The body is too large.", operation.RequestBody is not null),
            ("415", "The body is of a type that is not taken.", operation.RequestBody is not null),
            ("422", "Well-formed, and still not acceptable.", changes),
            ("503", "The storage does not answer; try again after Retry-After.", true),
        ];
        foreach (var (status, description, _) in refusals.Where(refusal => refusal.Given))
        {
            operation.Responses!.TryAdd(status, Refusal(description, context));
        }
    }

    private static bool IsCallback(OperationFilterContext context) =>
        context.ApiDescription.RelativePath?.StartsWith("v1/callbacks/", StringComparison.Ordinal) is true;

    private static OpenApiResponse Refusal(string description, OperationFilterContext context) =>
        new()
        {
            Description = description,
            Content = new Dictionary<string, IOpenApiMediaType>
            {
                [Problems.ContentType] = new OpenApiMediaType
                {
                    Schema = context.SchemaGenerator.GenerateSchema(typeof(Problem), context.SchemaRepository),
                },
            },
        };

    private static void AddExamples(OpenApiOperation operation)
    {
        foreach (var parameter in operation.Parameters!.OfType<OpenApiParameter>())
        {
            if (ApiExamples.OfParameter(operation.OperationId!, parameter.Name!) is { } example)
            {
                parameter.Example = example;
            }
        }

        if (ApiExamples.OfBody(operation.OperationId!) is { } body)
        {
            foreach (var content in operation.RequestBody!.Content!.Values.OfType<OpenApiMediaType>())
            {
                content.Example = body.DeepClone();
            }
        }
    }

    private static void Add(
        OpenApiOperation operation,
        ParameterLocation location,
        string name,
        string description,
        OpenApiSchema schema
    )
    {
        Remove(operation, name);
        operation.Parameters!.Add(
            new OpenApiParameter
            {
                In = location,
                Name = name,
                Description = description,
                Schema = schema,
            }
        );
    }

    private static void Remove(OpenApiOperation operation, string name)
    {
        foreach (var parameter in operation.Parameters!.Where(parameter => parameter.Name == name).ToList())
        {
            operation.Parameters!.Remove(parameter);
        }
    }

    private static OpenApiSchema Text() => new() { Type = JsonSchemaType.String };
}
