using Campaigns.Channels;
using Campaigns.Dispatch;
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
public sealed record CustomerDecision(
    string CampaignId,
    string CustomerId,
    int Run,
    string Kind,
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
                SELECT r.run_key, r.number, d.customer_key, n.name, n.kind, d.channel,
                    (
                        SELECT v ->> 'name' FROM jsonb_array_elements(r.plan -> 'variants') v
                        WHERE (v ->> 'number')::int = d.variant
                    ) AS variant,
                    w.opens_at, w.closes_at
                FROM campaign p
                JOIN run r ON r.campaign_key = p.campaign_key AND r.planned_at IS NOT NULL
                JOIN customer c ON c.customer_id = @customerId
                JOIN decision d ON d.run_key = r.run_key AND d.customer_key = c.customer_key AND d.step = 1
                JOIN decision_reason n ON n.reason = d.reason
                LEFT JOIN wave w ON w.run_key = d.run_key AND w.wave = d.wave
                WHERE p.campaign_id = @campaignId
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
        return new CustomerDecision(
            campaignId,
            customerId,
            row.Number,
            row.Kind,
            row.Kind == "touch" ? null : row.Name,
            row.Channel,
            row.Variant,
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
        public string? Variant { get; init; }
        public DateTimeOffset? OpensAt { get; init; }
        public DateTimeOffset? ClosesAt { get; init; }
    }
}
