using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Results;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Planning;

/// <summary>A line of a run's timetable: [<paramref name="Opens"/>, <paramref name="Closes"/>).</summary>
/// <param name="Next">The wave that takes what does not fit; null where it expires.</param>
internal sealed record Wave(int Number, Channel Channel, DateTimeOffset Opens, DateTimeOffset Closes, int? Next);

/// <summary>The first legal window on one channel of customers of one zone and one set of slots.</summary>
internal sealed record FirstWindow(Channel Channel, int Wave, DateTimeOffset Opens, int Day, int Month);

/// <summary>A kind of customer that the calendar tells apart.</summary>
internal sealed record CalendarRow(short Zone, short Slots, IReadOnlyList<FirstWindow> Windows);

/// <summary>All calendar arithmetic of a run, done once in C# for every zone and set of slots present, so that SQL only
/// looks them up (<see cref="CalendarTable"/>). Equal windows of one channel that roll to equal windows are one wave, whatever zone they come from.</summary>
internal sealed class RunCalendar
{
    private readonly Dictionary<(Channel, LegalWindow, int?), int> _numbers = [];
    private readonly List<Wave> _waves = [];

    public IReadOnlyList<Wave> Waves => _waves;
    public required IReadOnlyList<CalendarRow> Rows { get; init; }

    /// <summary>Computes the windows of every kind.</summary>
    /// <param name="kinds">Zone key, IANA name and slots of each kind of customer there is.</param>
    public static Result<RunCalendar> Compute(
        WindowCalculator calculator,
        IReadOnlyList<Channel> channels,
        IEnumerable<(short Zone, string Name, short Slots)> kinds
    )
    {
        var rows = new List<CalendarRow>();
        var calendar = new RunCalendar { Rows = rows };
        foreach (var (zone, name, slots) in kinds)
        {
            var windows = new List<FirstWindow>();
            foreach (var channel in channels)
            {
                if (!calculator.Windows(name, (PreferredSlots)slots, channel).TryGet(out var legal, out var error))
                {
                    return error;
                }

                if (legal.Count > 0)
                {
                    windows.Add(calendar.First(channel, legal, name));
                }
            }

            rows.Add(new CalendarRow(zone, slots, windows));
        }

        return calendar;
    }

    // Numbered from the last window back, so that each knows the one it rolls to.
    private FirstWindow First(Channel channel, IReadOnlyList<LegalWindow> windows, string zone)
    {
        int? next = null;
        foreach (var window in windows.Reverse())
        {
            next = NumberOf(channel, window, next);
        }

        var opens = windows[0].Opens;
        var local = DateOnly.FromDateTime(TimeZones.ToLocal(zone, opens));
        return new FirstWindow(
            channel,
            next!.Value,
            opens,
            ContactCounters.DayNumber(local),
            12 * local.Year + local.Month
        );
    }

    private int NumberOf(Channel channel, LegalWindow window, int? next)
    {
        var key = (channel, window, next);
        if (!_numbers.TryGetValue(key, out var number))
        {
            number = _waves.Count + 1;
            _numbers.Add(key, number);
            _waves.Add(new Wave(number, channel, window.Opens, window.Closes, next));
        }

        return number;
    }

    /// <summary>Writes the calendar and the timetable of a run.</summary>
    public async Task StoreAsync(NpgsqlConnection connection, int runKey, CancellationToken cancellationToken)
    {
        await using (
            var writer = await connection.BeginBinaryImportAsync(
                "COPY wave (run_key, wave, channel, opens_at, closes_at, next_wave) FROM STDIN (FORMAT binary)",
                cancellationToken
            )
        )
        {
            foreach (var wave in _waves)
            {
                await writer.StartRowAsync(cancellationToken);
                await writer.WriteAsync(runKey, cancellationToken);
                await writer.WriteAsync(wave.Number, cancellationToken);
                await writer.WriteAsync((short)wave.Channel, cancellationToken);
                await writer.WriteAsync(wave.Opens.UtcDateTime, cancellationToken);
                await writer.WriteAsync(wave.Closes.UtcDateTime, cancellationToken);
                await writer.WriteAsync(wave.Next, NpgsqlDbType.Integer, cancellationToken);
            }

            await writer.CompleteAsync(cancellationToken);
        }

        await using var rows = await connection.BeginBinaryImportAsync(
            "COPY run_calendar (run_key, zone, slots, open_channels, waves, opens, days, months) FROM STDIN (FORMAT binary)",
            cancellationToken
        );
        foreach (var row in Rows)
        {
            await rows.StartRowAsync(cancellationToken);
            await rows.WriteAsync(runKey, cancellationToken);
            await rows.WriteAsync(row.Zone, cancellationToken);
            await rows.WriteAsync(row.Slots, cancellationToken);
            await rows.WriteAsync(ChannelSet.Of(row.Windows.Select(w => w.Channel)), cancellationToken);
            await rows.WriteAsync(ByChannel(row, w => w?.Wave ?? 0), cancellationToken);
            await rows.WriteAsync(
                ByChannel(row, w => w?.Opens.UtcDateTime ?? DateTime.UnixEpoch),
                NpgsqlDbType.Array | NpgsqlDbType.TimestampTz,
                cancellationToken
            );
            await rows.WriteAsync(ByChannel(row, w => w?.Day ?? 0), cancellationToken);
            await rows.WriteAsync(ByChannel(row, w => w?.Month ?? 0), cancellationToken);
        }

        await rows.CompleteAsync(cancellationToken);
    }

    private static T[] ByChannel<T>(CalendarRow row, Func<FirstWindow?, T> value) =>
        [.. Enum.GetValues<Channel>().Select(channel => value(row.Windows.FirstOrDefault(w => w.Channel == channel)))];
}
