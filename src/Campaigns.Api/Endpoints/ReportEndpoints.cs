using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Reports;
using Campaigns.Results;

namespace Campaigns.Api.Endpoints;

/// <summary>The catalogue of metrics.</summary>
public sealed record MetricList(IReadOnlyList<Metric> Items);

internal static class ReportEndpoints
{
    private static readonly TimeSpan LinkLifetime = TimeSpan.FromDays(7);
    private static readonly Role[] Readers = [Role.Analyst, Role.Marketer, Role.Approver, Role.Operator];

    internal static void MapReports(this IEndpointRouteBuilder app)
    {
        var campaigns = app.MapGroup("/campaigns/{campaignId}").WithTags("Reports").RequireRole(Readers);

        campaigns
            .MapGet(
                "/report",
                async (
                    string campaignId,
                    int? run,
                    bool? exact,
                    AsOf asOf,
                    Named<AttributionModel>? attribution,
                    bool? notCausal,
                    bool? bySegment,
                    CampaignReports module,
                    CancellationToken cancellationToken
                ) =>
                    new ReportAnswer(
                        await module.OfAsync(
                            campaignId,
                            new ReportQuestion
                            {
                                Run = run,
                                Exact = exact ?? false,
                                AsOf = asOf.Instant,
                                Attribution = attribution?.Value,
                                NotCausal = notCausal ?? false,
                                BySegment = bySegment ?? false,
                            },
                            cancellationToken
                        )
                    )
            )
            .WithMetadata(TakesSignedLinks.Instance)
            .Bounded(Intake.Recounts)
            .WithName("getReport")
            .WithSummary("What came of a campaign")
            .WithDescription(
                "Ledger, funnel and lift of its latest run, or of the run named. As JSON, as CSV (text/csv), or as a page "
                    + "with charts (text/html) in English or Chinese, by Accept and Accept-Language or by the query's "
                    + "format and lang. It adds up counters, at computedThrough; exact counts every touch again, which takes "
                    + "as long as there are touches and gives the same figures (of a goal that is a number, groups that somebody erased "
                    + "was in stay as they were added up, for her numbers are gone); asOf gives what was known at an earlier "
                    + "instant, at the same cost. attribution (last, first, all) adds attributed conversions, and notCausal "
                    + "comparisons that prove nothing: participating customers with others, the period with the one before (both without whoever was erased since); where the "
                    + "goal is a number nobody converts, and both are left out: what it was last year, where the goal names that, "
                    + "is always there, as number.notCausal. "
                    + "bySegment tells the campaign's segments apart; whoever is in several counts in each. GET /v1/metrics defines every figure."
            );

        campaigns
            .MapPost(
                "/report/link",
                (
                    string campaignId,
                    int? run,
                    bool? exact,
                    AsOf asOf,
                    Named<AttributionModel>? attribution,
                    bool? notCausal,
                    bool? bySegment,
                    HttpRequest request,
                    SignedLinks links
                ) =>
                {
                    // Read where the link leads; here they only have to be such as can be.
                    _ = (run, exact, asOf, attribution, notCausal, bySegment);
                    return links.For($"/v1/campaigns/{campaignId}/report", request.Query, LinkLifetime);
                }
            )
            .WithName("linkReport")
            .WithSummary("Make a link that opens the report in a browser")
            .WithDescription(
                "Without a key, for seven days, and nothing but the report that is asked for here: getReport's parameters are "
                    + "part of the link. Whoever has it may still choose format and lang."
            );

        campaigns
            .MapGet(
                "/schedule",
                async (string campaignId, CampaignSchedules module, CancellationToken cancellationToken) =>
                    (await module.OfAsync(campaignId, cancellationToken)).ToHttp()
            )
            .WithName("getSchedule")
            .WithSummary("Read the timetable as it is planned and as it went")
            .WithDescription(
                "Of its latest planned run, wave by wave: channel, window and touches as planned; first and last attempt, where "
                    + "each touch stands, how late what is due is, and why it stands still, in words. A wave's `massSends` is "
                    + "what WeChat counted of the calls that its touches went by: where `notSent` is not 0, or `problems` "
                    + "names any, fewer were sent than stand as accepted."
            );

        campaigns
            .MapGet(
                "/decisions/{customerId}",
                async (
                    string campaignId,
                    string customerId,
                    CustomerDecisions module,
                    CancellationToken cancellationToken
                ) => (await module.OfAsync(campaignId, customerId, cancellationToken)).ToHttp()
            )
            .WithName("getDecision")
            .WithSummary("What was decided for a customer, and what became of the touch")
            .WithDescription(
                "Of the campaign's latest run, with who submitted, approved and launched it, when, by which rule and by which "
                    + "versions; 404 where the customer was not in its audience."
            );

        app.MapGet("/metrics", (HttpRequest request) => new MetricList(Metrics.In(ReportAnswer.IsChinese(request))))
            .RequireAnyRole()
            .WithTags("Reports")
            .WithName("listMetrics")
            .WithSummary("Define the figures of reports")
            .WithDescription(
                "The one catalogue: two numbers of one name are counted by one rule. In English or in Chinese, by "
                    + "Accept-Language or by the query's lang."
            );
    }
}
