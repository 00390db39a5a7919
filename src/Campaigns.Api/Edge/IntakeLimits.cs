using System.Threading.RateLimiting;
using Campaigns.Results;
using Npgsql;

namespace Campaigns.Api.Edge;

/// <summary>What comes in, or is asked, from outside in any amount.</summary>
internal enum Intake
{
    /// <summary>Events and conversions: few in a request share a commit and hold no connection of their own.</summary>
    Events,

    /// <summary>Customers and engagements.</summary>
    Batches,

    /// <summary>What providers post. Bulk of the bank's own does not keep it out.</summary>
    Receipts,

    /// <summary>Reports that read each touch again. Those that add up counters always pass.</summary>
    Recounts,
}

/// <summary>How much is taken in side by side by one node (<c>Intake</c> in the configuration). What comes beyond waits for
/// a moment, unread, and is then refused, so that neither memory nor the wait of those who are served grows with the load.
/// </summary>
internal sealed record IntakeOptions
{
    /// <summary>Batches at once; two fifths of the connections where it is not said, so that enough are left for everybody
    /// else.</summary>
    public int? Batches { get; init; }

    /// <summary>Requests of few events at once.</summary>
    public int Few { get; init; } = 2_000;

    /// <summary>Requests of providers at once; a fifth of the connections where it is not said.</summary>
    public int? Receipts { get; init; }

    /// <summary>Reports that count again at once; a tenth of the connections where it is not said.</summary>
    public int? Recounts { get; init; }

    /// <summary>Requests of a kind that wait for their turn.</summary>
    public int Waiting { get; init; } = 500;

    /// <summary>How long one waits at most.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromSeconds(2);
}

/// <summary>Sheds load: answers 503 <c>overloaded</c> with Retry-After, before the body is read, to what there is no room
/// for. Only what a caller can send again, and only what comes in bulk: consents, refusals, control and health always pass.
/// </summary>
internal sealed class IntakeLimits : IDisposable
{
    /// <summary>Shorter than the shortest JSON of more events than share a commit.</summary>
    public const int FewBytes = 1_536;

    private static readonly Error Overloaded = new(
        ErrorKind.Unavailable,
        "overloaded",
        "More comes in than can be stored: send it again after Retry-After; in batches, if it came one by one."
    )
    {
        RetryAfter = TimeSpan.FromSeconds(1),
    };

    private static readonly Error Counting = Overloaded with
    {
        Detail =
            "As many reports are being counted again as there is room for: ask again after Retry-After, or for one without "
            + "exact, asOf, attribution, notCausal and bySegment.",
    };

    private static readonly string[] Heavy = ["exact", "asOf", "attribution", "notCausal", "bySegment"];

    private readonly RequestDelegate _next;
    private readonly IntakeOptions _options;
    private readonly PartitionedRateLimiter<HttpContext> _limiter;

    public IntakeLimits(RequestDelegate next, IConfiguration configuration, NpgsqlDataSource dataSource)
    {
        (_next, _options) = (next, configuration.GetSection("Intake").Get<IntakeOptions>() ?? new IntakeOptions());
        var connections = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString).MaxPoolSize;
        _limiter = PartitionedRateLimiter.Create<HttpContext, Line>(context =>
            LineOf(context) switch
            {
                Line.Few => Limit(Line.Few, _options.Few),
                Line.Batches => Limit(Line.Batches, _options.Batches ?? connections * 2 / 5),
                Line.Receipts => Limit(Line.Receipts, _options.Receipts ?? connections / 5),
                Line.Recounts => Limit(Line.Recounts, _options.Recounts ?? connections / 10),
                _ => RateLimitPartition.GetNoLimiter(Line.Free),
            }
        );
    }

    private enum Line
    {
        Free,
        Few,
        Batches,
        Receipts,
        Recounts,
    }

    public async Task InvokeAsync(HttpContext context)
    {
        using var lease = await AcquireAsync(context);
        if (lease?.IsAcquired is true)
        {
            await _next(context);
        }
        else
        {
            await Problems.WriteAsync(context, LineOf(context) == Line.Recounts ? Counting : Overloaded);
        }
    }

    public void Dispose() => _limiter.Dispose();

    /// <summary>Null where its turn has not come in time.</summary>
    private async ValueTask<RateLimitLease?> AcquireAsync(HttpContext context)
    {
        var atOnce = _limiter.AttemptAcquire(context);
        if (atOnce.IsAcquired)
        {
            return atOnce;
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        patience.CancelAfter(_options.Wait);
        try
        {
            return await _limiter.AcquireAsync(context, permitCount: 1, patience.Token);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            return null;
        }
    }

    private RateLimitPartition<Line> Limit(Line line, int atOnce) =>
        RateLimitPartition.GetConcurrencyLimiter(
            line,
            _ => new ConcurrencyLimiterOptions
            {
                PermitLimit = Math.Max(1, atOnce),
                QueueLimit = _options.Waiting,
                QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
            }
        );

    private static Line LineOf(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<Bounded>()?.Intake switch
        {
            Intake.Events => IsFew(context.Request) ? Line.Few : Line.Batches,
            Intake.Batches => Line.Batches,
            Intake.Receipts => Line.Receipts,
            Intake.Recounts when Heavy.Any(context.Request.Query.ContainsKey) => Line.Recounts,
            _ => Line.Free,
        };

    // To look an Idempotency-Key up takes a connection.
    private static bool IsFew(HttpRequest request) =>
        request.ContentLength <= FewBytes && !request.Headers.ContainsKey(Idempotency.Header);

    /// <summary>Of an endpoint.</summary>
    internal sealed record Bounded(Intake Intake);
}

internal static class IntakeLimitsExtensions
{
    /// <summary>Has what an endpoint takes in bounded.</summary>
    public static TBuilder Bounded<TBuilder>(this TBuilder endpoint, Intake intake)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new IntakeLimits.Bounded(intake));
}
