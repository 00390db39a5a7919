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

    /// <summary>Name of the gateway that serves it; null where none does.</summary>
    public string? Gateway { get; init; }

    /// <summary>Whether it sends nothing until it is started.</summary>
    public bool Stopped { get; init; }

    /// <summary>Why it is stopped, in words.</summary>
    public string? Reason { get; init; }

    /// <summary>Nothing is sent before this instant: the provider asked for a rest.</summary>
    public DateTimeOffset? RestsUntil { get; init; }

    /// <summary>Who stopped or started it last, and when; null when nobody ever did.</summary>
    public string? ChangedBy { get; init; }

    /// <inheritdoc cref="ChangedBy"/>
    public DateTimeOffset? ChangedAt { get; init; }

    /// <summary>Calls to the provider a second, by all nodes together.</summary>
    public double RatePerSecond { get; init; }

    /// <summary><c>closed</c>, <c>open</c> or <c>half-open</c>, as the node that answers sees it.</summary>
    public string Breaker { get; init; } = "closed";

    /// <summary>Touches that wait in campaigns that run, whether due or not.</summary>
    public long Waiting { get; init; }

    /// <summary>How long the oldest of those that are due has been; zero when none is.</summary>
    public TimeSpan Lag { get; init; }
}

/// <summary>Stops and starts channels: by an operator, or by what a provider answers.</summary>
public sealed class ChannelStates
{
    private readonly NpgsqlDataSource _dataSource;
    private readonly ChannelLines _lines;

    internal ChannelStates(NpgsqlDataSource dataSource, ChannelLines lines) =>
        (_dataSource, _lines) = (dataSource, lines);

    /// <summary>All channels, as they are now.</summary>
    public async Task<IReadOnlyList<ChannelStatus>> ListAsync(CancellationToken cancellationToken)
    {
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        var rows = await connection.QueryAsync<Row>(
            new CommandDefinition(
                """
                SELECT n.channel, coalesce(s.stopped, false) AS stopped, s.reason, s.changed_by, s.changed_at,
                       CASE WHEN s.not_before > clock_timestamp() THEN s.not_before + b.clock_offset END AS rests_until,
                       coalesce(q.waiting, 0) AS waiting,
                       greatest(interval '0', clock_timestamp() + b.clock_offset - q.due_at) AS lag
                FROM unnest(@channels) AS n (channel)
                CROSS JOIN business_clock b
                LEFT JOIN channel_state s USING (channel)
                LEFT JOIN (
                    SELECT c.channel, sum(c.touches - coalesce(a.handled, 0)) AS waiting, min(greatest(c.due_at, w.opens_at)) AS due_at
                    FROM chunk c
                    JOIN wave w USING (run_key, wave)
                    JOIN run r USING (run_key)
                    JOIN campaign p USING (campaign_key)
                    LEFT JOIN LATERAL (
                        SELECT sum(cardinality(a.customer_keys) + coalesce(cardinality(a.withheld_keys), 0)) AS handled
                        FROM attempt a
                        WHERE c.requests > 0 AND a.run_key = c.run_key AND a.chunk = c.chunk
                    ) a ON true
                    WHERE c.state = 0 AND r.state = 'planned' AND p.state = 'running'
                    GROUP BY c.channel
                ) q USING (channel)
                ORDER BY n.channel
                """,
                new { channels = Enum.GetValues<Channel>().Select(channel => (short)channel).ToArray() },
                cancellationToken: cancellationToken
            )
        );
        return [.. rows.Select(row => row.Status(_lines.Of(row.Channel)))];
    }

    /// <summary>Nothing more is sent by the channel until it is started; its touches wait, as long as their windows are
    /// open.</summary>
    /// <param name="reason">In words, shown to operators.</param>
    public Task StopAsync(Channel channel, string reason, Actor actor, CancellationToken cancellationToken) =>
        SetAsync(channel, stopped: true, reason, actor, cancellationToken);

    /// <summary>Lets the channel send again; what waits goes with the next sweep.</summary>
    public Task StartAsync(Channel channel, Actor actor, CancellationToken cancellationToken) =>
        SetAsync(channel, stopped: false, reason: null, actor, cancellationToken);

    /// <summary>Keeps what the answer says of the channel as a whole, in the transaction that records it.</summary>
    internal static Task NoteAsync(NpgsqlConnection connection, Channel channel, Reply reply, DateTimeOffset now) =>
        reply switch
        {
            Reply.Of { Result: SendResult.ChannelStopped stopped } => WriteAsync(
                connection,
                channel,
                stopped: true,
                $"{stopped.Reason} ({stopped.Code})",
                Actor.Service,
                now
            ),
            Reply.Of { Result: SendResult.Throttled throttled } => connection.ExecuteAsync(
                """
                INSERT INTO channel_state AS s (channel, not_before, changed_by, changed_at)
                VALUES (@channel, clock_timestamp() + @RetryAfter, @Id, @now)
                ON CONFLICT (channel) DO UPDATE SET not_before = greatest(s.not_before, excluded.not_before)
                """,
                new
                {
                    channel = (short)channel,
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
        await WriteAsync(connection, channel, stopped, reason, actor, await BusinessClock.NowAsync(connection));
        await transaction.CommitAsync(cancellationToken);
    }

    private static async Task WriteAsync(
        NpgsqlConnection connection,
        Channel channel,
        bool stopped,
        string? reason,
        Actor actor,
        DateTimeOffset now
    )
    {
        var changed = await connection.ExecuteAsync(
            """
            INSERT INTO channel_state AS s (channel, stopped, reason, changed_by, changed_at)
            VALUES (@channel, @stopped, @reason, @Id, @now)
            ON CONFLICT (channel) DO UPDATE
            SET stopped = excluded.stopped, reason = excluded.reason, not_before = NULL,
                changed_by = excluded.changed_by, changed_at = excluded.changed_at
            WHERE s.stopped <> excluded.stopped OR NOT excluded.stopped AND s.not_before IS NOT NULL
            """,
            new
            {
                channel = (short)channel,
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
                new { reason }
            );
        }
    }

    private sealed class Row
    {
        public Channel Channel { get; init; }
        public bool Stopped { get; init; }
        public string? Reason { get; init; }
        public string? ChangedBy { get; init; }
        public DateTimeOffset? ChangedAt { get; init; }
        public DateTimeOffset? RestsUntil { get; init; }
        public long Waiting { get; init; }
        public TimeSpan? Lag { get; init; }

        internal ChannelStatus Status(ChannelLine line) =>
            new()
            {
                Channel = Channel,
                Gateway = line.Gateway?.Declaration.Name,
                Stopped = Stopped,
                Reason = Reason,
                RestsUntil = RestsUntil,
                ChangedBy = ChangedBy,
                ChangedAt = ChangedAt,
                RatePerSecond = line.RatePerSecond,
                Breaker = line.Breaker,
                Waiting = Waiting,
                Lag = Lag ?? TimeSpan.Zero,
            };
    }
}
