using Campaigns.Channels;
using Campaigns.Receipts;
using Campaigns.Tests.Dispatch;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Receipts;

/// <summary>What a receipt costs does not grow with what has been sent.</summary>
public sealed class ReceiptCostTests
{
    private const int Attempts = 20_000;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_receipt_is_found_by_keys_among_many_attempts_of_one_gateway(bool analyzed)
    {
        await using var given = await GivenRun.CreateAsync(customers: 1);
        var run = await SentAsync(given, analyzed);

        await using var sql = given.OneSession();
        var before = await ScansAsync(sql);
        await using (var connection = await sql.OpenConnectionAsync())
        {
            var found = await ReceiptMatch.FindAsync(connection, [Said(1), Said(2), Said(Attempts)]);
            Assert.Equal([1, 2, Attempts], found.Select(match => match.Request));
            Assert.All(found, match => Assert.Equal(run, match.RunKey));
        }

        Assert.Equal(before, await ScansAsync(sql));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_parked_receipt_is_joined_by_keys_among_many_attempts_of_one_gateway(bool analyzed)
    {
        await using var given = await GivenRun.CreateAsync(customers: 1);
        await SentAsync(given, analyzed);
        await using var sql = given.OneSession();
        await using var node = new Node(sql, [new ScriptedGateway(Channel.Sms)]);
        await given.ExecuteAsync(
            """
            INSERT INTO parked_receipt (source, event_id, receipt, received_at)
            SELECT 'scripted-Sms', 'e' || i, jsonb_build_object('channel', 'sms', 'requestKey', null, 'providerId', 'id-' || i,
                'customerKey', 1, 'state', 'delivered', 'at', now()), now() + clock_offset
            FROM generate_series(1, 50) i, business_clock;
            ANALYZE parked_receipt
            """
        );

        var before = await ScansAsync(sql);

        Assert.Equal(50, await node.Get<ParkedReceipts>().JoinAsync(default));

        Assert.Equal(before, await ScansAsync(sql));
    }

    /// <summary>One customer's requests, all accepted by the gateway.</summary>
    /// <param name="analyzed">Whether the planner has statistics of them; of a run that has just begun it has none.</param>
    private static async Task<int> SentAsync(GivenRun given, bool analyzed)
    {
        var run = await given.RunAsync(new RunSpec { Customers = [1] });
        await given.ExecuteAsync(
            $"""
            INSERT INTO attempt (run_key, chunk, request, channel, variant, try, attempted_at, request_key, gateway, customer_keys)
            SELECT @run, 1, i, 1, 1, 1, now(), 'k-' || i, 'scripted-Sms', ARRAY[1::bigint] FROM generate_series(1, {Attempts}) i;
            INSERT INTO outcome (run_key, chunk, request, answer, recorded_at, states, provider_ids)
            SELECT @run, 1, i, 1, now(), ARRAY[1::smallint], ARRAY['id-' || i] FROM generate_series(1, {Attempts}) i
            """,
            new { run }
        );
        if (analyzed)
        {
            await given.ExecuteAsync("ANALYZE attempt; ANALYZE outcome; ANALYZE chunk; ANALYZE wave");
        }

        return run;
    }

    private static Said Said(int request) =>
        new()
        {
            Source = "scripted-Sms",
            Channel = Channel.Sms,
            ProviderId = $"id-{request}",
            CustomerKey = 1,
            State = ReceiptState.Delivered,
            At = DateTimeOffset.UtcNow,
        };

    /// <summary>How often the tables of what was sent have been read from end to end.</summary>
    private static async Task<long> ScansAsync(NpgsqlDataSource sql)
    {
        await using var connection = await sql.OpenConnectionAsync();
        await connection.ExecuteAsync("SELECT pg_stat_force_next_flush()");
        return await connection.QuerySingleAsync<long>(
            "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE relname IN ('attempt', 'outcome')"
        );
    }
}
