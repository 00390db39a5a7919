using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Channels.WeChat;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Dispatch;
using Campaigns.Json;
using Dapper;
using Npgsql;

namespace Campaigns.Receipts;

/// <summary>Takes in what providers say later: idempotent, in any order, also before what it refers to is recorded.</summary>
public sealed class ReceiptIntake
{
    private readonly NpgsqlDataSource _dataSource;
    private readonly AddressVault _vault;

    internal ReceiptIntake(NpgsqlDataSource dataSource, AddressVault vault) =>
        (_dataSource, _vault) = (dataSource, vault);

    /// <summary>Records receipts of a channel, in one transaction; those that refer to nothing we know are kept.</summary>
    public async Task<ReceiptBatch> TakeAsync(
        Channel channel,
        IReadOnlyList<ProviderReceipt> receipts,
        CancellationToken cancellationToken
    )
    {
        if (receipts.Count == 0)
        {
            return new ReceiptBatch(0, 0, 0);
        }

        var said = receipts.Select(receipt => Said.Of(channel, receipt, _vault)).ToList();
        return await Contended.RunAsync(
            _dataSource,
            connection => TakeAsync(connection, said, cancellationToken),
            cancellationToken
        );
    }

    /// <summary>Keeps the counts that a mass send ended with, for the call as a whole.</summary>
    public async Task TakeMassSendAsync(MassSendFinished finished, CancellationToken cancellationToken)
    {
        var said = new MassSaid(
            finished.ProviderId,
            finished.Status,
            finished.Total,
            finished.Filtered,
            finished.Sent,
            finished.Failed
        );
        await using var connection = await _dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var now = await BusinessClock.NowAsync(connection);
        if (!await MassReceipts.RecordAsync(connection, said, now))
        {
            await ParkedReceipts.ParkAsync(
                connection,
                [(MassReceipts.Source, finished.EventId, JsonSerializer.Serialize(said, ProductJson.Options))],
                now
            );
        }

        await transaction.CommitAsync(cancellationToken);
    }

    private static async Task<ReceiptBatch> TakeAsync(
        NpgsqlConnection connection,
        List<Said> said,
        CancellationToken cancellationToken
    )
    {
        var now = await BusinessClock.NowAsync(connection);
        var matches = await ReceiptMatch.FindAsync(connection, said);
        var settled = matches
            .Where(match => match.Answer is not null)
            .Select(match => (match, said[match.Ord]))
            .ToList();
        var known = settled.Select(one => one.match.Ord).ToHashSet();
        var strangers = said.Where((_, ord) => !known.Contains(ord)).ToList();
        var tests = await TestSendLog.ReceivedAsync(connection, [.. strangers.Select(one => one.OfTest())]);
        var parked = strangers.Where((_, place) => !tests.Contains(place)).ToList();
        var recorded = await ReceiptLog.RecordAsync(connection, settled, now, cancellationToken);
        await ParkedReceipts.ParkAsync(
            connection,
            [.. parked.Select(one => (one.Source, one.EventId, JsonSerializer.Serialize(one, ProductJson.Options)))],
            now
        );
        return new ReceiptBatch(recorded, said.Count - parked.Count - recorded, parked.Count);
    }
}
