using System.Reflection;
using Campaigns.Api.Edge;
using Campaigns.Json;
using Campaigns.Reports;
using Campaigns.Results;
using Microsoft.AspNetCore.Http.Metadata;

namespace Campaigns.Api.Endpoints;

/// <summary>A report in the form that was asked for.</summary>
internal sealed class ReportAnswer(Result<CampaignReport> result) : IResult, IEndpointMetadataProvider
{
    private const string Json = "application/json";
    private const string Csv = "text/csv";
    private const string Html = "text/html";

    static void IEndpointMetadataProvider.PopulateMetadata(MethodInfo method, EndpointBuilder builder) =>
        builder.Metadata.Add(
            new ProducesResponseTypeMetadata(StatusCodes.Status200OK, typeof(CampaignReport), [Json, Csv, Html])
        );

    public Task ExecuteAsync(HttpContext httpContext)
    {
        if (!result.TryGet(out var report, out var error))
        {
            return Problems.WriteAsync(httpContext, error);
        }

        var response = httpContext.Response;
        response.Headers.Vary = "Accept, Accept-Language";
        response.Headers.CacheControl = "no-store";
        switch (Form(httpContext.Request))
        {
            case Csv:
                response.ContentType = $"{Csv}; charset=utf-8";
                response.Headers.ContentDisposition = $"attachment; filename=\"{report.CampaignId}-{report.Run}.csv\"";
                return response.WriteAsync(ReportCsv.Of(report), httpContext.RequestAborted);
            case Html:
                response.ContentType = $"{Html}; charset=utf-8";
                response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'";
                response.Headers.XContentTypeOptions = "nosniff";
                return response.WriteAsync(
                    ReportPage.Of(report, IsChinese(httpContext.Request) ? ReportWords.Chinese : ReportWords.English),
                    httpContext.RequestAborted
                );
            default:
                return response.WriteAsJsonAsync(report, ProductJson.Options, httpContext.RequestAborted);
        }
    }

    // A browser that follows a signed link says text/html itself; whoever says nothing wants JSON.
    private static string Form(HttpRequest request)
    {
        switch (request.Query["format"].ToString())
        {
            case "csv":
                return Csv;
            case "html":
                return Html;
            case "json":
                return Json;
        }

        var accepted = request
            .GetTypedHeaders()
            .Accept.OrderByDescending(type => type.Quality ?? 1)
            .Select(type => type.MediaType.Value);
        return accepted.FirstOrDefault(type => type is Json or Csv or Html) ?? Json;
    }

    internal static bool IsChinese(HttpRequest request)
    {
        if (request.Query["lang"].ToString() is { Length: > 0 } asked)
        {
            return asked.StartsWith("zh", StringComparison.OrdinalIgnoreCase);
        }

        var language = request
            .GetTypedHeaders()
            .AcceptLanguage.OrderByDescending(language => language.Quality ?? 1)
            .Select(language => language.Value.Value ?? "")
            .FirstOrDefault(language => language.StartsWith("zh", Ignoring) || language.StartsWith("en", Ignoring));
        return language?.StartsWith("zh", Ignoring) ?? false;
    }

    private const StringComparison Ignoring = StringComparison.OrdinalIgnoreCase;
}
