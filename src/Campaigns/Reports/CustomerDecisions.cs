using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Dispatch;
using Campaigns.Json;
using Campaigns.Planning;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>What a campaign decided for a customer, and what became of the touch.</summary>
/// <param name="Run">Number of the run.</param>
/// <param name="Kind"><c>touch</c>, <c>suppressed</c> or <c>held_out</c>.</param>
/// <param name="Reason">Why, where it is no touch.</param>
/// <param name="OpensAt">Of the planned send window, moved with the run.</param>
/// <param name="State">Of the touch: as in <see cref="TouchState"/>.</param>
/// <param name="StateReason">Why it was suppressed at dispatch.</param>
/// <param name="Trace">Who answers for it, and by what it was made.</param>
public sealed record CustomerDecision(
    string CampaignId,
    string CustomerId,
    int Run,
    string Kind,
    DecisionTrace Trace,
    string? Reason = null,
    Channel? Channel = null,
    string? Variant = null,
    DateTimeOffset? OpensAt = null,
    DateTimeOffset? ClosesAt = null,
    string? State = null,
    string? StateReason = null
);

/// <summary>Decisions, one customer at a time.</summary>
public sealed class CustomerDecisions(NpgsqlDataSource dataSource)
{
    /// <summary>By the campaign's latest planned run; 404 where the customer was not in its audience.</summary>
    public async Task<Result<CustomerDecision>> OfAsync(
        string campaignId,
        string customerId,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            new CommandDefinition(
                """
                SELECT r.run_key, r.number, r.as_of, r.plan::text AS plan, d.customer_key, n.name, n.kind, d.channel,
                    d.variant, w.opens_at, w.closes_at, coalesce(p.planned_at, r.planned_at) AS decided_at
                FROM campaign g
                JOIN run r ON r.campaign_key = g.campaign_key AND r.planned_at IS NOT NULL
                JOIN customer c ON c.customer_id = @customerId
                JOIN decision d ON d.run_key = r.run_key AND d.customer_key = c.customer_key AND d.step = 1
                JOIN decision_reason n ON n.reason = d.reason
                LEFT JOIN run_part p
                    ON p.run_key = d.run_key AND d.customer_key >= p.low_key AND d.customer_key < p.high_key
                LEFT JOIN wave w ON w.run_key = d.run_key AND w.wave = d.wave
                WHERE g.campaign_id = @campaignId
                ORDER BY r.number DESC
                LIMIT 1
                """,
                new { campaignId, customerId },
                cancellationToken: cancellationToken
            )
        );
        if (row is null)
        {
            return Error.NotFound("decision of this campaign for customer", customerId);
        }

        var touch = row.Kind == "touch" ? await TouchStates.OfAsync(connection, row.RunKey, row.CustomerKey) : null;
        var plan = JsonSerializer.Deserialize<RunPlan>(row.Plan, ProductJson.Options)!;
        return new CustomerDecision(
            campaignId,
            customerId,
            row.Number,
            row.Kind,
            DecisionTrace.Of(plan, row.Name, row.AsOf, row.DecidedAt, row.Template(plan)),
            row.Kind == "touch" ? null : row.Name,
            row.Channel,
            plan.Variants.FirstOrDefault(variant => variant.Number == row.Variant)?.Name,
            row.OpensAt,
            row.ClosesAt,
            touch?.State,
            touch?.Reason
        );
    }

    private sealed class Row
    {
        public int RunKey { get; init; }
        public int Number { get; init; }
        public long CustomerKey { get; init; }
        public string Name { get; init; } = "";
        public string Kind { get; init; } = "";
        public Channel? Channel { get; init; }
        public short? Variant { get; init; }
        public DateTimeOffset? OpensAt { get; init; }
        public DateTimeOffset? ClosesAt { get; init; }
        public DateTimeOffset AsOf { get; init; }
        public DateTimeOffset DecidedAt { get; init; }
        public string Plan { get; init; } = "";

        internal BoundTemplate? Template(RunPlan plan) =>
            Kind == "touch"
                ? plan.Templates.FirstOrDefault(bound => bound.Variant == Variant && bound.Channel == Channel)
                : null;
    }
}
