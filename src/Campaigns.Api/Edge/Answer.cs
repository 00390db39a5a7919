using System.Reflection;
using Campaigns.Results;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Net.Http.Headers;

namespace Campaigns.Api.Edge;

/// <summary>How a <see cref="Result{T}"/> becomes an answer; Swagger learns the body's type from it.</summary>
internal static class Answers
{
    /// <summary>200 with the value, 204 for <see cref="Done"/>, or the problem.</summary>
    /// <param name="etag">The version of what is answered, for the ETag header.</param>
    public static Answer<T> ToHttp<T>(this Result<T> result, Func<T, int>? etag = null) =>
        new(result, typeof(T) == typeof(Done) ? StatusCodes.Status204NoContent : StatusCodes.Status200OK)
        {
            Version = etag,
        };

    /// <summary>201 with the value and where it is now, or the problem.</summary>
    public static CreatedAnswer<T> ToCreated<T>(
        this Result<T> result,
        Func<T, string> location,
        Func<T, int>? etag = null
    ) => new(result) { Location = location, Version = etag };

    /// <summary>202 with the value (an operation, as a rule) and where to watch it, or the problem.</summary>
    public static AcceptedAnswer<T> ToAccepted<T>(this Result<T> result, Func<T, string> location) =>
        new(result) { Location = location };

    /// <summary>200 with what a PUT left, 201 where there was none of this id before, or the problem.</summary>
    public static SavedAnswer<T> ToSaved<T>(this Result<Saved<T>> result, Func<T, int> etag) =>
        result.TryGet(out var saved, out var error)
            ? new SavedAnswer<T>(saved.Value, saved.Created) { Version = etag }
            : new SavedAnswer<T>(error, created: false);

    internal static void Declare<T>(EndpointBuilder builder, int status)
    {
        builder.Metadata.Add(
            typeof(T) == typeof(Done)
                ? new ProducesResponseTypeMetadata(StatusCodes.Status204NoContent, typeof(void))
                : new ProducesResponseTypeMetadata(status, typeof(T), ["application/json"])
        );
    }
}

/// <summary>200 with a value, 204 without, or a problem.</summary>
internal class Answer<T>(Result<T> result, int status) : IResult, IEndpointMetadataProvider
{
    public Func<T, string>? Location { get; init; }

    public Func<T, int>? Version { get; init; }

    static void IEndpointMetadataProvider.PopulateMetadata(MethodInfo method, EndpointBuilder builder) =>
        Answers.Declare<T>(builder, StatusCodes.Status200OK);

    public Task ExecuteAsync(HttpContext httpContext)
    {
        if (!result.TryGet(out var value, out var error))
        {
            return Problems.WriteAsync(httpContext, error);
        }

        var response = httpContext.Response;
        response.StatusCode = status;
        if (Location is not null)
        {
            response.Headers.Location = Location(value);
        }

        if (Version is not null)
        {
            response.Headers.ETag = new EntityTagHeaderValue($"\"{Version(value)}\"").ToString();
        }

        return status == StatusCodes.Status204NoContent
            ? Task.CompletedTask
            : response.WriteAsJsonAsync(value, Json.ProductJson.Options, httpContext.RequestAborted);
    }
}

/// <summary>201 with a value, or a problem.</summary>
internal sealed class CreatedAnswer<T>(Result<T> result)
    : Answer<T>(result, StatusCodes.Status201Created),
        IEndpointMetadataProvider
{
    static void IEndpointMetadataProvider.PopulateMetadata(MethodInfo method, EndpointBuilder builder) =>
        Answers.Declare<T>(builder, StatusCodes.Status201Created);
}

/// <summary>202 with a value, or a problem.</summary>
internal sealed class AcceptedAnswer<T>(Result<T> result)
    : Answer<T>(result, StatusCodes.Status202Accepted),
        IEndpointMetadataProvider
{
    static void IEndpointMetadataProvider.PopulateMetadata(MethodInfo method, EndpointBuilder builder) =>
        Answers.Declare<T>(builder, StatusCodes.Status202Accepted);
}

/// <summary>200 or 201 with what a PUT left, or a problem.</summary>
internal sealed class SavedAnswer<T>(Result<T> result, bool created)
    : Answer<T>(result, created ? StatusCodes.Status201Created : StatusCodes.Status200OK),
        IEndpointMetadataProvider
{
    static void IEndpointMetadataProvider.PopulateMetadata(MethodInfo method, EndpointBuilder builder)
    {
        Answers.Declare<T>(builder, StatusCodes.Status200OK);
        Answers.Declare<T>(builder, StatusCodes.Status201Created);
    }
}
