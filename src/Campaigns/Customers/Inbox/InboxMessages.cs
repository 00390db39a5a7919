using Campaigns.Channels;
using Dapper;
using Npgsql;

namespace Campaigns.Customers.Inbox;

/// <summary>A message for a customer's inbox, with its variables filled in.</summary>
/// <param name="TouchKey">The sender's key: the same for a customer is the same message.</param>
internal sealed record InboxEntry(long CustomerKey, string TouchKey, string? Title, string Text, string? Link);

/// <summary>What a customer did with a message, as the app shows it.</summary>
public enum InboxMarkKind
{
    Shown,
    Clicked,
    Dismissed,
}

/// <summary>The messages of customers' inboxes, whoever sent them.</summary>
internal static class InboxMessages
{
    private const int PurgedAtOnce = 10_000;

    /// <summary>How long an expired message may still be marked: an app may have been offline.</summary>
    private static readonly TimeSpan MarkedFor = TimeSpan.FromDays(7);

    /// <summary>Stores messages of different customers in one transaction; those that are there already stay as they are.
    /// </summary>
    /// <param name="shownFor">How long from now, by business time.</param>
    /// <returns>The customers who have theirs now; not there are those who were erased.</returns>
    public static async Task<HashSet<long>> StoreAsync(
        NpgsqlConnection connection,
        Purpose purpose,
        IReadOnlyList<InboxEntry> entries,
        TimeSpan shownFor,
        CancellationToken cancellationToken
    )
    {
        var keys = entries.Select(entry => entry.CustomerKey).ToArray();
        var touches = entries.Select(entry => entry.TouchKey).ToArray();
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // An erasure waits for us, or we for it: no message is left behind.
        await connection.ExecuteAsync(
            new CommandDefinition(
                "LOCK TABLE inbox_message IN ROW EXCLUSIVE MODE",
                cancellationToken: cancellationToken
            )
        );
        var stored = await connection.ExecuteAsync(
            new CommandDefinition(
                """
                INSERT INTO inbox_message (
                    customer_key, touch_key, purpose, title, text, link, stored_at, expires_at
                )
                SELECT e.customer_key, e.touch_key, @purpose, e.title, e.text, e.link, now.at, now.at + @shownFor
                FROM unnest(@keys, @touches, @titles, @texts, @links)
                    AS e (customer_key, touch_key, title, text, link)
                JOIN customer c ON c.customer_key = e.customer_key AND NOT c.erased
                CROSS JOIN (SELECT clock_timestamp() + clock_offset AS at FROM business_clock) now
                ON CONFLICT (customer_key, touch_key) DO NOTHING
                """,
                new
                {
                    keys,
                    touches,
                    purpose = (short)purpose,
                    titles = entries.Select(entry => entry.Title).ToArray(),
                    texts = entries.Select(entry => entry.Text).ToArray(),
                    links = entries.Select(entry => entry.Link).ToArray(),
                    shownFor,
                },
                cancellationToken: cancellationToken
            )
        );
        var there = stored == entries.Count ? keys : await ThereAsync(connection, keys, touches, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return [.. there];
    }

    /// <summary>Marks messages of one customer in the caller's transaction; a message bears the first mark of a kind.</summary>
    public static Task MarkAsync(
        NpgsqlConnection connection,
        long customerKey,
        IReadOnlyList<(long MessageId, InboxMarkKind Kind, DateTimeOffset At)> marks,
        CancellationToken cancellationToken
    ) =>
        connection.ExecuteAsync(
            new CommandDefinition(
                """
                UPDATE inbox_message m
                SET shown_at = coalesce(m.shown_at, t.shown_at),
                    clicked_at = coalesce(m.clicked_at, t.clicked_at),
                    dismissed_at = coalesce(m.dismissed_at, t.dismissed_at)
                FROM (
                    SELECT message_id, min(at) FILTER (WHERE kind = 0) AS shown_at,
                        min(at) FILTER (WHERE kind = 1) AS clicked_at, min(at) FILTER (WHERE kind = 2) AS dismissed_at
                    FROM unnest(@ids, @kinds, @ats) AS k (message_id, kind, at)
                    GROUP BY 1
                ) t
                WHERE m.customer_key = @customerKey AND m.message_id = t.message_id
                """,
                new
                {
                    customerKey,
                    ids = marks.Select(mark => mark.MessageId).ToArray(),
                    kinds = marks.Select(mark => (int)mark.Kind).ToArray(),
                    ats = marks.Select(mark => mark.At.UtcDateTime).ToArray(),
                },
                cancellationToken: cancellationToken
            )
        );

    /// <summary>Deletes some of those that can no longer be marked.</summary>
    /// <param name="now">Business time.</param>
    public static Task PurgeAsync(
        NpgsqlConnection connection,
        DateTimeOffset now,
        CancellationToken cancellationToken
    ) =>
        connection.ExecuteAsync(
            new CommandDefinition(
                """
                DELETE FROM inbox_message
                WHERE (customer_key, message_id) IN (
                    SELECT customer_key, message_id
                    FROM inbox_message
                    WHERE expires_at < @before
                    LIMIT @PurgedAtOnce
                    FOR UPDATE SKIP LOCKED
                )
                """,
                new { before = now - MarkedFor, PurgedAtOnce },
                cancellationToken: cancellationToken
            )
        );

    private static async Task<IEnumerable<long>> ThereAsync(
        NpgsqlConnection connection,
        long[] keys,
        string[] touches,
        CancellationToken cancellationToken
    ) =>
        await connection.QueryAsync<long>(
            new CommandDefinition(
                """
                SELECT customer_key
                FROM unnest(@keys, @touches) AS e (customer_key, touch_key)
                JOIN inbox_message USING (customer_key, touch_key)
                """,
                new { keys, touches },
                cancellationToken: cancellationToken
            )
        );
}
