using System.Text.Json;
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Results;
using Campaigns.Segments;
using Microsoft.AspNetCore.Mvc;

namespace Campaigns.Api.Endpoints;

/// <summary>A segment as it is sent.</summary>
/// <param name="Name">For people; 1 to 200 characters.</param>
/// <param name="Rule">Whom it is for; left out to rename an uploaded list.</param>
public sealed record SegmentRequest(string Name, JsonElement? Rule = null);

/// <summary>A segment at one of its versions.</summary>
/// <param name="Id">Given by the client.</param>
/// <param name="Version">Grows with every change, be it of a segment that the rule names.</param>
/// <param name="Description">The rule in words, in the language of Accept-Language (en, zh).</param>
/// <param name="Rule">Left out for an uploaded list.</param>
/// <param name="ListSize">Customers on the uploaded list.</param>
/// <param name="Uses">The segments that the rule names, at the versions this one stands for.</param>
public sealed record SegmentResponse(
    string Id,
    int Version,
    string Name,
    string? Description,
    JsonElement? Rule,
    int? ListSize,
    IReadOnlyList<SegmentReference> Uses,
    string CreatedBy,
    DateTimeOffset CreatedAt
);

/// <summary>What became of an uploaded list.</summary>
/// <param name="Changed">Whether there is a new version: the same customers again make none.</param>
/// <param name="Members">Customers on the list now.</param>
/// <param name="Repeated">Lines with an id that an earlier line has.</param>
/// <param name="Unknown">Ids of no customer: they are left out, and not kept for later.</param>
/// <param name="Wrong">Lines that hold no id: left out too.</param>
/// <param name="Faults">The first 100 lines that are unknown or wrong.</param>
public sealed record SegmentListResponse(
    string Id,
    int Version,
    bool Changed,
    int Members,
    int Repeated,
    int Unknown,
    int Wrong,
    IReadOnlyList<ListFault> Faults
);

internal static class SegmentEndpoints
{
    // A million lines of the longest ids, as JSON objects.
    private const long MostListBytes = 128L << 20;
    private const int DefaultSample = 20;
    private const int MaxSample = 1_000;

    internal static void MapSegments(this IEndpointRouteBuilder app)
    {
        var segments = app.MapGroup("/segments").WithTags("Segments");
        segments.MapDefinitions();
        segments.MapMembers();
    }

    private static void MapDefinitions(this RouteGroupBuilder segments)
    {
        segments
            .MapPut("/{segmentId}", PutAsync)
            .RequireRole(Role.Marketer)
            .Produces<SegmentResponse>()
            .Produces<SegmentResponse>(StatusCodes.Status201Created)
            .WithName("putSegment")
            .WithSummary("Create or change a segment")
            .WithDescription(
                "Every change makes a version, of the segments that name this one too; the same again makes none. A rule is "
                    + "one of: {\"all\": […]}, {\"any\": […]}, {\"not\": {…}}, {\"tag\": \"vip\"}, "
                    + "{\"segment\": \"new-citizens\"}, a field test {\"field\", \"op\", \"value\"} or an event test "
                    + "{\"event\", \"where\", \"within\"} with atLeast, atMost, never, lastBefore, or sum with op and value. "
                    + "where takes only events that have 1 to 10 attributes: what customers do with messages (message.opened, "
                    + "message.clicked, message.dismissed) has the campaign's id as campaign."
            );

        segments
            .MapGet(
                "/{segmentId}",
                async (
                    string segmentId,
                    int? version,
                    HttpRequest request,
                    SegmentStore module,
                    CancellationToken cancellationToken
                ) =>
                    (await module.GetAsync(segmentId, version, cancellationToken))
                        .Map(segment => ToResponse(segment, Languages.Of(request)))
                        .ToHttp(segment => segment.Version)
            )
            .RequireRole(Role.Marketer, Role.Approver, Role.Operator, Role.Analyst)
            .WithName("getSegment")
            .WithSummary("Read a segment")
            .WithDescription("The newest version, or the one asked for, with its rule in words.");

        segments
            .MapGet(
                "",
                async (Paging paging, HttpRequest request, SegmentStore module, CancellationToken cancellationToken) =>
                {
                    var rows = await module.ListAsync(paging.After, paging.Limit + 1, cancellationToken);
                    var language = Languages.Of(request);
                    return paging.Page([.. rows.Select(row => ToResponse(row, language))], segment => segment.Id);
                }
            )
            .RequireRole(Role.Marketer, Role.Approver, Role.Operator, Role.Analyst)
            .WithName("listSegments")
            .WithSummary("List segments")
            .WithDescription("The newest versions, by id.");

        segments
            .MapPost(
                "/{segmentId}/archive",
                async (
                    string segmentId,
                    IfMatch ifMatch,
                    Actor actor,
                    SegmentStore module,
                    CancellationToken cancellationToken
                ) => (await module.ArchiveAsync(actor, segmentId, ifMatch.Version, cancellationToken)).ToHttp()
            )
            .RequireRole(Role.Marketer)
            .WithName("archiveSegment")
            .WithSummary("Archive a segment")
            .WithDescription(
                "It is not listed and cannot be named any more; its versions can still be read. 409 while another segment names "
                    + "it, or a campaign that is submitted, approved, running or paused uses it. A PUT brings it back."
            );
    }

