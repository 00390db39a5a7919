using System.Security.Cryptography;
using Campaigns.Channels;
using Campaigns.Channels.JPush;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Results;
using Dapper;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>Asks JPush what became of its pushes: it tells only who asks. Often at first, and no more after three days or
/// when everything is settled. Run by one caller at a time.</summary>
internal sealed class PushReceipts(
    NpgsqlDataSource dataSource,
    Gateways gateways,
    AddressVault vault,
    ReceiptIntake intake,
    TimeProvider time
)
{
    private const int RequestsAtOnce = 100;
    private const int MostIds = 1_000;
    private static readonly TimeSpan AskedFor = TimeSpan.FromHours(72);
    private static readonly TimeSpan First = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan AtMost = TimeSpan.FromHours(6);
    private static readonly TimeSpan China = TimeSpan.FromHours(8);

    /// <summary>Until then the provider wants to be left alone; real time.</summary>
    private DateTimeOffset _quietUntil = DateTimeOffset.MinValue;

    /// <summary>Asks for what is due.</summary>
    internal async Task PollAsync(CancellationToken cancellationToken)
    {
        if (
            gateways.Named(Channel.App, JPushGateway.Name) is not JPushGateway gateway
            || time.GetUtcNow() < _quietUntil
        )
        {
            return;
        }

        foreach (var call in await DueAsync(cancellationToken))
        {
            // Before it is asked: whatever becomes of the question, the others have their turn first.
            await PutOffAsync(call, cancellationToken);
            if (!(await AskAsync(gateway, call, cancellationToken)).TryGet(out var settled, out var error))
            {
                _quietUntil = time.GetUtcNow() + (error.RetryAfter ?? TimeSpan.Zero);
                return;
            }

            if (settled)
            {
                await SettleAsync(call, cancellationToken);
            }
        }
    }

    /// <summary>Whether all is settled; an error when the provider cannot say now, of this or any other call.</summary>
    private async Task<Result<bool>> AskAsync(JPushGateway gateway, Call call, CancellationToken cancellationToken)
    {
        var ids = await RegistrationIdsAsync(call, cancellationToken);
        var sentOn = DateOnly.FromDateTime(call.AttemptedAt.ToOffset(China).DateTime);
        var told = 0;
        foreach (var some in ids.Chunk(MostIds))
        {
            var polled = await gateway.PollReceiptsAsync(call.MessageId, sentOn, some, call.Now, cancellationToken);
            if (!polled.TryGet(out var receipts, out var error))
            {
                return error;
            }

            told += receipts.Length;
            await intake.TakeAsync(Channel.App, receipts, cancellationToken);
        }

        return told >= ids.Count;
    }

    private async Task<List<Call>> DueAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var now = await BusinessClock.NowAsync(connection);
        var calls = await connection.QueryAsync<Call>(
            new CommandDefinition(
                """
                SELECT a.run_key, a.chunk, a.request, a.attempted_at, a.customer_keys, o.provider_ids[1] AS message_id,
                       coalesce(p.polls, 0) AS polls, @now::timestamptz AS now
                FROM run r
                JOIN chunk c USING (run_key)
                JOIN attempt a USING (run_key, chunk)
                JOIN outcome o USING (run_key, chunk, request)
                LEFT JOIN receipt_poll p USING (run_key, chunk, request)
                WHERE (r.closed_at IS NULL OR r.closed_at > @now - @AskedFor)
                  AND c.channel = @channel AND (c.finished_at IS NULL OR c.finished_at > @now - @AskedFor)
                  AND a.gateway = @Name AND o.provider_ids IS NOT NULL AND o.recorded_at > @now - @AskedFor
                  AND CASE WHEN p.polls IS NULL THEN o.recorded_at + @First <= @now ELSE p.next_at <= @now END
                ORDER BY coalesce(p.next_at, o.recorded_at)
                LIMIT @RequestsAtOnce
                """,
                new
                {
                    now,
                    channel = (short)Channel.App,
                    JPushGateway.Name,
                    AskedFor,
                    First,
                    RequestsAtOnce,
                },
                cancellationToken: cancellationToken
            )
        );
        return calls.AsList();
    }

    private async Task<List<string>> RegistrationIdsAsync(Call call, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var rows = await connection.QueryAsync<(short KeyId, byte[] Ciphertext)>(
            """
            SELECT key_id, ciphertext FROM address WHERE channel = @channel AND customer_key = ANY (@CustomerKeys)
            """,
            new { channel = (short)Channel.App, call.CustomerKeys }
        );
        var ids = new List<string>();
        foreach (var (keyId, ciphertext) in rows)
        {
            try
            {
                ids.Add(vault.Open(Channel.App, keyId, ciphertext));
            }
            catch (CryptographicException)
            {
                // sealed by a key that is gone: nobody can ask for it
            }
        }

        return ids;
    }

    private async Task PutOffAsync(Call call, CancellationToken cancellationToken)
    {
        var wait = First * Math.Pow(2, Math.Min(call.Polls + 1, 20));
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await connection.ExecuteAsync(
            """
            INSERT INTO receipt_poll (run_key, chunk, request, polls, next_at)
            VALUES (@RunKey, @Chunk, @Request, 1, @nextAt)
            ON CONFLICT (run_key, chunk, request) DO UPDATE
            SET polls = receipt_poll.polls + 1, next_at = excluded.next_at
            """,
            new
            {
                call.RunKey,
                call.Chunk,
                call.Request,
                nextAt = call.Now + (wait < AtMost ? wait : AtMost),
            }
        );
    }

    private async Task SettleAsync(Call call, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await connection.ExecuteAsync(
            """
            UPDATE receipt_poll SET next_at = NULL
            WHERE run_key = @RunKey AND chunk = @Chunk AND request = @Request
            """,
            new
            {
                call.RunKey,
                call.Chunk,
                call.Request,
            }
        );
    }

    private sealed class Call
    {
        public int RunKey { get; init; }
        public int Chunk { get; init; }
        public int Request { get; init; }
        public DateTimeOffset AttemptedAt { get; init; }
        public long[] CustomerKeys { get; init; } = [];
        public string MessageId { get; init; } = "";
        public int Polls { get; init; }
        public DateTimeOffset Now { get; init; }
    }
}
