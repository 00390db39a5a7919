using Campaigns.Customers;
using Dapper;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>A request that was committed and has no outcome.</summary>
internal sealed class EarlierAttempt
{
    public int Request { get; init; }
    public string RequestKey { get; init; } = "";
    public string Gateway { get; init; } = "";
    public DateTimeOffset AttemptedAt { get; init; }
    public long[] CustomerKeys { get; init; } = [];

    internal Attempt AsUnknown(ContactDay now) =>
        new(Request, RequestKey, [.. CustomerKeys.Select(key => new Touch(key))], now);
}

/// <summary>What earlier leases did of a chunk.</summary>
/// <param name="Handled">Customers who were attempted or withheld.</param>
internal sealed record EarlierAttempts(IReadOnlyList<EarlierAttempt> Unsettled, HashSet<long> Handled)
{
    internal static async Task<EarlierAttempts> OfAsync(NpgsqlDataSource dataSource, Chunk chunk)
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        return await OfAsync(connection, chunk.RunKey, chunk.Number);
    }

    internal static async Task<EarlierAttempts> OfAsync(NpgsqlConnection connection, int runKey, int chunk)
    {
        var unsettled = await connection.QueryAsync<EarlierAttempt>(
            """
            SELECT a.request, a.request_key, a.gateway, a.attempted_at, a.customer_keys
            FROM attempt a
            WHERE a.run_key = @runKey AND a.chunk = @chunk AND cardinality(a.customer_keys) > 0
              AND NOT EXISTS (
                  SELECT FROM outcome o WHERE o.run_key = a.run_key AND o.chunk = a.chunk AND o.request = a.request
              )
            ORDER BY a.request
            """,
            new { runKey, chunk }
        );
        var handled = await connection.QueryAsync<long>(
            """
            SELECT unnest(customer_keys || coalesce(withheld_keys, '{}'))
            FROM attempt
            WHERE run_key = @runKey AND chunk = @chunk
            """,
            new { runKey, chunk }
        );
        return new EarlierAttempts([.. unsettled], [.. handled]);
    }
}
