using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Channels;
using Campaigns.Database;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>How a channel is.</summary>
public sealed record ChannelStatus
{
    public required Channel Channel { get; init; }

    /// <summary>Whether an operator stopped it: it sends nothing, by any gateway, until it is started.</summary>
    public bool Stopped { get; init; }

    /// <summary>Why it is stopped, in words.</summary>
    public string? Reason { get; init; }

    /// <summary>Who stopped or started it last, and when; null when nobody ever did.</summary>
    public string? ChangedBy { get; init; }

    /// <inheritdoc cref="ChangedBy"/>
    public DateTimeOffset? ChangedAt { get; init; }

    /// <summary>Touches that wait in campaigns that run, whether due or not.</summary>
    public long Waiting { get; init; }

    /// <summary>How long the oldest of those that are due has been; zero when none is.</summary>
    public TimeSpan Lag { get; init; }

    /// <summary>Those that serve it now: one, or one for marketing and one for servicing; none where it is not served.</summary>
    public required IReadOnlyList<GatewayStatus> Gateways { get; init; }
}

/// <summary>How a gateway is that serves a channel.</summary>
public sealed record GatewayStatus
{
    public required string Name { get; init; }

    /// <summary>What goes by it.</summary>
    public required IReadOnlyList<Purpose> Purposes { get; init; }

    /// <summary>Whether its provider's answer stopped it, until the channel is started.</summary>
    public bool Stopped { get; init; }

    /// <summary>Why it is stopped, in words.</summary>
    public string? Reason { get; init; }

    /// <summary>When it was stopped, or started again; null when it never was.</summary>
    public DateTimeOffset? ChangedAt { get; init; }

    /// <summary>Nothing is sent before this instant: the provider asked for a rest.</summary>
    public DateTimeOffset? RestsUntil { get; init; }

    /// <summary>Calls to the provider a second, by all nodes together.</summary>
    public double RatePerSecond { get; init; }

    /// <summary><c>closed</c>, <c>open</c> or <c>half-open</c>, as the node that answers sees it.</summary>
    public string Breaker { get; init; } = "closed";
}

/// <summary>Stops and starts channels: by an operator, or by what a provider answers, which stops its own gateway only.
/// </summary>
public sealed class ChannelStates
{
    private const string Whole = "";
    private readonly NpgsqlDataSource _dataSource;
    private readonly ChannelLines _lines;

    internal ChannelStates(NpgsqlDataSource dataSource, ChannelLines lines) =>
        (_dataSource, _lines) = (dataSource, lines);

    /// <summary>All channels, as they are now.</summary>
    public async Task<IReadOnlyList<ChannelStatus>> ListAsync(CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        var states = (
            await connection.QueryAsync<State>(
                new CommandDefinition(
                    """
                    SELECT s.channel, s.gateway, s.stopped, s.reason, s.changed_by, s.changed_at,
                           CASE WHEN s.not_before > clock_timestamp() THEN s.not_before + b.clock_offset END AS rests_until
                    FROM channel_state s
                    CROSS JOIN business_clock b
                    """,
                    cancellationToken: cancellationToken
                )
            )
        ).ToDictionary(state => (state.Channel, state.Gateway));
        var queues = await connection.QueryAsync<Queue>(
            new CommandDefinition(
                """
                SELECT c.channel, sum(c.touches - coalesce(a.handled, 0)) AS waiting,
                       greatest(interval '0', clock_timestamp() + b.clock_offset - min(greatest(c.due_at, w.opens_at))) AS lag
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
                """,
                cancellationToken: cancellationToken
            )
        );
        var waiting = queues.ToDictionary(queue => queue.Channel);
        return
        [
            .. Enum.GetValues<Channel>().Select(channel => Status(channel, states, waiting.GetValueOrDefault(channel))),
        ];
    }

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

    private ChannelStatus Status(Channel channel, Dictionary<(Channel, string), State> states, Queue? queue)
    {
        var state = states.GetValueOrDefault((channel, Whole));
        return new ChannelStatus
        {
            Channel = channel,
            Stopped = state?.Stopped ?? false,
            Reason = state?.Reason,
            ChangedBy = state?.ChangedBy,
            ChangedAt = state?.ChangedAt,
            Waiting = queue?.Waiting ?? 0,
            Lag = queue?.Lag ?? TimeSpan.Zero,
            Gateways =
            [
                .. Enum.GetValues<Purpose>()
                    .Select(purpose => (Purpose: purpose, Line: _lines.Of(channel, purpose)))
                    .Where(one => one.Line.Gateway is not null)
                    .GroupBy(one => one.Line, one => one.Purpose)
                    .Select(group =>
                        Status(group.Key, [.. group], states.GetValueOrDefault((channel, group.Key.Name)))
                    ),
            ],
        };
    }

    private static GatewayStatus Status(ChannelLine line, IReadOnlyList<Purpose> purposes, State? state) =>
        new()
        {
            Name = line.Name,
            Purposes = [.. purposes.Where(purpose => line.Gateway?.Declaration.Purposes.Contains(purpose) ?? false)],
            Stopped = state?.Stopped ?? false,
            Reason = state?.Reason,
            ChangedAt = state?.ChangedAt,
            RestsUntil = state?.RestsUntil,
            RatePerSecond = line.RatePerSecond,
            Breaker = line.Breaker,
        };

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

    private sealed class Queue
    {
        public Channel Channel { get; init; }
        public long Waiting { get; init; }
        public TimeSpan Lag { get; init; }
    }
}