    private static void MapMembers(this RouteGroupBuilder segments)
    {
        segments
            .MapPost("/{segmentId}/members", UploadAsync)
            .RequireRole(Role.Marketer)
            .Accepts<string>("text/plain", "application/x-ndjson")
            .WithMetadata(new RequestSizeLimitAttribute(MostListBytes))
            .WithName("uploadSegmentMembers")
            .WithSummary("Upload a list of customers as a segment")
            .WithDescription(
                "UTF-8, up to 1,000,000 lines, read as they arrive. As text/plain a customer's id a line, as "
                    + "application/x-ndjson a text or {\"customerId\": \"…\"}. The list replaces the one before and makes a "
                    + "version; the same customers again make none."
            );

        segments
            .MapGet(
                "/{segmentId}/count",
                async (
                    string segmentId,
                    int? version,
                    AsOf asOf,
                    SegmentMembers module,
                    CancellationToken cancellationToken
                ) => (await module.CountAsync(segmentId, version, asOf.Instant, cancellationToken)).ToHttp()
            )
            .RequireRole(Role.Marketer, Role.Approver, Role.Operator, Role.Analyst)
            .WithName("countSegment")
            .WithSummary("Count the members")
            .WithDescription(
                "As of an instant, now unless said: events up to it count and relative dates begin there; attributes, tags "
                    + "and lists are those of now."
            );

        segments
            .MapGet("/{segmentId}/members", SampleAsync)
            .RequireRole(Role.Marketer, Role.Approver, Role.Analyst)
            .WithName("sampleSegmentMembers")
            .WithSummary("See some members")
            .WithDescription("The ids of the first members, in the order in which they became customers.");

        segments
            .MapGet(
                "/{segmentId}/customers/{customerId}/explain",
                async (
                    string segmentId,
                    string customerId,
                    int? version,
                    AsOf asOf,
                    HttpRequest request,
                    SegmentMembers module,
                    CancellationToken cancellationToken
                ) =>
                    (
                        await module.ExplainAsync(
                            segmentId,
                            version,
                            customerId,
                            asOf.Instant,
                            Languages.Of(request),
                            cancellationToken
                        )
                    ).ToHttp()
            )
            .RequireRole(Role.Marketer, Role.Approver, Role.Analyst)
            .WithName("explainSegmentMembership")
            .WithSummary("Why is this customer in, or out?")
            .WithDescription(
                "Every test in words, whether it holds, and which of them decide; sensitive values are masked."
            );
    }

    private static async Task<IResult> PutAsync(
        string segmentId,
        SegmentRequest segment,
        IfMatch ifMatch,
        HttpRequest request,
        Actor actor,
        SegmentStore module,
        CancellationToken cancellationToken
    )
    {
        var draft = new SegmentDraft(segment.Name, segment.Rule);
        var saved = await module.PutAsync(actor, segmentId, draft, ifMatch.Version, cancellationToken);
        var answer = saved.Map(change => ToResponse(change.Segment, Languages.Of(request)));
        return saved.TryGet(out var done, out _) && done.Created
            ? answer.ToCreated(made => $"/v1/segments/{made.Id}", made => made.Version)
            : answer.ToHttp(made => made.Version);
    }

    private static async Task<Answer<SegmentListResponse>> UploadAsync(
        string segmentId,
        string? name,
        IfMatch ifMatch,
        HttpRequest request,
        Actor actor,
        SegmentStore module,
        CancellationToken cancellationToken
    )
    {
        var format =
            request.GetTypedHeaders().ContentType?.MediaType.Value == "text/plain"
                ? ListFormat.PlainText
                : ListFormat.JsonLines;
        var uploaded = await module.UploadAsync(
            actor,
            segmentId,
            name,
            request.Body,
            format,
            ifMatch.Version,
            cancellationToken
        );
        return uploaded
            .Map(list => new SegmentListResponse(
                list.Segment.SegmentId,
                list.Segment.Version,
                list.Changed,
                list.Members,
                list.Repeated,
                list.Unknown,
                list.Wrong,
                list.Faults
            ))
            .ToHttp(list => list.Version);
    }

    private static async Task<Answer<SegmentSample>> SampleAsync(
        string segmentId,
        int? version,
        int? limit,
        AsOf asOf,
        SegmentMembers module,
        CancellationToken cancellationToken
    )
    {
        Result<SegmentSample> sample = limit is < 1 or > MaxSample
            ? Error.Validation(new FieldError("limit", $"must be a whole number from 1 to {MaxSample}"))
            : await module.SampleAsync(segmentId, version, asOf.Instant, limit ?? DefaultSample, cancellationToken);
        return sample.ToHttp();
    }

    private static SegmentResponse ToResponse(Segment segment, RuleLanguage language) =>
        new(
            segment.SegmentId,
            segment.Version,
            segment.Name,
            segment.Describe(language),
            segment.Rule,
            segment.ListSize,
            segment.Uses,
            segment.CreatedBy,
            segment.CreatedAt
        );
}
