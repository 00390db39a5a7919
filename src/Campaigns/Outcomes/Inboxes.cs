using System.Globalization;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Customers.Inbox;
using Campaigns.Database;
using Campaigns.Dispatch;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Outcomes;

/// <summary>How far a customer has come with a message.</summary>
public enum InboxState
{
    Unread,
    Shown,
    Clicked,
    Dismissed,
}

/// <summary>A message as the app shows it.</summary>
public sealed record InboxMessage
{
    /// <summary>Newer messages have greater ids.</summary>
    public required string Id { get; init; }

    /// <summary>Null for a test, which only testers get.</summary>
    public string? CampaignId { get; init; }
    public required Purpose Purpose { get; init; }
    public string? Title { get; init; }
    public required string Text { get; init; }

    /// <summary>Where a tap leads; null for nowhere.</summary>
    public string? Link { get; init; }
    public required DateTimeOffset StoredAt { get; init; }

    /// <summary>From this instant on it is not shown.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }
    public required InboxState State { get; init; }
}

/// <summary>Some of an inbox's messages.</summary>
/// <param name="Messages">Newest first.</param>
/// <param name="Unread">How many of the whole inbox bear no mark.</param>
public sealed record InboxMessageList(IReadOnlyList<InboxMessage> Messages, int Unread);

/// <summary>What a customer did with a message.</summary>
/// <param name="MessageId">As <see cref="InboxMessage.Id"/>.</param>
/// <param name="At">From 2000 to five minutes from now.</param>
public sealed record InboxMark(string MessageId, InboxMarkKind Kind, DateTimeOffset At);

/// <summary>Customers' inboxes, as the bank's own app reads and marks them.</summary>
/// <remarks>A message that nobody has read is shown only as long as it might still be sent: not once its campaign is
/// cancelled, nor, where it is marketing, once the customer has refused. What was read stays until it expires.</remarks>
public sealed class Inboxes(NpgsqlDataSource dataSource, Engagements engagements)
{
    private static readonly string Shown = $"""
        FROM inbox_message m
        JOIN contact k ON k.customer_key = m.customer_key
        LEFT JOIN run r ON r.run_key = {TouchKey.RunSql("m")}
        LEFT JOIN campaign c USING (campaign_key)
        WHERE m.customer_key = @customerKey AND m.expires_at > @now
          AND (coalesce(m.shown_at, m.clicked_at, m.dismissed_at) IS NOT NULL
               OR NOT (coalesce('cancelled' IN (c.state, r.state), false)
                       OR m.purpose = @marketing
                          AND (k.opted_out & @app <> 0
                               OR k.personalisation_off AND coalesce((r.plan ->> 'usesProfiling')::boolean, false))))
        """;

    /// <summary>Messages of a customer, newest first.</summary>
    /// <param name="before">The id before which to begin; null for the newest.</param>
    /// <returns>404 where the customer is unknown or was erased.</returns>
    public async Task<Result<InboxMessageList>> ListAsync(
        string customerId,
        long? before,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (await KeyAsync(connection, customerId, cancellationToken) is not { } customerKey)
        {
            return Error.NotFound("customer", customerId);
        }

        var what = new
        {
            customerKey,
            before,
            limit,
            now = await BusinessClock.NowAsync(connection),
            marketing = (short)Purpose.Marketing,
            app = Channel.App.Bit(),
        };
        var messages = await connection.QueryAsync<InboxMessage>(
            new CommandDefinition(
                $"""
                SELECT m.message_id::text AS id, c.campaign_id, m.purpose, m.title, m.text, m.link, m.stored_at, m.expires_at,
                    CASE WHEN m.dismissed_at IS NOT NULL THEN 3 WHEN m.clicked_at IS NOT NULL THEN 2
                         WHEN m.shown_at IS NOT NULL THEN 1 ELSE 0 END AS state
                {Shown} AND (@before::bigint IS NULL OR m.message_id < @before)
                ORDER BY m.message_id DESC
                LIMIT @limit
                """,
                what,
                cancellationToken: cancellationToken
            )
        );
        var unread = await connection.QuerySingleAsync<int>(
            new CommandDefinition(
                $"SELECT count(*)::integer {Shown} AND coalesce(m.shown_at, m.clicked_at, m.dismissed_at) IS NULL",
                what,
                cancellationToken: cancellationToken
            )
        );
        return new InboxMessageList(messages.AsList(), unread);
    }

