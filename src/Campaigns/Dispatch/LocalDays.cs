using Campaigns.Customers;
using Dapper;
using NodaTime;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>The local date of each customer's zone, as contacts are counted in.</summary>
internal sealed class LocalDays(NpgsqlDataSource dataSource)
{
    /// <summary>Zone 1 is the bank's, and a customer's where it is unknown.</summary>
    private const int Bank = 1;
    private static readonly LocalDate Epoch = new(2000, 1, 1);

    private volatile DateTimeZone[] _zones = [];

    /// <summary>Days since 2000-01-01 by zone.</summary>
    internal async Task<Dates> AtAsync(DateTimeOffset now, short highestZone, CancellationToken cancellationToken)
    {
        if (highestZone >= _zones.Length)
        {
            _zones = await ReadAsync(cancellationToken);
        }

        var instant = Instant.FromDateTimeOffset(now);
        var zones = _zones;
        var days = new int[zones.Length];
        for (var zone = 0; zone < zones.Length; zone++)
        {
            days[zone] = Period.DaysBetween(Epoch, instant.InZone(zones[zone]).Date);
        }

        var bank = instant.InZone(zones[Bank]).Date;
        return new Dates(now, days, (12 * bank.Year) + bank.Month);
    }

    private async Task<DateTimeZone[]> ReadAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var rows = (
            await connection.QueryAsync<(short Zone, string Name)>("SELECT zone, name FROM time_zone")
        ).ToList();
        var zones = new DateTimeZone[rows.Max(row => row.Zone) + 1];
        Array.Fill(zones, DateTimeZone.Utc);
        foreach (var (zone, name) in rows)
        {
            zones[zone] = DateTimeZoneProviders.Tzdb[name];
        }

        return zones;
    }
}

/// <summary>What day it is, everywhere.</summary>
/// <param name="ByZone">Days since 2000-01-01.</param>
/// <param name="Month">12 * year + month of the bank.</param>
internal sealed record Dates(DateTimeOffset Now, int[] ByZone, int Month)
{
    internal ContactDay Of(IReadOnlyList<Touch> touches)
    {
        var days = new int[touches.Count];
        for (var i = 0; i < days.Length; i++)
        {
            days[i] = ByZone[touches[i].Zone];
        }

        return new ContactDay(Now, days, Month);
    }
}
