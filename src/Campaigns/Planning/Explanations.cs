using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Lifecycle;
using Campaigns.Results;
using Campaigns.Segments;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>What a run would decide for one customer, and why.</summary>
public sealed record Explanation
{
    public required string CampaignId { get; init; }
    public required string CustomerId { get; init; }

    /// <summary>The instant it was reckoned for.</summary>
    public required DateTimeOffset AsOf { get; init; }

    /// <summary>Whether an included segment has the customer; if not, nothing else is said. The segments explain why.
    /// </summary>
    public required bool InAudience { get; init; }

    /// <summary><c>touch</c>, <c>held_out</c>, <c>held_out_global</c>, or the first rule that fails.</summary>
    public string? Decision { get; init; }

    /// <summary>All rules that fail, in their order; not just the first.</summary>
    public IReadOnlyList<string> Failing { get; init; } = [];

    /// <summary>What each of these says, in their order; where none fails, what the decision says.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];
    public Channel? Channel { get; init; }

    /// <summary>Name of the variant; null for who gets no touch.</summary>
    public string? Variant { get; init; }

    /// <summary>The earliest instant at which the customer could be reached on a channel of the campaign, as far as hours
    /// decide it; null when no window is left.</summary>
    public DateTimeOffset? Earliest { get; init; }
}

/// <summary>Explains what a campaign would decide for one customer: the planning statement itself, over one key, rolled
/// back.</summary>
public sealed class Explanations(NpgsqlDataSource dataSource, CampaignBinding binding, SegmentStore segments)
{
    /// <summary>Explains the newest version of a campaign for a customer.</summary>
    /// <param name="language">Of the words.</param>
    /// <returns>404 for either; 422 as submitting would.</returns>
    public async Task<Result<Explanation>> OfAsync(
        string campaignId,
        string customerId,
        RuleLanguage language,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var customer = await connection.QuerySingleOrDefaultAsync<CustomerRow>(
            """
            SELECT c.customer_key, k.reachable, k.consented, k.preferred_slots, z.name AS zone
            FROM customer c JOIN contact k USING (customer_key) JOIN time_zone z ON z.zone = k.zone
            WHERE c.customer_id = @customerId
            """,
            new { customerId }
        );
        if (customer is null)
        {
            return Error.NotFound("customer", customerId);
        }

        var made = await RehearsedRun.CreateAsync(connection, campaignId, binding, segments, cancellationToken);
        if (!made.TryGet(out var run, out var error))
        {
            return error;
        }

        var explanation = new Explanation
        {
            CampaignId = campaignId,
            CustomerId = customerId,
            AsOf = run.AsOf,
            InAudience = false,
        };
        var decision = await DecideAsync(connection, run, customer.CustomerKey, cancellationToken);
        return decision is null
            ? explanation
            : explanation with
            {
                InAudience = true,
                Decision = ((Reason)decision.Reason).Name(),
                Failing = [.. decision.Failing.Select(reason => reason.Name())],
                Words =
                [
                    .. decision.Failing.DefaultIfEmpty((Reason)decision.Reason).Select(reason => reason.In(language)),
                ],
                Channel = decision.Channel,
                Variant = run.Plan.Variants.FirstOrDefault(variant => variant.Number == decision.Variant)?.Name,
                Earliest = Earliest(run, customer),
            };
    }

    private static async Task<DecisionRow?> DecideAsync(
        NpgsqlConnection connection,
        RehearsedRun run,
        long key,
        CancellationToken cancellationToken
    )
    {
        await using var command = run.Statement.Command(
            connection,
            $"""
            SELECT d.reason, d.channel, d.variant, f.failing
            FROM ({run.Statement.Decisions}) d JOIN ({run.Statement.AllFailing}) f USING (customer_key)
            """,
            key,
            key + 1
        );
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new DecisionRow(
                reader.GetInt16(0),
                reader.IsDBNull(1) ? null : (Channel)reader.GetInt16(1),
                reader.IsDBNull(2) ? null : reader.GetInt16(2),
                [.. (await reader.GetFieldValueAsync<short[]>(3, cancellationToken)).Distinct().Select(r => (Reason)r)]
            )
            : null;
    }

    private static DateTimeOffset? Earliest(RehearsedRun run, CustomerRow customer)
    {
        if (!WindowCalculator.Create(run.Calendar, run.AsOf).TryGet(out var calculator, out _))
        {
            return null;
        }

        return run
            .Plan.Channels.Where(channel =>
                (customer.Reachable & channel.Bit()) != 0
                || (run.Plan.WithoutAddress.Contains(channel) && (customer.Consented & channel.Bit()) != 0)
            )
            .Select(channel =>
                calculator
                    .Windows(customer.Zone, (PreferredSlots)customer.PreferredSlots, channel)
                    .Value.EarliestLegal(run.AsOf)
            )
            .Min();
    }

    private sealed record DecisionRow(short Reason, Channel? Channel, short? Variant, IReadOnlyList<Reason> Failing);

    private sealed record CustomerRow(
        long CustomerKey,
        short Reachable,
        short Consented,
        short PreferredSlots,
        string Zone
    );
}
