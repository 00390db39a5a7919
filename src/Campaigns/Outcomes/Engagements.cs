using System.Text.Json;
using Campaigns.Access;
using Campaigns.Customers;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Outcomes;

/// <summary>What a customer did with a message.</summary>
public enum EngagementKind
{
    Opened,
    Clicked,
    Dismissed,
}

/// <summary>What the customer's app, or a provider, says a customer did with a campaign's message.</summary>
/// <param name="Source">As in <see cref="EventEntry"/>.</param>
/// <param name="Id">As in <see cref="EventEntry"/>.</param>
/// <param name="RunKey">The run whose touch it was, where the service itself says so; else it is taken to be the campaign's
/// latest that had begun.</param>
public sealed record EngagementEntry(
    string Source,
    string Id,
    string CampaignId,
    string CustomerId,
    EngagementKind Kind,
    DateTimeOffset OccurredAt,
    int? RunKey = null
);

/// <summary>Takes in engagements: each is an event of the customer (<c>message.opened</c>, <c>message.clicked</c>,
/// <c>message.dismissed</c>, with the campaign as attribute) that segments can ask for, and counts for the touch.</summary>
public sealed class Engagements(EventIntake events)
{
    /// <summary>Stores up to <see cref="CustomerRegister.MostAtOnce"/>, each for itself, once by source and id. One that
    /// refers to no touch is kept as an event.</summary>
    public Task<Result<EventBatch>> RecordAsync(
        Actor actor,
        IReadOnlyList<EngagementEntry> entries,
        CancellationToken cancellationToken
    ) => RecordAsync(actor, entries, also: null, cancellationToken);

    /// <param name="also">What else has to happen in the same transaction, given the new ones; null for nothing.</param>
    internal Task<Result<EventBatch>> RecordAsync(
        Actor actor,
        IReadOnlyList<EngagementEntry> entries,
        Func<NpgsqlConnection, EventBatch, Task>? also,
        CancellationToken cancellationToken
    ) =>
        events.RecordAsync(
            actor,
            [.. entries.Select(ToEvent)],
            async (connection, batch, now) =>
            {
                var stored = batch.Stored.Select(row => (row, entries[row.Index])).ToList();
                await CountAsync(connection, stored, now, cancellationToken);
                await (also?.Invoke(connection, batch) ?? Task.CompletedTask);
            },
            cancellationToken
        );

    private static EventEntry ToEvent(EngagementEntry entry) =>
        new(
            entry.Source,
            entry.Id,
            entry.CustomerId,
            $"message.{Json.ProductJson.NameOf(entry.Kind)}",
            entry.OccurredAt,
            Attributes: ClientId.IsValid(entry.CampaignId)
                ? new Dictionary<string, JsonElement>
                {
                    ["campaign"] = JsonSerializer.SerializeToElement(entry.CampaignId),
                }
                : null
        )
        {
            IsOwn = entry.RunKey is not null,
            Faults = Faults(entry),
        };

    private static FieldError[] Faults(EngagementEntry entry)
    {
        var faults = new FaultList();
        faults.CheckId("campaignId", entry.CampaignId);
        return [.. faults.ToError()?.Fields ?? []];
    }

    private static async Task CountAsync(
        NpgsqlConnection connection,
        IReadOnlyList<(StoredEvent Event, EngagementEntry Entry)> stored,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        await Conversions.LockAsync(
            connection,
            [.. stored.Select(one => one.Event.CustomerKey).Distinct().Order()],
            cancellationToken
        );
        // The touch is that of the campaign's latest run that had begun. Its customer is counted on the day of the first of a
        // kind, which may come late.
        await connection.ExecuteAsync(
            new CommandDefinition(
                """
                WITH said AS (
                    SELECT e.*, t.run_key, t.channel, t.variant, t.wave
                    FROM unnest(@campaigns, @keys, @kinds, @at, @sources, @ids, @runs)
                        AS e (campaign_id, customer_key, kind, occurred_at, event_source, event_id, known_run)
                    CROSS JOIN LATERAL (
                        SELECT d.run_key, d.channel, d.variant, d.wave
                        FROM campaign c
                        JOIN run r ON r.campaign_key = c.campaign_key AND r.planned_at IS NOT NULL
                        CROSS JOIN LATERAL (
                            -- By its key: a run that was planned just now has no statistics to choose a join by.
                            SELECT run_key, channel, variant, wave FROM decision
                            WHERE run_key = r.run_key AND customer_key = e.customer_key AND step = 1 AND reason = 0
                            OFFSET 0
                        ) d
                        JOIN wave w ON w.run_key = d.run_key AND w.wave = d.wave
                        WHERE c.campaign_id = e.campaign_id AND (e.known_run IS NULL OR e.known_run = r.run_key)
                        ORDER BY coalesce(w.counts_from, w.opens_at) <= e.occurred_at DESC, r.number DESC
                        LIMIT 1
                    ) t
                ), fresh AS (
                    SELECT s.*, g.before_at,
                        row_number() OVER (PARTITION BY s.run_key, s.customer_key, s.kind ORDER BY s.occurred_at) = 1
                        AND s.occurred_at < coalesce(g.before_at, 'infinity') AS first
                    FROM said s
                    CROSS JOIN LATERAL (
                        SELECT min(g.occurred_at) AS before_at
                        FROM engagement g
                        WHERE g.run_key = s.run_key AND g.customer_key = s.customer_key AND g.kind = s.kind
                    ) g
                ), added AS (
                    INSERT INTO engagement
                        (run_key, wave, customer_key, occurred_at, recorded_at, event_source, variant, kind, event_id)
                    SELECT run_key, wave, customer_key, occurred_at, @now, event_source, variant, kind, event_id
                    FROM fresh
                )
                INSERT INTO report_delta (run_key, metric, arm, channel, variant, wave, day, n)
                SELECT f.run_key, m.metric, 0, f.channel, f.variant, f.wave,
                    (m.at AT TIME ZONE bank.name)::date, sum(m.n)
                FROM fresh f
                CROSS JOIN LATERAL (VALUES
                    (f.kind, f.occurred_at, 1), (f.kind || '_customers', f.occurred_at, f.first::int),
                    (f.kind || '_customers', f.before_at, -f.first::int)
                ) AS m (metric, at, n)
                CROSS JOIN (SELECT name FROM time_zone WHERE zone = 1) bank
                WHERE m.at IS NOT NULL
                GROUP BY 1, 2, 4, 5, 6, 7
                HAVING sum(m.n) <> 0
                """,
                new
                {
                    campaigns = stored.Select(one => one.Entry.CampaignId).ToArray(),
                    keys = stored.Select(one => one.Event.CustomerKey).ToArray(),
                    kinds = stored.Select(one => Json.ProductJson.NameOf(one.Entry.Kind)).ToArray(),
                    at = stored.Select(one => one.Entry.OccurredAt.UtcDateTime).ToArray(),
                    sources = stored.Select(one => one.Event.EventSource).ToArray(),
                    ids = stored.Select(one => one.Event.Entry.Id).ToArray(),
                    runs = stored.Select(one => one.Entry.RunKey).ToArray(),
                    now,
                },
                cancellationToken: cancellationToken
            )
        );
    }
}
