using Campaigns.Api.Hosting;
using Campaigns.Jobs;
using Dapper;
using Npgsql;

namespace Campaigns.Api.Endpoints;

/// <summary>How this node is.</summary>
public sealed record Health
{
    /// <summary><c>ready</c>, or <c>unavailable</c> when the database does not answer.</summary>
    public required string Status { get; init; }

    /// <summary>What the node does: <c>api</c>, <c>worker</c> or <c>all</c>.</summary>
    public required string Role { get; init; }

    /// <summary>The job engine that is compiled in.</summary>
    public required string Engine { get; init; }

    /// <summary>Numbered files applied to the database; null when it does not answer.</summary>
    public int? Migrations { get; init; }

    /// <summary>Business time minus the database's clock; zero in production.</summary>
    public TimeSpan? ClockOffset { get; init; }

    /// <summary>This node's clock minus the database's, in seconds; a node that is more than 2 s off does not dispatch.
    /// </summary>
    public double? ClockSkew { get; init; }
}

internal static class HealthEndpoints
{
    private const int PatienceSeconds = 2;

    internal static void MapHealth(this IEndpointRouteBuilder app)
    {
        app.MapGet("/health", AskAsync)
            .AllowAnonymous()
            .WithTags("Health")
            .WithName("health")
            .WithSummary("Whether this node is ready")
            .WithDescription("200 when it is, 503 when its database does not answer. Open to everyone.")
            .Produces<Health>()
            .Produces<Health>(StatusCodes.Status503ServiceUnavailable);
        app.MapGet("/health/live", () => TypedResults.Text("live")).AllowAnonymous().ExcludeFromDescription();
    }

    private static async Task<IResult> AskAsync(
        NpgsqlDataSource dataSource,
        Node node,
        TimeProvider time,
        IJobEngine engine,
        CancellationToken cancellationToken
    )
    {
        var health = new Health
        {
            Status = "unavailable",
            Role = node.Role,
            Engine = engine.Name,
        };
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(TimeSpan.FromSeconds(PatienceSeconds));
            await using var connection = await dataSource.OpenConnectionAsync(patience.Token);
            var asked = time.GetUtcNow();
            var database = await connection.QuerySingleAsync<DatabaseHealth>(
                new CommandDefinition(
                    """
                    SELECT (SELECT count(*)::int FROM schema_migration) AS migrations,
                           clock_offset, clock_timestamp() AS now
                    FROM business_clock
                    """,
                    cancellationToken: patience.Token
                )
            );
            var midway = asked + (time.GetUtcNow() - asked) / 2;
            return TypedResults.Ok(
                health with
                {
                    Status = "ready",
                    Migrations = database.Migrations,
                    ClockOffset = database.ClockOffset,
                    ClockSkew = Math.Round((midway - database.Now).TotalSeconds, 3),
                }
            );
        }
        catch (Exception exception)
            when (exception is NpgsqlException or OperationCanceledException or TimeoutException)
        {
            return TypedResults.Json(health, statusCode: StatusCodes.Status503ServiceUnavailable);
        }
    }

    private sealed record DatabaseHealth
    {
        public int Migrations { get; init; }
        public TimeSpan ClockOffset { get; init; }
        public DateTimeOffset Now { get; init; }
    }
}
