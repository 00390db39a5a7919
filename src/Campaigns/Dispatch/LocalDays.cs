using Campaigns.Customers;
using Dapper;
using NodaTime;
using Npgsql;

namespace Campaigns.Dispatch;

/// <summary>The local date of each customer's zone, as contacts are counted in.</summary>
internal sealed class LocalDays
{
    /// <summary>Zone 1 is the bank's, and a customer's where it is unknown.</summary>
    internal const int Bank = 1;
    private static readonly LocalDate Epoch = new(2000, 1, 1);

    private volatile DateTimeZone?[] _zones = [];

    /// <summary>Names of time zones by their number, as last read; null where no zone has the number.</summary>
    internal IReadOnlyList<string?> Names => [.. _zones.Select(zone => zone?.Id)];

    /// <summary>Days since 2000-01-01 by zone.</summary>
    /// <param name="zones">The highest number of a zone; null where it was not read.</param>
    internal async Task<ContactDay> AtAsync(NpgsqlConnection connection, DateTimeOffset now, short? zones)
    {
        if (zones is null || zones >= _zones.Length)
        {
            _zones = await ReadAsync(connection);
        }

        var instant = Instant.FromDateTimeOffset(now);
        var known = _zones;
        var days = new int[known.Length];
        for (var zone = 0; zone < known.Length; zone++)
        {
            days[zone] = Period.DaysBetween(Epoch, instant.InZone(known[zone] ?? known[Bank]!).Date);
        }

        var bank = instant.InZone(known[Bank]!).Date;
        return new ContactDay(now, days, (12 * bank.Year) + bank.Month);
    }

    private static async Task<DateTimeZone?[]> ReadAsync(NpgsqlConnection connection)
    {
        var rows = (
            await connection.QueryAsync<(short Zone, string Name)>("SELECT zone, name FROM time_zone")
        ).ToList();
        var zones = new DateTimeZone?[rows.Max(row => row.Zone) + 1];
        foreach (var (zone, name) in rows)
        {
            zones[zone] = DateTimeZoneProviders.Tzdb[name];
        }

        return zones;
    }
}
