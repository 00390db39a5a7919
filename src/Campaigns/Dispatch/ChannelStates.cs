using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Channels;
using Campaigns.Database;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Stops and starts channels: by an operator, or by what a provider answers, which stops its own gateway only.
/// </summary>
public sealed class ChannelStates
{
    private const string Whole = "";
    private const int MostErrors = 5;

    /// <summary>Providers tell no more of a message after so long.</summary>
    private static readonly TimeSpan ToldFor = TimeSpan.FromDays(3);
    private readonly NpgsqlDataSource _dataSource;
    private readonly ChannelLines _lines;

    internal ChannelStates(NpgsqlDataSource dataSource, ChannelLines lines) =>
        (_dataSource, _lines) = (dataSource, lines);

    /// <summary>All channels, as they are now.</summary>
    public async Task<IReadOnlyList<ChannelStatus>> ListAsync(CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        var queues = (await QueuesAsync(connection, cancellationToken)).ToDictionary(queue => queue.Channel);
        return
        [
            .. (await ReadAsync(connection)).Select(status =>
                queues.GetValueOrDefault(status.Channel) is { } queue
                    ? status with
                    {
                        Waiting = queue.Waiting,
                        Lag = queue.Lag,
                        Unknown = queue.Unknown,
                    }
                    : status
            ),
        ];
    }

    /// <summary>All channels, but for what waits for them.</summary>
    internal async Task<IReadOnlyList<ChannelStatus>> ReadAsync(NpgsqlConnection connection)
    {
        var states = (
            await connection.QueryAsync<State>(
                """
                SELECT s.channel, s.gateway, s.stopped, s.reason, s.changed_by, s.changed_at,
                       CASE WHEN s.not_before > clock_timestamp() THEN s.not_before + b.clock_offset END AS rests_until
                FROM channel_state s
                CROSS JOIN business_clock b
                """
            )
        ).ToDictionary(state => (state.Channel, state.Gateway));
        var breaks = await connection.QueryAsync<(string Gateway, DateTime Until)>(
            """
            SELECT g.gateway, g.until + b.clock_offset FROM gateway_break g CROSS JOIN business_clock b
            WHERE g.until > clock_timestamp()
            """
        );
        var errors = await connection.QueryAsync<Noted>(
            """
            SELECT e.gateway, e.code, e.detail, date_trunc('second', e.at + b.clock_offset) AS at
            FROM gateway_error e
            CROSS JOIN business_clock b
            WHERE e.at > clock_timestamp() - interval '1 day'
            ORDER BY e.at DESC
            """
        );
        var known = new Known(
            states,
            breaks.ToDictionary(one => one.Gateway, one => new DateTimeOffset(one.Until)),
            errors.ToLookup(error => error.Gateway)
        );
        return [.. Enum.GetValues<Channel>().Select(channel => Status(channel, known))];
    }

    private static Task<IEnumerable<Queue>> QueuesAsync(
        NpgsqlConnection connection,
        CancellationToken cancellationToken
    ) =>
        connection.QueryAsync<Queue>(
            new CommandDefinition(
                """
                WITH waiting AS (
                    SELECT c.channel, sum(c.touches - coalesce(a.handled, 0)) AS waiting,
                           greatest(interval '0', clock_timestamp() + b.clock_offset
                                                  - min(greatest(coalesce(c.late_since, c.due_at), w.opens_at))) AS lag
                    FROM chunk c
                    JOIN wave w USING (run_key, wave)
                    JOIN run r USING (run_key)
                    JOIN campaign p USING (campaign_key)
                    CROSS JOIN business_clock b
                    LEFT JOIN LATERAL (
                        SELECT sum(cardinality(a.customer_keys) + coalesce(cardinality(a.withheld_keys), 0)) AS handled
                        FROM attempt a
                        WHERE c.requests > 0 AND a.run_key = c.run_key AND a.chunk = c.chunk
                    ) a ON true
                    WHERE c.state = 0 AND r.state = 'planned' AND p.state = 'running'
                    GROUP BY c.channel, b.clock_offset
                ), told AS (
                    SELECT r.run_key
                    FROM run r
                    CROSS JOIN business_clock b
                    WHERE r.planned_at IS NOT NULL
                      AND (r.closed_at IS NULL OR r.closed_at > clock_timestamp() + b.clock_offset - @ToldFor)
                ), unknown AS (
                    SELECT channel, sum(n)::bigint AS unknown
                    FROM (
                        SELECT channel, n FROM told JOIN report_cell USING (run_key) WHERE metric = 'state_unknown'
                        UNION ALL
                        SELECT channel, n FROM told JOIN report_delta USING (run_key) WHERE metric = 'state_unknown'
                    ) c
                    GROUP BY channel
                )
                SELECT channel, coalesce(w.waiting, 0) AS waiting, coalesce(w.lag, interval '0') AS lag,
                       coalesce(u.unknown, 0) AS unknown
                FROM waiting w
                FULL JOIN unknown u USING (channel)
                """,
                new { ToldFor },
                cancellationToken: cancellationToken
            )
        );

