using Campaigns.Json;
using Campaigns.Results;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Net.Http.Headers;

namespace Campaigns.Api.Edge;

/// <summary>Keeps a JSON body at hand, so that one that cannot be read is looked at a second time, slowly, and answered
/// with every fault it has. A good body is parsed once.</summary>
internal sealed class StrictRequests(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext context)
    {
        if (HoldsNul(context.Request))
        {
            await Problems.WriteAsync(context, Error.Validation(new FieldError("", "The address holds U+0000.")));
            return;
        }

        if (BodyType(context) is not { } type)
        {
            await next(context);
            return;
        }

        if (context.Request.GetTypedHeaders().ContentType?.Encoding is { } encoding && encoding.CodePage != 65001)
        {
            await Problems.WriteAsync(context, Problems.UnsupportedMediaType);
            return;
        }

        var body = await BufferAsync(context);
        if (NeedsLook(body) && FindFault(body, type) is { } fault)
        {
            await Problems.WriteAsync(context, fault);
            return;
        }

        try
        {
            await next(context);
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status400BadRequest)
        {
            if (FindFault(body, type) is not { } found)
            {
                throw;
            }

            await Problems.WriteAsync(context, found);
        }
    }

    // What the serialiser lets through: U+0000, which PostgreSQL refuses, and null as an item of a list.
    private static bool NeedsLook(MemoryStream body)
    {
        var bytes = body.GetBuffer().AsSpan(0, (int)body.Length);
        return bytes.IndexOf("\\u0000"u8) >= 0 || bytes.IndexOf("null"u8) >= 0;
    }

    private static Error? FindFault(MemoryStream body, Type type) =>
        BodyInspector.FindFault(Bytes(body), type, ProductJson.Options);

    private static ReadOnlyMemory<byte> Bytes(MemoryStream body) => body.GetBuffer().AsMemory(0, (int)body.Length);

    private static Type? BodyType(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<IAcceptsMetadata>() is { RequestType: { } type } accepts
        && accepts.ContentTypes.Contains("application/json", StringComparer.Ordinal)
            ? type
            : null;

    private static bool HoldsNul(HttpRequest request) =>
        request.QueryString.HasValue
        && request.Query.Any(pair =>
            pair.Key.Contains('\0', StringComparison.Ordinal)
            || pair.Value.Any(value => value?.Contains('\0', StringComparison.Ordinal) == true)
        );

    private static async Task<MemoryStream> BufferAsync(HttpContext context)
    {
        var body = new MemoryStream((int)Math.Min(context.Request.ContentLength ?? 1024, 1 << 20));
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        body.Position = 0;
        context.Request.Body = body;
        return body;
    }
}
