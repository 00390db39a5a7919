using Campaigns.Access;
using Campaigns.Audit;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Lifecycle;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>A message for one tester.</summary>
/// <param name="Withheld">Why it is not sent; null where it is.</param>
internal sealed record TestItem(
    short Place,
    long CustomerKey,
    string Address,
    IReadOnlyDictionary<string, string> Values,
    string? Withheld
);

/// <summary>What a provider said later of a message that may be a test.</summary>
/// <param name="Lookup">The keyed hash of the address, in base64; null where none is named.</param>
/// <param name="CustomerKey">Where the message's own key names it.</param>
internal sealed record TestReceipt(
    Channel Channel,
    string? RequestKey,
    string? ProviderId,
    string? Lookup,
    long? CustomerKey,
    TestState State,
    string? Code
);

/// <summary>The record of tests: written before anything is sent, and apart from attempts and outcomes.</summary>
internal static class TestSendLog
{
    private const int LockClass = 0x54455354; // "TEST"

    /// <summary>Records what is about to be sent, with what each request is known by.</summary>
    /// <param name="perDay">Most messages in a day of the bank's.</param>
    /// <returns>The number; 429 <c>rate-limited</c>.</returns>
    internal static async Task<Result<int>> BeginAsync(
        NpgsqlConnection connection,
        Template template,
        string gateway,
        IReadOnlyList<TestItem> items,
        Actor actor,
        int perDay
    )
    {
        await using var transaction = await connection.BeginTransactionAsync();
        await connection.ExecuteAsync("SELECT pg_advisory_xact_lock(@LockClass, 0)", new { LockClass });
        var now = await BusinessClock.NowAsync(connection);
        var going = items.Count(item => item.Withheld is null);
        var today = await connection.QuerySingleAsync<int>(
            """
            SELECT count(*)::integer
            FROM test_send s
            JOIN test_message m USING (number)
            WHERE m.state <> 0 AND s.sent_at >= date_trunc('day', @now, @Bank)
            """,
            new { now, TimeZones.Bank }
        );
        if (today + going > perDay)
        {
            var local = TimeZones.ToLocal(TimeZones.Bank, now);
            return new Error(
                ErrorKind.Unavailable,
                "rate-limited",
                $"{today} test messages have gone today, and {perDay} may: try again tomorrow, or name fewer testers."
            )
            {
                RetryAfter = local.Date.AddDays(1) - local,
            };
        }

        var number = await connection.QuerySingleAsync<int>(
            """
            INSERT INTO test_send (template_id, version, channel, gateway, sent_by, sent_at)
            VALUES (@TemplateId, @Version, @channel, @gateway, @Id, @now)
            RETURNING number
            """,
            new
            {
                template.TemplateId,
                template.Version,
                channel = (short)template.Content.Channel,
                gateway,
                actor.Id,
                now,
            }
        );
        await connection.ExecuteAsync(
            """
            INSERT INTO test_message (number, place, customer_key, state, code)
            SELECT @number, place, customer_key, CASE WHEN code IS NULL THEN 4 ELSE 0 END, code
            FROM unnest(@places, @keys, @codes) AS t (place, customer_key, code)
            """,
            new
            {
                number,
                places = items.Select(item => item.Place).ToArray(),
                keys = items.Select(item => item.CustomerKey).ToArray(),
                codes = items.Select(item => item.Withheld).ToArray(),
            }
        );
        await AuditLog.WriteAsync(
            connection,
            now,
            actor,
            "tested",
            "template",
            template.TemplateId,
            new
            {
                template.Version,
                number,
                testers = items.Count,
                sent = going,
            }
        );
        await transaction.CommitAsync();
        return number;
    }

    /// <summary>Says by which key a request will be known, before it is sent.</summary>
    internal static Task NameAsync(NpgsqlConnection connection, int number, string key, IEnumerable<TestItem> items) =>
        connection.ExecuteAsync(
            "UPDATE test_message SET request_key = @key WHERE number = @number AND place = ANY (@places)",
            new
            {
                number,
                key,
                places = items.Select(item => item.Place).ToArray(),
            }
        );

    /// <summary>Records what a request was answered. A receipt that was faster stays.</summary>
    internal static Task AnsweredAsync(
        NpgsqlConnection connection,
        int number,
        IReadOnlyList<TestItem> items,
        IReadOnlyList<(TestState State, string? Code, string? ProviderId)> answers
    ) =>
        connection.ExecuteAsync(
            """
            UPDATE test_message m
            SET state = CASE WHEN m.state >= 5 THEN m.state ELSE t.state END,
                code = CASE WHEN m.state >= 5 THEN m.code ELSE t.code END, provider_id = t.provider_id
            FROM unnest(@places, @states, @codes, @ids) AS t (place, state, code, provider_id)
            WHERE m.number = @number AND m.place = t.place
            """,
            new
            {
                number,
                places = items.Select(item => item.Place).ToArray(),
                states = answers.Select(answer => (short)answer.State).ToArray(),
                codes = answers.Select(answer => answer.Code).ToArray(),
                ids = answers.Select(answer => answer.ProviderId).ToArray(),
            }
        );