    /// <summary>Nothing more is sent by the channel until it is started; its touches wait, as long as their windows are
    /// open.</summary>
    /// <param name="reason">In words, shown to operators.</param>
    public Task StopAsync(Channel channel, string reason, Actor actor, CancellationToken cancellationToken) =>
        SetAsync(channel, stopped: true, reason, actor, cancellationToken);

    /// <summary>Lets the channel send again, by all of its gateways; what waits goes with the next sweep.</summary>
    public Task StartAsync(Channel channel, Actor actor, CancellationToken cancellationToken) =>
        SetAsync(channel, stopped: false, reason: null, actor, cancellationToken);

    /// <summary>SQL of whether nothing may go by a gateway now.</summary>
    internal static string IsHeld(string channel, string gateway) =>
        $"""
            EXISTS (
                SELECT
                FROM channel_state s
                WHERE s.channel = {channel} AND s.gateway IN ('{Whole}', {gateway})
                  AND (s.stopped OR s.not_before > clock_timestamp())
            )
            """;

    /// <summary>Gateways by which nothing may go now; with an empty name, channels.</summary>
    internal static async Task<HashSet<(Channel Channel, string Gateway)>> HeldAsync(NpgsqlConnection connection) =>
        [
            .. await connection.QueryAsync<(Channel, string)>(
                "SELECT channel, gateway FROM channel_state WHERE stopped OR not_before > clock_timestamp()"
            ),
        ];

    /// <summary>Keeps what the answer says of the gateway as a whole, in the transaction that records it.</summary>
    internal static Task NoteAsync(
        NpgsqlConnection connection,
        GatewayDeclaration gateway,
        Reply reply,
        DateTimeOffset now
    ) =>
        reply switch
        {
            Reply.Of { Result: SendResult.ChannelStopped stopped } => WriteAsync(
                connection,
                gateway.Channel,
                gateway.Name,
                stopped: true,
                $"{stopped.Reason} ({stopped.Code})",
                Actor.Service,
                now
            ),
            Reply.Of { Result: SendResult.Throttled throttled } => connection.ExecuteAsync(
                """
                INSERT INTO channel_state AS s (channel, gateway, not_before, changed_by, changed_at)
                VALUES (@channel, @Name, clock_timestamp() + @RetryAfter, @Id, @now)
                ON CONFLICT (channel, gateway) DO UPDATE SET not_before = greatest(s.not_before, excluded.not_before)
                """,
                new
                {
                    channel = (short)gateway.Channel,
                    gateway.Name,
                    throttled.RetryAfter,
                    Actor.Service.Id,
                    now,
                }
            ),
            _ => Task.CompletedTask,
        };

    private async Task SetAsync(
        Channel channel,
        bool stopped,
        string? reason,
        Actor actor,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var now = await BusinessClock.NowAsync(connection);
        var held = stopped ? [(channel, Whole)] : await HeldAsync(connection);
        foreach (var (_, gateway) in held.Where(one => one.Channel == channel))
        {
            await WriteAsync(connection, channel, gateway, stopped, reason, actor, now);
        }

        await transaction.CommitAsync(cancellationToken);
    }

