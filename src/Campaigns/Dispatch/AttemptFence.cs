using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Lifecycle;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Dispatch;

/// <summary>What a transaction of attempts was told when it began.</summary>
/// <param name="Open">How much longer the window is.</param>
/// <param name="Zones">The highest number of a time zone.</param>
/// <param name="Converted">Of the candidates, those who have what the campaign is for.</param>
internal sealed record AttemptFence(
    Halt Halt,
    int FirstRequest,
    DateTimeOffset Now,
    TimeSpan Open,
    short Zones,
    IReadOnlyList<long> Converted
)
{
    internal static AttemptFence Halted(Halt halt) => new(halt, 0, DateTimeOffset.UnixEpoch, TimeSpan.Zero, 1, []);
}

/// <summary>Whether attempts may be made at all: the lease, the campaign, the window, the channel and the node's clock.
/// </summary>
internal sealed class AttemptFences(DispatchOptions options, TimeProvider time)
{
    /// <summary>Holds the campaign's fence (shared; pausing takes it alone), renews the lease, takes request numbers and
    /// reads the states that decide.</summary>
    internal async Task<AttemptFence> TakeAsync(
        NpgsqlConnection connection,
        Chunk chunk,
        WaveContext wave,
        GatewayDeclaration gateway,
        List<Touch> candidates,
        int requests,
        CancellationToken cancellationToken
    )
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("SELECT pg_advisory_xact_lock_shared($1, $2)")
            {
                Parameters =
                {
                    new() { Value = CampaignFence.LockClass },
                    new() { Value = wave.CampaignKey },
                },
            }
        );
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand(
                $"""
                UPDATE chunk c
                SET requests = c.requests + $4, leased_until = clock_timestamp() + $5
                FROM run r, campaign p, wave w, business_clock b
                WHERE c.run_key = $1 AND c.chunk = $2 AND c.token = $3 AND c.state = 0
                  AND r.run_key = c.run_key AND p.campaign_key = r.campaign_key
                  AND w.run_key = c.run_key AND w.wave = c.wave
                RETURNING c.requests - $4, r.state, p.state, w.opens_at, w.closes_at,
                          clock_timestamp() + b.clock_offset, clock_timestamp(),
                          {ChannelStates.IsHeld("c.channel", "$6")}, (SELECT max(zone) FROM time_zone)
                """
            )
            {
                Parameters =
                {
                    new() { Value = chunk.RunKey },
                    new() { Value = chunk.Number },
                    new() { Value = chunk.Token },
                    new() { Value = requests },
                    new() { Value = options.Lease },
                    new() { Value = gateway.Name },
                },
            }
        );
        if (wave.EndsWithGoal && candidates.Count > 0)
        {
            batch.BatchCommands.Add(Converted(wave, candidates));
        }

        await batch.PrepareAsync(cancellationToken);
        var asked = time.GetUtcNow();
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
        {
            return AttemptFence.Halted(Halt.Lost);
        }

        var halt = Read(reader, asked);
        var first = reader.GetInt32(0) + 1;
        var (now, zones) = (reader.GetFieldValue<DateTimeOffset>(5), reader.GetInt16(8));
        var open = reader.GetFieldValue<DateTimeOffset>(4) - now;
        if (halt != Halt.None)
        {
            return new AttemptFence(halt, first, now, open, zones, []);
        }

        var converted = new List<long>();
        if (await reader.NextResultAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                converted.Add(reader.GetInt64(0));
            }
        }

        return new AttemptFence(Halt.None, first, now, open, zones, converted);
    }

    private Halt Read(NpgsqlDataReader row, DateTimeOffset asked)
    {
        var (run, campaign) = (row.GetString(1), row.GetString(2));
        var now = row.GetFieldValue<DateTimeOffset>(5);
        return campaign == "paused" ? Halt.Paused
            : campaign != "running" || run != "planned" ? Halt.Ended
            : now < row.GetFieldValue<DateTimeOffset>(3) || now >= row.GetFieldValue<DateTimeOffset>(4) ? Halt.Closed
            : row.GetBoolean(7) ? Halt.Channel
            : NodeClock.IsOff(row.GetFieldValue<DateTimeOffset>(6), asked, time.GetUtcNow(), options) ? Halt.Node
            : Halt.None;
    }

    // The event's name is looked up each time: its first of all may come while the lane runs.
    private static NpgsqlBatchCommand Converted(WaveContext wave, List<Touch> candidates)
    {
        long[] keys = [.. candidates.Select(touch => touch.CustomerKey)];
        var range = new KeyRange(keys);
        var command = new NpgsqlBatchCommand(
            $"""
            SELECT DISTINCT customer_key
            FROM event e
            WHERE event_type = (SELECT t.event_type FROM event_type t WHERE t.name = @event) AND {range.Exactly(
                "customer_key"
            )} AND occurred_at >= @since
                AND {Goal.Matches}
            """
        )
        {
            Parameters =
            {
                new("event", wave.Plan.Goal.Event),
                new("since", wave.AsOf.UtcDateTime),
                new("AtLeast", NpgsqlDbType.Numeric) { Value = (object?)wave.Plan.Goal.AtLeast ?? DBNull.Value },
                new("Currency", wave.Plan.Goal.ValueCurrency),
                new("Where", NpgsqlDbType.Jsonb) { Value = (object?)wave.Plan.Goal.WhereText() ?? DBNull.Value },
            },
        };
        range.Bind(command.Parameters);
        return command;
    }
}
