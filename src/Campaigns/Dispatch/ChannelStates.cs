using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Channels;
using Campaigns.Database;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>Stops and starts channels: by an operator, or by what a provider answers.</summary>
public sealed class ChannelStates(NpgsqlDataSource dataSource)
{
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
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
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
}
