using System.Diagnostics;
using Campaigns.Results;

namespace Campaigns.Api.Edge;

/// <summary>Why a request was refused (RFC 9457).</summary>
public sealed record Problem
{
    /// <summary>A stable slug such as <c>invalid-state</c>; programs may switch on it.</summary>
    public required string Type { get; init; }

    /// <summary>The slug in words.</summary>
    public required string Title { get; init; }

    /// <summary>The HTTP status.</summary>
    public required int Status { get; init; }

    /// <summary>What is wrong, and what to do next.</summary>
    public required string Detail { get; init; }

    /// <summary>Names this request to the operators.</summary>
    public required string TraceId { get; init; }

    /// <summary>Every field at fault, all at once; empty when the fault is not a field's.</summary>
    public IReadOnlyList<ProblemField> Errors { get; init; } = [];
}

/// <summary>One field at fault.</summary>
/// <param name="Path">Where, as in <c>rule.all[2].field</c>.</param>
/// <param name="Detail">Why.</param>
public sealed record ProblemField(string Path, string Detail);

/// <summary>Writes refusals: the only place where an expected failure becomes HTTP.</summary>
internal static class Problems
{
    public const string ContentType = "application/problem+json";

    /// <summary>Answers with the error, unless the answer has begun already.</summary>
    public static async Task WriteAsync(HttpContext context, Error error)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }

        var problem = new Problem
        {
            Type = error.Type,
            Title = Title(error.Type),
            Status = Status(error),
            Detail = error.Detail,
            TraceId = Activity.Current?.TraceId.ToString() ?? context.TraceIdentifier,
            Errors = [.. error.Fields.Select(field => new ProblemField(field.Path, field.Detail))],
        };
        context.Response.StatusCode = problem.Status;
        if (error.RetryAfter is { } wait)
        {
            context.Response.Headers.RetryAfter = $"{Math.Ceiling(Math.Max(1, wait.TotalSeconds))}";
        }

        await context.Response.WriteAsJsonAsync(problem, Json.ProductJson.Options, ContentType, context.RequestAborted);
    }

    /// <summary>What a bare status means, for answers that the framework gives without a body.</summary>
    public static Error OfStatus(int status) =>
        status switch
        {
            StatusCodes.Status401Unauthorized => Unauthenticated("A key is needed: Authorization: Bearer <key>."),
            StatusCodes.Status403Forbidden => new(ErrorKind.Forbidden, "forbidden", "This key's role may not do this."),
            StatusCodes.Status404NotFound => new(ErrorKind.NotFound, "not-found", "There is nothing at this address."),
            StatusCodes.Status405MethodNotAllowed => new(
                ErrorKind.Malformed,
                "method-not-allowed",
                "This address does not take this method; see the Allow header."
            ),
            StatusCodes.Status413PayloadTooLarge => TooLarge,
            StatusCodes.Status415UnsupportedMediaType => UnsupportedMediaType,
            _ => new(ErrorKind.Malformed, "bad-request", "The request cannot be understood."),
        };

    public static readonly Error TooLarge = new(
        ErrorKind.TooLarge,
        "payload-too-large",
        "The body is larger than this address accepts; send it in parts."
    );

    public static readonly Error UnsupportedMediaType = new(
        ErrorKind.Malformed,
        "unsupported-media-type",
        "Send JSON in UTF-8: Content-Type: application/json."
    );

    public static Error Unauthenticated(string detail) => new(ErrorKind.Unauthenticated, "unauthenticated", detail);

    private static int Status(Error error) =>
        error.Type switch
        {
            "method-not-allowed" => StatusCodes.Status405MethodNotAllowed,
            "unsupported-media-type" => StatusCodes.Status415UnsupportedMediaType,
            "internal" => StatusCodes.Status500InternalServerError,
            "rate-limited" => StatusCodes.Status429TooManyRequests,
            _ => error.Kind switch
            {
                ErrorKind.Malformed => StatusCodes.Status400BadRequest,
                ErrorKind.Invalid => StatusCodes.Status422UnprocessableEntity,
                ErrorKind.NotFound => StatusCodes.Status404NotFound,
                ErrorKind.Conflict => StatusCodes.Status409Conflict,
                ErrorKind.Precondition => StatusCodes.Status412PreconditionFailed,
                ErrorKind.Forbidden => StatusCodes.Status403Forbidden,
                ErrorKind.Unauthenticated => StatusCodes.Status401Unauthorized,
                ErrorKind.TooLarge => StatusCodes.Status413PayloadTooLarge,
                _ => StatusCodes.Status503ServiceUnavailable,
            },
        };

    private static string Title(string slug) => char.ToUpperInvariant(slug[0]) + slug[1..].Replace('-', ' ');
}