    /// <summary>Keeps receipts of tests, on the connection and in the transaction of who took them in.</summary>
    /// <returns>Which of those given were of tests, by their place.</returns>
    internal static async Task<HashSet<int>> ReceivedAsync(
        NpgsqlConnection connection,
        IReadOnlyList<TestReceipt> receipts
    )
    {
        if (receipts.Count == 0)
        {
            return [];
        }

        var places = await connection.QueryAsync<int>(
            """
            WITH given AS (
                SELECT *
                FROM unnest(@ords, @channels, @keys, @ids, @lookups, @customers, @states, @codes)
                    AS g (ord, channel, request_key, provider_id, lookup, named, state, code)
            ), found AS (
                SELECT g.ord, g.state, g.code, m.number, m.place
                FROM given g
                JOIN test_message m ON m.request_key = g.request_key OR m.provider_id = g.provider_id
                JOIN test_send s ON s.number = m.number AND s.channel = g.channel
                WHERE CASE WHEN g.named IS NOT NULL THEN g.named = m.customer_key
                           WHEN g.lookup IS NULL THEN true
                           ELSE EXISTS (
                               SELECT FROM address a
                               WHERE a.customer_key = m.customer_key AND a.channel = g.channel
                                 AND a.lookup = decode(g.lookup, 'base64')) END
            ), highest AS (
                SELECT DISTINCT ON (number, place) number, place, state, code
                FROM found
                ORDER BY number, place, state DESC
            ), told AS (
                UPDATE test_message m
                SET state = h.state, code = h.code
                FROM highest h
                WHERE m.number = h.number AND m.place = h.place AND m.state < h.state
            )
            SELECT DISTINCT ord FROM found
            """,
            new
            {
                ords = Enumerable.Range(0, receipts.Count).ToArray(),
                channels = receipts.Select(receipt => (short)receipt.Channel).ToArray(),
                keys = receipts.Select(receipt => receipt.RequestKey).ToArray(),
                ids = receipts.Select(receipt => receipt.ProviderId).ToArray(),
                lookups = receipts.Select(receipt => receipt.Lookup).ToArray(),
                customers = receipts.Select(receipt => receipt.CustomerKey).ToArray(),
                states = receipts.Select(receipt => (short)receipt.State).ToArray(),
                codes = receipts.Select(receipt => receipt.Code).ToArray(),
            }
        );
        return [.. places];
    }

    /// <summary>Whether a call to the provider was a test, of which counts say nothing for a single tester.</summary>
    internal static Task<bool> IsTestAsync(NpgsqlConnection connection, string gateway, string providerId) =>
        connection.QuerySingleAsync<bool>(
            """
            SELECT EXISTS (
                SELECT FROM test_message m
                JOIN test_send s USING (number)
                WHERE m.provider_id = @providerId AND s.gateway = @gateway)
            """,
            new { providerId, gateway }
        );

    /// <summary>Null where there is none of this number.</summary>
    internal static async Task<TestSend?> FindAsync(NpgsqlConnection connection, int number, AddressVault vault)
    {
        var send = await connection.QuerySingleOrDefaultAsync<TestSend>(
            "SELECT number, template_id, version, channel, gateway, sent_by, sent_at FROM test_send WHERE number = @number",
            new { number }
        );
        if (send is null)
        {
            return null;
        }

        var rows = await connection.QueryAsync<Row>(
            """
            SELECT c.customer_id, m.state, m.code, a.key_id, a.ciphertext
            FROM test_message m
            JOIN customer c USING (customer_key)
            LEFT JOIN address a ON a.customer_key = m.customer_key AND a.channel = @channel
            WHERE m.number = @number
            ORDER BY m.place
            """,
            new { number, channel = (short)send.Channel }
        );
        return send with { Messages = [.. rows.Select(row => row.Show(send.Channel, vault))] };
    }

    private sealed class Row
    {
        public string CustomerId { get; init; } = "";
        public TestState State { get; init; }
        public string? Code { get; init; }
        public short? KeyId { get; init; }
        public byte[]? Ciphertext { get; init; }

        internal TestMessage Show(Channel channel, AddressVault vault) =>
            new()
            {
                CustomerId = CustomerId,
                State = State,
                Code = Code,
                Address = KeyId is { } key ? AddressForms.Mask(channel, vault.Open(channel, key, Ciphertext)) : null,
            };
    }
}
