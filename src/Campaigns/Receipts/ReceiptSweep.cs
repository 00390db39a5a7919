using Campaigns.Database;
using Campaigns.Dispatch;
using Campaigns.Jobs;
using Dapper;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>Every few seconds, on one worker at a time: joins parked receipts, and refusals, to what has appeared since, and
/// asks those providers that have to be asked.</summary>
internal sealed class ReceiptSweep(
    NpgsqlDataSource dataSource,
    ParkedReceipts parked,
    PushReceipts push,
    Replies replies,
    DispatchOptions options,
    TimeProvider time,
    ILogger<ReceiptSweep> logger
) : Periodic(options.SweepEvery, time, logger)
{
    private const int LockClass = 0x52535750; // "RSWP"

    /// <summary>One pass; nothing when another node is at it.</summary>
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenBesidePoolAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (
            await connection.QuerySingleAsync<bool>(
                "SELECT pg_try_advisory_xact_lock(@LockClass, 0)",
                new { LockClass }
            )
        )
        {
            // None waits for another, nor fails with it.
            await Task.WhenAll(
                push.PollAsync(cancellationToken),
                parked.JoinAsync(cancellationToken),
                replies.ApplyAsync(cancellationToken)
            );
        }
    }

    protected override Task PassAsync(CancellationToken cancellationToken) => RunAsync(cancellationToken);
}