    /// <summary>Marks up to <see cref="CustomerRegister.MostAtOnce"/> messages of a customer, each for itself, once a kind.
    /// A mark is an engagement too: shown is <c>opened</c>. That of a test is none, and always <c>unchanged</c>.</summary>
    /// <returns>One result a mark, in their order: <c>created</c>, or <c>unchanged</c> where the message bore it already;
    /// refused with <c>not-found</c> or <c>invalid-time</c>. 404 where the customer is unknown or was erased.</returns>
    public async Task<Result<IReadOnlyList<BatchItem>>> MarkAsync(
        Actor actor,
        string customerId,
        IReadOnlyList<InboxMark> marks,
        CancellationToken cancellationToken
    )
    {
        if (marks.Count is 0 or > CustomerRegister.MostAtOnce)
        {
            return CustomerRegister.BatchSize(marks.Count);
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (await KeyAsync(connection, customerId, cancellationToken) is not { } customerKey)
        {
            return Error.NotFound("customer", customerId);
        }

        var now = await BusinessClock.NowAsync(connection);
        var messages = await FindAsync(connection, customerKey, marks, cancellationToken);
        var items = marks.Select((mark, index) => Check(mark, index, messages, now)).ToArray();
        int[] fit = [.. items.Where(item => item.Error is null).Select(item => item.Index)];
        var tests = fit.Where(index => messages[Number(marks[index].MessageId)!.Value].CampaignId is null).ToList();
        await InboxMessages.MarkAsync(
            connection,
            customerKey,
            [.. tests.Select(index => Entry(marks[index]))],
            cancellationToken
        );
        int[] good = [.. fit.Except(tests)];
        if (good.Length == 0)
        {
            return items;
        }

        await connection.CloseAsync();
        var recorded = await engagements.RecordAsync(
            actor,
            [.. good.Select(index => Engagement(customerId, marks[index], messages))],
            (transaction, batch) =>
                InboxMessages.MarkAsync(
                    transaction,
                    customerKey,
                    [.. batch.Stored.Select(stored => marks[good[stored.Index]]).Select(Entry)],
                    cancellationToken
                ),
            cancellationToken
        );
        if (!recorded.TryGet(out var batch, out var error))
        {
            return error;
        }

        foreach (var item in batch.Items)
        {
            var index = good[item.Index];
            items[index] = items[index] with { Status = item.Status, Error = item.Error };
        }

        return items;
    }

    private static (long, InboxMarkKind, DateTimeOffset) Entry(InboxMark mark) =>
        (Number(mark.MessageId)!.Value, mark.Kind, mark.At);

    private static BatchItem Check(InboxMark mark, int index, Dictionary<long, MessageRow> messages, DateTimeOffset now)
    {
        var error =
            Number(mark.MessageId) is { } id && messages.ContainsKey(id)
                ? Instants.FindFault(mark.At, now, "at")
                : Error.NotFound("message", mark.MessageId);
        return new(index, mark.MessageId, error is null ? ItemStatus.Unchanged : ItemStatus.Refused, error);
    }

    private static EngagementEntry Engagement(string customerId, InboxMark mark, Dictionary<long, MessageRow> messages)
    {
        var message = messages[Number(mark.MessageId)!.Value];
        var kind = mark.Kind switch
        {
            InboxMarkKind.Shown => EngagementKind.Opened,
            InboxMarkKind.Clicked => EngagementKind.Clicked,
            _ => EngagementKind.Dismissed,
        };
        var id = $"{message.MessageId}:{Json.ProductJson.NameOf(mark.Kind)}";
        return new EngagementEntry(
            EventNames.Inbox,
            id,
            message.CampaignId!,
            customerId,
            kind,
            mark.At,
            message.RunKey
        );
    }

    private static async Task<Dictionary<long, MessageRow>> FindAsync(
        NpgsqlConnection connection,
        long customerKey,
        IReadOnlyList<InboxMark> marks,
        CancellationToken cancellationToken
    )
    {
        var rows = await connection.QueryAsync<MessageRow>(
            new CommandDefinition(
                $"""
                SELECT m.message_id, r.run_key, c.campaign_id
                FROM inbox_message m
                LEFT JOIN run r ON r.run_key = {TouchKey.RunSql("m")}
                LEFT JOIN campaign c USING (campaign_key)
                WHERE m.customer_key = @customerKey AND m.message_id = ANY (@ids)
                """,
                new { customerKey, ids = marks.Select(mark => Number(mark.MessageId)).OfType<long>().ToArray() },
                cancellationToken: cancellationToken
            )
        );
        return rows.ToDictionary(row => row.MessageId);
    }

    private static Task<long?> KeyAsync(
        NpgsqlConnection connection,
        string customerId,
        CancellationToken cancellationToken
    ) =>
        connection.QuerySingleOrDefaultAsync<long?>(
            new CommandDefinition(
                "SELECT customer_key FROM customer WHERE customer_id = @customerId AND NOT erased",
                new { customerId },
                cancellationToken: cancellationToken
            )
        );

    private static long? Number(string id) =>
        long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private sealed class MessageRow
    {
        public long MessageId { get; init; }
        public int RunKey { get; init; }
        public string? CampaignId { get; init; }
    }
}