    private static async Task WriteAsync(
        NpgsqlConnection connection,
        Channel channel,
        string gateway,
        bool stopped,
        string? reason,
        Actor actor,
        DateTimeOffset now
    )
    {
        var changed = await connection.ExecuteAsync(
            """
            INSERT INTO channel_state AS s (channel, gateway, stopped, reason, changed_by, changed_at)
            VALUES (@channel, @gateway, @stopped, @reason, @Id, @now)
            ON CONFLICT (channel, gateway) DO UPDATE
            SET stopped = excluded.stopped, reason = excluded.reason, not_before = NULL,
                changed_by = excluded.changed_by, changed_at = excluded.changed_at
            WHERE s.stopped <> excluded.stopped OR NOT excluded.stopped AND s.not_before IS NOT NULL
            """,
            new
            {
                channel = (short)channel,
                gateway,
                stopped,
                reason,
                actor.Id,
                now,
            }
        );
        if (changed > 0)
        {
            var name = Gateways.Section(channel);
            await AuditLog.WriteAsync(
                connection,
                now,
                actor,
                stopped ? "stopped" : "started",
                "channel",
                name,
                gateway == Whole ? (object)new { reason } : new { gateway, reason }
            );
        }
    }

    private ChannelStatus Status(Channel channel, Known known)
    {
        var state = known.States.GetValueOrDefault((channel, Whole));
        var status = new ChannelStatus
        {
            Channel = channel,
            Stopped = state?.Stopped ?? false,
            Reason = state?.Reason,
            ChangedBy = state?.ChangedBy,
            ChangedAt = state?.ChangedAt,
            Gateways =
            [
                .. Enum.GetValues<Purpose>()
                    .Select(purpose => (Purpose: purpose, Line: _lines.Of(channel, purpose)))
                    .Where(one => one.Line.Gateway is not null)
                    .GroupBy(one => one.Line, one => one.Purpose)
                    .Select(group => Status(channel, group.Key, [.. group], known)),
            ],
        };
        return status with
        {
            Gateways =
            [
                .. status.Gateways.Select(gateway => gateway with { HeldBecause = ChannelHold.Of(status, gateway) }),
            ],
        };
    }

    private static GatewayStatus Status(Channel channel, ChannelLine line, IReadOnlyList<Purpose> purposes, Known known)
    {
        var state = known.States.GetValueOrDefault((channel, line.Name));
        var broken = known.Breaks.TryGetValue(line.Name, out var until);
        return new GatewayStatus
        {
            Name = line.Name,
            Purposes = [.. purposes.Where(purpose => line.Gateway?.Declaration.Purposes.Contains(purpose) ?? false)],
            Stopped = state?.Stopped ?? false,
            Reason = state?.Reason,
            ChangedAt = state?.ChangedAt,
            RestsUntil = state?.RestsUntil,
            RatePerSecond = line.RatePerSecond,
            Breaker = broken ? "open" : line.Breaker,
            BrokenUntil = broken ? until : null,
            LastErrors =
            [
                .. known
                    .Errors[line.Name]
                    .Take(MostErrors)
                    .Select(error => new GatewayError
                    {
                        Code = error.Code,
                        Detail = error.Detail,
                        At = error.At,
                    }),
            ],
        };
    }

    private sealed record Known(
        IReadOnlyDictionary<(Channel, string), State> States,
        IReadOnlyDictionary<string, DateTimeOffset> Breaks,
        ILookup<string, Noted> Errors
    );

    private sealed class State
    {
        public Channel Channel { get; init; }
        public string Gateway { get; init; } = "";
        public bool Stopped { get; init; }
        public string? Reason { get; init; }
        public string? ChangedBy { get; init; }
        public DateTimeOffset? ChangedAt { get; init; }
        public DateTimeOffset? RestsUntil { get; init; }
    }

    private sealed class Noted
    {
        public string Gateway { get; init; } = "";
        public string Code { get; init; } = "";
        public string Detail { get; init; } = "";
        public DateTimeOffset At { get; init; }
    }

    private sealed class Queue
    {
        public Channel Channel { get; init; }
        public long Waiting { get; init; }
        public TimeSpan Lag { get; init; }
        public long Unknown { get; init; }
    }
}
