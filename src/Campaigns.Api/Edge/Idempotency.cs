using System.Security.Claims;
using System.Text;
using Campaigns.Access;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Api.Edge;

/// <summary>Marks an endpoint whose answer holds a secret: it is not kept, so a repeat is refused instead of answered.
/// </summary>
internal sealed class SecretAnswer
{
    public static readonly SecretAnswer Instance = new();
}

/// <summary>A POST with an Idempotency-Key is done once: a repeat gets the first answer again, for a day. Keys belong to
/// the caller.</summary>
internal sealed class Idempotency(RequestDelegate next, NpgsqlDataSource dataSource, SigningKey signing)
{
    public const string Header = "Idempotency-Key";

    /// <summary>For how long an answer is kept.</summary>
    public const string Kept = "24 hours";

    // A first request that has not ended by then died with its node; its repeat may be done.
    private const string Abandoned = "2 minutes";
    private const int MostKept = 1 << 20;

    public async Task InvokeAsync(HttpContext context)
    {
        var header = context.Request.Headers[Header];
        if (
            header.Count == 0
            || !HttpMethods.IsPost(context.Request.Method)
            || context.User.FindFirstValue(ClaimTypes.NameIdentifier) is not { } actor
        )
        {
            await next(context);
            return;
        }

        if (header is not [{ Length: >= 1 and <= 255 } key] || key.Any(c => c is < '!' or > '~'))
        {
            await Problems.WriteAsync(
                context,
                Error.Validation(new FieldError(Header, "must have 1 to 255 visible ASCII characters"))
            );
            return;
        }

        var hash = Hash(context.Request);
        if (await BeginAsync(actor, key, hash, context.RequestAborted))
        {
            await FirstTimeAsync(context, actor, key);
        }
        else
        {
            await AgainAsync(context, actor, key, hash);
        }
    }

    private async Task FirstTimeAsync(HttpContext context, string actor, string key)
    {
        var wire = context.Response.Body;
        using var answer = new MemoryStream();
        context.Response.Body = answer;
        try
        {
            await next(context);
        }
        catch
        {
            await ForgetAsync(actor, key);
            throw;
        }
        finally
        {
            context.Response.Body = wire;
        }

        if (context.Response.StatusCode >= StatusCodes.Status500InternalServerError)
        {
            await ForgetAsync(actor, key);
        }
        else
        {
            var secret = context.GetEndpoint()?.Metadata.GetMetadata<SecretAnswer>() is not null;
            await KeepAsync(context.Response, actor, key, secret || answer.Length > MostKept ? null : answer.ToArray());
        }

        answer.Position = 0;
        await answer.CopyToAsync(wire, context.RequestAborted);
    }

    private async Task AgainAsync(HttpContext context, string actor, string key, byte[] hash)
    {
        await using var connection = await dataSource.OpenConnectionAsync(context.RequestAborted);
        var first = await connection.QuerySingleOrDefaultAsync<First>(
            """
            SELECT request_hash, status, content_type, location, body
            FROM idempotency WHERE actor = @actor AND key = @key
            """,
            new { actor, key }
        );
        if (first is not null && !first.RequestHash.AsSpan().SequenceEqual(hash))
        {
            await Problems.WriteAsync(
                context,
                new Error(
                    ErrorKind.Invalid,
                    "idempotency-mismatch",
                    "This Idempotency-Key was used for another request; take a new one."
                )
            );
        }
        else if (first?.Status is not { } status)
        {
            await Problems.WriteAsync(
                context,
                new Error(ErrorKind.Conflict, "in-progress", "The first request with this key is still under way.")
                {
                    RetryAfter = TimeSpan.FromSeconds(1),
                }
            );
        }
        else if (first.Body is null)
        {
            await Problems.WriteAsync(
                context,
                new Error(
                    ErrorKind.Conflict,
                    "answer-not-kept",
                    $"This request was done and answered with {status}; its answer was not kept."
                )
            );
        }
        else
        {
            context.Response.StatusCode = status;
            context.Response.ContentType = first.ContentType;
            if (first.Location is not null)
            {
                context.Response.Headers.Location = first.Location;
            }

            await context.Response.Body.WriteAsync(first.Body, context.RequestAborted);
        }
    }

    private byte[] Hash(HttpRequest request)
    {
        var head = Encoding.UTF8.GetBytes($"{request.Path}{request.QueryString} {request.ContentLength}\n");
        return request.Body is MemoryStream body
            ? signing.Sign("idempotency", [.. head, .. body.GetBuffer().AsSpan(0, (int)body.Length)])
            : signing.Sign("idempotency", head);
    }

    private async Task<bool> BeginAsync(string actor, string key, byte[] hash, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var taken = await connection.ExecuteAsync(
            $"""
            INSERT INTO idempotency AS i (actor, key, request_hash, started_at) VALUES (@actor, @key, @hash, now())
            ON CONFLICT (actor, key) DO UPDATE
                SET request_hash = excluded.request_hash, started_at = excluded.started_at, status = NULL, body = NULL
                WHERE i.started_at < now() - interval '{Kept}'
                   OR (i.status IS NULL AND i.request_hash = excluded.request_hash
                       AND i.started_at < now() - interval '{Abandoned}')
            """,
            new
            {
                actor,
                key,
                hash,
            }
        );
        return taken == 1;
    }

    private async Task KeepAsync(HttpResponse response, string actor, string key, byte[]? body)
    {
        await using var connection = await dataSource.OpenConnectionAsync(CancellationToken.None);
        await connection.ExecuteAsync(
            """
            UPDATE idempotency SET status = @status, content_type = @contentType, location = @location, body = @body
            WHERE actor = @actor AND key = @key
            """,
            new
            {
                actor,
                key,
                status = (short)response.StatusCode,
                contentType = response.ContentType,
                location = response.Headers.Location.ToString() is { Length: > 0 } location ? location : null,
                body,
            }
        );
    }

    private async Task ForgetAsync(string actor, string key)
    {
        await using var connection = await dataSource.OpenConnectionAsync(CancellationToken.None);
        await connection.ExecuteAsync(
            "DELETE FROM idempotency WHERE actor = @actor AND key = @key",
            new { actor, key }
        );
    }

    private sealed record First
    {
        public required byte[] RequestHash { get; init; }
        public short? Status { get; init; }
        public string? ContentType { get; init; }
        public string? Location { get; init; }
        public byte[]? Body { get; init; }
    }
}
