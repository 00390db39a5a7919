using Campaigns.Channels;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>Where everyone of a run's audience went: <c>audience = held out + suppressed + touches</c>.</summary>
public sealed record Ledger
{
    public required long Audience { get; init; }
    public required long Touches { get; init; }

    /// <summary>Held out by the campaign.</summary>
    public required long HeldOut { get; init; }

    /// <summary>Held out by the bank-wide holdout.</summary>
    public required long HeldOutGlobal { get; init; }

    /// <summary>By reason, in the order of the gates; reasons without anyone are left out.</summary>
    public required IReadOnlyDictionary<string, long> Suppressed { get; init; }

    /// <summary>By name of the channel.</summary>
    public required IReadOnlyDictionary<string, long> TouchesByChannel { get; init; }

    /// <summary>By name of the variant.</summary>
    public required IReadOnlyDictionary<string, long> TouchesByVariant { get; init; }
}

/// <summary>A line of a timetable.</summary>
public sealed record TimetableLine
{
    public required int Wave { get; init; }
    public required Channel Channel { get; init; }

    /// <summary>Included.</summary>
    public required DateTimeOffset Opens { get; init; }

    /// <summary>Excluded.</summary>
    public required DateTimeOffset Closes { get; init; }
    public required long Touches { get; init; }

    /// <summary>Touches that wait to be sent in it, those that rolled to it too; 0 in a preview.</summary>
    public required long Waiting { get; init; }

    /// <summary>Of those, the ones whose instant has come.</summary>
    public required long Due { get; init; }

    /// <summary>Customers who would have had this window.</summary>
    public required long HeldOut { get; init; }
}

/// <summary>How a run stands.</summary>
public sealed record RunStatus
{
    public required string CampaignId { get; init; }
    public required int Run { get; init; }

    /// <summary><c>planning</c>, <c>planned</c>, <c>closed</c>, <c>cancelled</c>, or <c>stopped</c> with a failure.</summary>
    public required string State { get; init; }

    /// <summary>The one instant that served the whole run.</summary>
    public required DateTimeOffset AsOf { get; init; }
    public required int Parts { get; init; }
    public required int PartsPlanned { get; init; }
    public string? Failure { get; init; }

    /// <summary>How large an audience was approved; null for any. A run outside it stops.</summary>
    public AudienceBounds? Approved { get; init; }

    /// <summary>Customers decided so far: the audience, once every part is planned.</summary>
    public required long Decided { get; init; }

    /// <summary>Null until planned.</summary>
    public Ledger? Ledger { get; init; }
    public required IReadOnlyList<TimetableLine> Timetable { get; init; }
}

/// <summary>What runs decided, counted.</summary>
public sealed class Ledgers(NpgsqlDataSource dataSource)
{
    /// <summary>The newest run of a campaign; 404 where there is no campaign or no run yet.</summary>
    public async Task<Result<RunStatus>> OfAsync(string campaignId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var runKey = await connection.QuerySingleOrDefaultAsync<int?>(
            """
            SELECT r.run_key FROM run r JOIN campaign c USING (campaign_key)
            WHERE c.campaign_id = @campaignId ORDER BY r.number DESC LIMIT 1
            """,
            new { campaignId }
        );
        if (runKey is not { } key)
        {
            return Error.NotFound("run of campaign", campaignId);
        }

        var run = (await RunRow.ReadAsync(connection, key))!;
        var (parts, planned, decided) = await connection.QuerySingleAsync<(int, int, long)>(
            """
            SELECT count(*)::int, count(planned_at)::int, coalesce(sum(decisions), 0)::bigint
            FROM run_part WHERE run_key = @key
            """,
            new { key }
        );
        var plan = run.ReadPlan();
        return new RunStatus
        {
            CampaignId = campaignId,
            Run = run.Number,
            State = run.State,
            AsOf = run.AsOf,
            Parts = parts,
            PartsPlanned = planned,
            Failure = run.Failure,
            Approved = plan.Approved,
            Decided = decided,
            Ledger = run.State is "planned" or "closed" ? await ReadAsync(connection, key, plan) : null,
            Timetable = await TimetableAsync(connection, key),
        };
    }

    internal static async Task<Ledger> ReadAsync(NpgsqlConnection connection, int runKey, RunPlan plan) =>
        Of(
            (
                await connection.QueryAsync<LedgerRow>(
                    "SELECT reason, channel, variant, wave, customers FROM run_ledger WHERE run_key = @runKey",
                    new { runKey }
                )
            ).AsList(),
            plan
        );

    internal static IReadOnlyList<LedgerRow> Rows(IEnumerable<DecisionSlice> slices) =>
        [
            .. slices
                .GroupBy(slice => (slice.Reason, slice.Channel, slice.Variant, slice.Wave))
                .Select(group => new LedgerRow(
                    group.Key.Reason,
                    group.Key.Channel,
                    group.Key.Variant,
                    group.Key.Wave,
                    group.Sum(slice => slice.Customers)
                )),
        ];

    internal static Ledger Of(IReadOnlyList<LedgerRow> rows, RunPlan plan)
    {
        long Of(Reason reason) => rows.Where(row => row.Reason == (short)reason).Sum(row => row.Customers);
        var touches = rows.Where(row => row.Reason == (short)Reason.Touch).ToList();
        return new Ledger
        {
            Audience = rows.Sum(row => row.Customers),
            Touches = touches.Sum(row => row.Customers),
            HeldOut = Of(Reason.HeldOut),
            HeldOutGlobal = Of(Reason.HeldOutGlobal),
            Suppressed = rows.Where(row => row.Reason is > (short)Reason.Touch and < (short)Reason.HeldOutGlobal)
                .GroupBy(row => row.Reason)
                .OrderBy(group => group.Key)
                .ToDictionary(group => ((Reason)group.Key).Name(), group => group.Sum(row => row.Customers)),
            TouchesByChannel = touches
                .GroupBy(row => row.Channel)
                .OrderBy(group => group.Key)
                .ToDictionary(
                    group => ProductJson.NameOf((Channel)group.Key),
                    group => group.Sum(row => row.Customers)
                ),
            TouchesByVariant = plan.Variants.ToDictionary(
                variant => variant.Name,
                variant => touches.Where(row => row.Variant == variant.Number).Sum(row => row.Customers)
            ),
        };
    }

    internal static async Task<IReadOnlyList<TimetableLine>> TimetableAsync(NpgsqlConnection connection, int runKey) =>
        (
            await connection.QueryAsync<TimetableLine>(
                """
                SELECT w.wave, w.channel, w.opens_at AS opens, w.closes_at AS closes, w.touches, w.held_out,
                    coalesce(c.waiting, 0) AS waiting, coalesce(c.due, 0) AS due
                FROM wave w
                LEFT JOIN (
                    SELECT wave, sum(touches)::bigint AS waiting,
                        sum(touches) FILTER (WHERE due_at <= clock_timestamp() + clock_offset)::bigint AS due
                    FROM chunk CROSS JOIN business_clock
                    WHERE run_key = @runKey AND state = 0
                    GROUP BY wave
                ) c ON c.wave = w.wave
                WHERE w.run_key = @runKey AND (w.touches > 0 OR w.held_out > 0 OR c.waiting > 0)
                ORDER BY w.opens_at, w.channel, w.wave
                """,
                new { runKey }
            )
        ).AsList();
}

/// <summary>A count of a run's decisions; 0 where they name no channel, variant or wave.</summary>
internal sealed record LedgerRow(short Reason, short Channel, short Variant, int Wave, long Customers);
