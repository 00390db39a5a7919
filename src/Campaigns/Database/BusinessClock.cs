using Dapper;
using Npgsql;

namespace Campaigns.Database;

/// <summary>Business time: the database's clock plus one stored offset, 0 in production and changed by no route; the
/// demo and the tests move it. Read it once at the edge of a piece of work and hand it in. Leases, pacing, tokens and
/// signatures use real time instead.</summary>
public sealed class BusinessClock(NpgsqlDataSource dataSource)
{
    /// <summary>The present instant, in UTC.</summary>
    public async Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await NowAsync(connection);
    }

    /// <summary>The present instant, in UTC, on a connection at hand; inside a transaction too, for it does not stand
    /// still there.</summary>
    public static Task<DateTimeOffset> NowAsync(NpgsqlConnection connection) =>
        connection.QuerySingleAsync<DateTimeOffset>("SELECT clock_timestamp() + clock_offset FROM business_clock");

    /// <summary>Business time minus real time.</summary>
    public async Task<TimeSpan> OffsetAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await connection.QuerySingleAsync<TimeSpan>("SELECT clock_offset FROM business_clock");
    }

    /// <summary>Sets business time minus real time, for demonstrations and tests. The engine follows within a second.
    /// </summary>
    public async Task MoveAsync(TimeSpan offset, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await connection.ExecuteAsync("UPDATE business_clock SET clock_offset = @offset", new { offset });
    }
}
