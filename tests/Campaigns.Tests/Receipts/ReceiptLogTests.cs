using Campaigns.Channels;
using Campaigns.Receipts;
using Campaigns.Tests.Dispatch;
using Dapper;

namespace Campaigns.Tests.Receipts;

public sealed class ReceiptLogTests
{
    [Fact]
    public async Task Receipts_of_very_many_requests_take_few_locks()
    {
        await using var given = await GivenRun.CreateAsync();
        await using var connection = await given.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var receipts = Enumerable.Range(1, 3_000).Select(Receipt).ToList();

        var recorded = await ReceiptLog.RecordAsync(connection, receipts, DateTimeOffset.UtcNow, default);

        var locks = await connection.QuerySingleAsync<int>(
            "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        );
        Assert.Equal(3_000, recorded);
        Assert.InRange(locks, 2, 300);
    }

    private static (ReceiptMatch, Said) Receipt(int number) =>
        (
            new ReceiptMatch
            {
                RunKey = 1,
                Chunk = 1,
                Request = number,
                CustomerKey = number,
                Wave = 1,
                Channel = (short)Channel.Sms,
                Variant = 1,
                Answer = (short)SendState.Accepted,
            },
            new Said
            {
                Channel = Channel.Sms,
                State = ReceiptState.Delivered,
                At = DateTimeOffset.UtcNow,
            }
        );
}
