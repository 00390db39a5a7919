using Campaigns.Channels;
using Dapper;
using Npgsql;

namespace Campaigns.Customers;

/// <summary>Counts the messages that customers have authorised and nobody has attempted, in the caller's transaction. Rows
/// are taken in the order of keys.</summary>
public static class UnspentAuthorisations
{
    /// <summary>SQL that says for a row of <c>contact</c> whether the customer may be sent a message by each of some templates:
    /// a join, and the set of all channels or of all but <paramref name="channel"/>.</summary>
    /// <param name="contact">The table's alias.</param>
    /// <param name="templates">SQL of the provider's template ids, each once.</param>
    /// <param name="which">SQL of which customers are asked for, by <c>customer_key</c>.</param>
    public static (string Join, string Allowed) Sql(string contact, Channel channel, string templates, string which) =>
        (
            $"""
            LEFT JOIN (
                SELECT customer_key
                FROM authorisation JOIN authorised_template t USING (authorised_template)
                WHERE t.name = ANY ({templates}) AND unspent > 0 AND {which}
                GROUP BY customer_key
                HAVING count(*) = cardinality({templates})
            ) authorised ON authorised.customer_key = {contact}.customer_key
            """,
            $"(CASE WHEN authorised.customer_key IS NULL THEN ~{channel.Bit()} ELSE -1 END)::smallint"
        );

    /// <summary>Spends one of each customer's.</summary>
    /// <returns>Those who had one.</returns>
    public static async Task<IReadOnlySet<long>> SpendAsync(
        NpgsqlConnection connection,
        string template,
        long[] keys,
        CancellationToken cancellationToken
    ) =>
        (
            await connection.QueryAsync<long>(
                new CommandDefinition(
                    Held("AND a.unspent > 0")
                        + """
                        UPDATE authorisation a SET unspent = a.unspent - 1
                        FROM held h
                        WHERE a.customer_key = h.customer_key AND a.authorised_template = h.authorised_template
                        RETURNING a.customer_key
                        """,
                    new { template, keys },
                    cancellationToken: cancellationToken
                )
            )
        ).ToHashSet();

    /// <summary>Gives back what was spent for messages that the provider has certainly not taken, but for customers of whom it
    /// has said since that they have none.</summary>
    /// <param name="spentAt">Business time.</param>
    public static Task GiveBackAsync(
        NpgsqlConnection connection,
        string template,
        long[] keys,
        DateTimeOffset spentAt,
        CancellationToken cancellationToken
    ) =>
        connection.ExecuteAsync(
            new CommandDefinition(
                Held("AND a.void_through < @spentAt")
                    + """
                    UPDATE authorisation a SET unspent = a.unspent + 1
                    FROM held h
                    WHERE a.customer_key = h.customer_key AND a.authorised_template = h.authorised_template
                    """,
                new
                {
                    template,
                    keys,
                    spentAt,
                },
                cancellationToken: cancellationToken
            )
        );

    /// <summary>The provider says that these customers have none left: what they authorised up to then holds no more.</summary>
    /// <param name="at">Business time of the attempt that it refused.</param>
    public static async Task UsedUpAsync(
        NpgsqlConnection connection,
        string template,
        long[] keys,
        DateTimeOffset at,
        CancellationToken cancellationToken
    )
    {
        var number = await connection.QuerySingleOrDefaultAsync<short?>(
            "SELECT authorised_template FROM authorised_template WHERE name = @template",
            new { template }
        );
        if (number is { } known)
        {
            await SettleAsync(connection, [.. keys.Select(key => (key, known, (short)0, at))], cancellationToken);
        }
    }

    /// <summary>Adds messages authorised; 0 of them says that none holds any more that was authorised up to then. What was said
    /// of a later instant stays, in whatever order it comes.</summary>
    internal static async Task SettleAsync(
        NpgsqlConnection connection,
        IReadOnlyList<(long CustomerKey, short Template, short Messages, DateTimeOffset At)> said,
        CancellationToken cancellationToken
    )
    {
        if (said.Count == 0)
        {
            return;
        }

        var given = new
        {
            keys = said.Select(one => one.CustomerKey).ToArray(),
            templates = said.Select(one => one.Template).ToArray(),
            messages = said.Select(one => one.Messages).ToArray(),
            at = said.Select(one => one.At.UtcDateTime).ToArray(),
        };
        await connection.ExecuteAsync(
            new CommandDefinition(
                """
                INSERT INTO authorisation (customer_key, authorised_template)
                SELECT DISTINCT customer_key, authorised_template
                FROM unnest(@keys, @templates) AS s (customer_key, authorised_template)
                ORDER BY 1, 2
                ON CONFLICT DO NOTHING
                """,
                given,
                cancellationToken: cancellationToken
            )
        );
        await connection.ExecuteAsync(new CommandDefinition(Settle, given, cancellationToken: cancellationToken));
    }

    private static string Held(string condition) =>
        $"""
            WITH held AS MATERIALIZED (
                SELECT a.customer_key, a.authorised_template
                FROM authorisation a JOIN authorised_template t USING (authorised_template)
                WHERE t.name = @template AND a.customer_key = ANY (@keys) {condition}
                ORDER BY a.customer_key
                FOR UPDATE OF a
            )

            """;

    // Never more than was authorised since the last time that none was left, whatever was spent before that.
    private const string Settle = """
        WITH said AS MATERIALIZED (
            SELECT * FROM unnest(@keys, @templates, @messages, @at)
                AS s (customer_key, authorised_template, messages, occurred_at)
        ), held AS MATERIALIZED (
            SELECT a.customer_key, a.authorised_template, a.unspent, greatest(a.void_through, s.void_through) AS void_through
            FROM authorisation a
            JOIN (
                SELECT customer_key, authorised_template, max(occurred_at) FILTER (WHERE messages = 0) AS void_through
                FROM said
                GROUP BY 1, 2
            ) s USING (customer_key, authorised_template)
            ORDER BY 1, 2
            FOR UPDATE OF a
        ), added AS (
            SELECT customer_key, authorised_template, sum(s.messages) AS messages
            FROM said s JOIN held h USING (customer_key, authorised_template)
            WHERE s.occurred_at > h.void_through
            GROUP BY 1, 2
        ), authorised AS (
            SELECT customer_key, authorised_template, sum(e.messages) AS messages
            FROM authorisation_entry e JOIN held h USING (customer_key, authorised_template)
            WHERE e.occurred_at > h.void_through
            GROUP BY 1, 2
        )
        UPDATE authorisation a
        SET void_through = h.void_through,
            unspent = least(h.unspent + coalesce(n.messages, 0), coalesce(t.messages, 0))
        FROM held h
        LEFT JOIN added n USING (customer_key, authorised_template)
        LEFT JOIN authorised t USING (customer_key, authorised_template)
        WHERE a.customer_key = h.customer_key AND a.authorised_template = h.authorised_template
        """;
}
