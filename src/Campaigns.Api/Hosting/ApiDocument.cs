using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace Campaigns.Api.Hosting;

/// <summary>The OpenAPI document and Swagger UI.</summary>
internal static class ApiDocument
{
    public const string Name = "v1";

    public static void AddApiDocument(this IServiceCollection services)
    {
        services.AddEndpointsApiExplorer();
        services.AddSwaggerGen(options =>
        {
            options.SwaggerDoc(
                Name,
                new OpenApiInfo
                {
                    Title = "Campaigns",
                    Version = Name,
                    Description =
                        "Whom to reach, with what, when and through which channel; once, inside the hours people accept; "
                        + "and what came of it.",
                }
            );
        });
    }

    /// <summary>Serves the document and Swagger's own files; before authorization, for they are open.</summary>
    public static void UseApiDocument(this WebApplication app)
    {
        app.UseSwagger();
        app.UseSwaggerUI(ui => ui.SwaggerEndpoint($"/swagger/{Name}/swagger.json", "Campaigns"));
    }
}
