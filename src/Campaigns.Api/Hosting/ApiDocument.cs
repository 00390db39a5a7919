using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.XPath;
using Campaigns.Api.Edge;
using Campaigns.Json;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace Campaigns.Api.Hosting;

/// <summary>The OpenAPI document and Swagger UI.</summary>
internal static partial class ApiDocument
{
    public const string Name = "v1";
    public const string Bearer = "key";

    public static void AddApiDocument(this IServiceCollection services)
    {
        services.AddEndpointsApiExplorer();
        services.AddSwaggerGen(options =>
        {
            options.SwaggerDoc(Name, Info);
            options.AddSecurityDefinition(
                Bearer,
                new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.Http,
                    Scheme = "bearer",
                    Description = "A key as it was shown when it was made: keyId.secret.",
                }
            );
            options.SupportNonNullableReferenceTypes();
            options.UseAllOfToExtendReferenceSchemas();
            options.IncludeXmlCommentsFromAssembly(typeof(ApiDocument).Assembly);
            options.IncludeXmlCommentsFromAssembly(typeof(Results.Error).Assembly);
            Map<TimeSpan>(options, "duration");
            Map<TimeOnly>(options, "local-time");
            options.MapType<decimal>(() => new OpenApiSchema { Type = JsonSchemaType.Number, Format = "decimal" });
            options.MapType<decimal?>(() =>
                new OpenApiSchema { Type = JsonSchemaType.Number | JsonSchemaType.Null, Format = "decimal" }
            );
            options.MapType<JsonElement>(() => new OpenApiSchema { Description = "Any JSON." });
            options.OperationFilter<OperationDocument>();
            options.SchemaFilter<Contracts>();
            options.DocumentFilter<ProblemDocument>();
        });
    }

    /// <summary>Serves the document and Swagger's own files; before authorization, for they are open.</summary>
    public static void UseApiDocument(this WebApplication app)
    {
        app.UseSwagger();
        app.UseSwaggerUI(ui =>
        {
            ui.SwaggerEndpoint($"/swagger/{Name}/swagger.json", "Campaigns");
            ui.DocumentTitle = "Campaigns";
            ui.EnablePersistAuthorization();
        });
    }

    private static readonly OpenApiInfo Info = new()
    {
        Title = "Campaigns",
        Version = Name,
        Description =
            "Whom to reach, with what, when and through which channel; once, inside the hours people accept; and what came "
            + "of it. Every refusal is problem+json (RFC 9457) with a stable type. A POST may carry an Idempotency-Key; "
            + "If-Match takes the ETag of what was read.",
    };

    private static void Map<T>(SwaggerGenOptions options, string format)
        where T : struct
    {
        options.MapType<T>(() => new OpenApiSchema { Type = JsonSchemaType.String, Format = format });
        options.MapType<T?>(() =>
            new OpenApiSchema { Type = JsonSchemaType.String | JsonSchemaType.Null, Format = format }
        );
    }

    private static void IncludeXmlCommentsFromAssembly(
        this SwaggerGenOptions options,
        System.Reflection.Assembly assembly
    )
    {
        // The compiler keeps the line breaks of the source.
        var file = Path.Combine(AppContext.BaseDirectory, assembly.GetName().Name + ".xml");
        var text = LineBreak().Replace(File.ReadAllText(file), " ");
        options.IncludeXmlComments(
            () => new XPathDocument(XmlReader.Create(new StringReader(text))),
            includeControllerXmlComments: false
        );
    }

    [GeneratedRegex(@"\s*\n\s*", RegexOptions.None, matchTimeoutMilliseconds: 5000)]
    private static partial Regex LineBreak();
}

/// <summary>The shape of every refusal, which no handler names.</summary>
internal sealed class ProblemDocument : IDocumentFilter
{
    public void Apply(OpenApiDocument swaggerDoc, DocumentFilterContext context) =>
        context.SchemaGenerator.GenerateSchema(typeof(Problem), context.SchemaRepository);
}

/// <summary>What the serialiser knows of a contract and the generator does not: which members have to be there, and what
/// names a dictionary's entries.</summary>
internal sealed class Contracts : ISchemaFilter
{
    /// <summary>Names the enum whose names are a dictionary's keys.</summary>
    public const string KeyType = "x-key-type";

    public void Apply(IOpenApiSchema schema, SchemaFilterContext context)
    {
        if (schema is not OpenApiSchema { Properties.Count: > 0 } contract)
        {
            return;
        }

        var type = ProductJson.Options.GetTypeInfo(context.Type);
        if (type.Kind == JsonTypeInfoKind.Object)
        {
            // What may be null is left out of an answer when it is.
            contract.Required = type
                .Properties.Where(member => member.IsRequired && !MayBeNull(member))
                .Select(member => member.Name)
                .ToHashSet();
        }
        else if (type is { Kind: JsonTypeInfoKind.Dictionary, KeyType: { IsEnum: true } keys })
        {
            context.SchemaGenerator.GenerateSchema(keys, context.SchemaRepository);
            contract.Extensions ??= new Dictionary<string, IOpenApiExtension>();
            contract.Extensions[KeyType] = new JsonNodeExtension(JsonValue.Create(keys.Name));
        }
    }

    private static bool MayBeNull(JsonPropertyInfo member) =>
        member.PropertyType.IsValueType
            ? Nullable.GetUnderlyingType(member.PropertyType) is not null
            : member.IsSetNullable || member.IsGetNullable;
}
