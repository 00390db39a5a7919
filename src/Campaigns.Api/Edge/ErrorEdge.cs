using System.Text.RegularExpressions;
using Campaigns.Results;
using Npgsql;

namespace Campaigns.Api.Edge;

/// <summary>An error met where the framework lets a value only be thrown: while a parameter is bound.</summary>
internal sealed class RefusedException(Error error) : Exception(error.Detail)
{
    public Error Error { get; } = error;
}

/// <summary>The outermost layer: whatever goes wrong leaves as problem+json, with nothing internal in it.</summary>
internal sealed partial class ErrorEdge(RequestDelegate next, ILogger<ErrorEdge> logger)
{
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(1);

    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentLength: null, ContentType: null })
            {
                await Problems.WriteAsync(context, Problems.OfStatus(context.Response.StatusCode));
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is left to answer.
        }
        catch (Exception exception)
        {
            await Problems.WriteAsync(context, Translate(context, exception));
        }
    }

    private Error Translate(HttpContext context, Exception exception)
    {
        switch (exception)
        {
            case RefusedException refused:
                return refused.Error;
            case BadHttpRequestException bad:
                return Translate(bad);
            case PostgresException { SqlState: "22021" or "22P05" }:
                return Error.Validation(new FieldError("", "A text holds the character U+0000."));
            case NpgsqlException { IsTransient: true } or PostgresException { SqlState: "40001" or "40P01" }:
            case PostgresException { SqlState: ['5', '3' or '7', ..] or "25006" }:
                Log.StorageUnavailable(logger, exception);
                return new Error(ErrorKind.Unavailable, "unavailable", "The storage does not answer; try again.")
                {
                    RetryAfter = Moment,
                };
            default:
                Log.Failed(logger, exception, context.Request.Method, context.GetEndpoint()?.DisplayName);
                return new Error(ErrorKind.Unavailable, "internal", "Something went wrong here; it has been logged.");
        }
    }

    private static Error Translate(BadHttpRequestException bad)
    {
        if (bad.StatusCode != StatusCodes.Status400BadRequest)
        {
            return Problems.OfStatus(bad.StatusCode);
        }

        var parameter = ParameterName().Match(bad.Message);
        return parameter.Success
            ? Error.Validation(new FieldError(parameter.Groups["name"].Value, "is missing or has the wrong form"))
            : Problems.OfStatus(bad.StatusCode);
    }

    // The framework tells the parameter's name in its message alone: Failed to bind parameter "int limit" from "x".
    [GeneratedRegex("""parameter "[^"]* (?<name>\w+)" """, RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ParameterName();

    private static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Warning, Message = "The storage does not answer.")]
        public static partial void StorageUnavailable(ILogger logger, Exception exception);

        [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Endpoint} failed.")]
        public static partial void Failed(ILogger logger, Exception exception, string method, string? endpoint);
    }
}
