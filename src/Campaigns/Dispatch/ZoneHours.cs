using Campaigns.Calendar;
using Campaigns.Channels;

namespace Campaigns.Dispatch;

/// <summary>The bank's own hours at an instant, by the number of a time zone.</summary>
/// <param name="Closed">Whether they forbid to send; null where they do in no zone.</param>
/// <param name="Opens">The first instant, not before this one, at which they allow it.</param>
/// <param name="Left">How much longer they allow it in every zone in which they do.</param>
internal sealed record ZoneTimes(bool[]? Closed, DateTimeOffset[] Opens, TimeSpan Left)
{
    // Whose zone is newer than the list has the bank's hours.
    internal DateTimeOffset OpensIn(short zone) => Opens[zone < Opens.Length ? zone : LocalDays.Bank];
}

/// <summary>When customers of each time zone may be sent to on a channel, by the hours that bind every campaign. A wave's
/// window is that of the zone its customers had when they were planned.</summary>
/// <param name="hours">Null for every hour.</param>
internal sealed class ZoneHours(ContactHours? hours, Channel channel)
{
    private static readonly ZoneTimes Always = new(null, [], TimeSpan.MaxValue);
    private static readonly TimeSpan KnownFor = TimeSpan.FromDays(1);

    /// <summary>Days that are looked ahead: hours come again every week.</summary>
    private const int Ahead = 9;

    private readonly Lock _lock = new();
    private IReadOnlyList<LegalWindow>?[] _windows = [];
    private DateTimeOffset _knownAt;

    /// <param name="zones">Names by number; null where no zone has the number.</param>
    /// <param name="now">Business time.</param>
    internal ZoneTimes At(IReadOnlyList<string?> zones, DateTimeOffset now)
    {
        if (hours is null)
        {
            return Always;
        }

        var windows = Windows(hours, zones, now);
        var (closed, opens) = (new bool[windows.Length], new DateTimeOffset[windows.Length]);
        var left = TimeSpan.MaxValue;
        for (var zone = 0; zone < windows.Length; zone++)
        {
            opens[zone] = windows[zone] is { } legal ? legal.EarliestLegal(now) ?? now + KnownFor : now;
            closed[zone] = opens[zone] > now;
            foreach (var window in windows[zone] ?? [])
            {
                if (window.Contains(now) && window.Closes - now < left)
                {
                    left = window.Closes - now;
                }
            }
        }

        return new ZoneTimes(Array.Exists(closed, one => one) ? closed : null, opens, left);
    }

    private IReadOnlyList<LegalWindow>?[] Windows(ContactHours hours, IReadOnlyList<string?> zones, DateTimeOffset now)
    {
        lock (_lock)
        {
            if (zones.Count > _windows.Length || (now - _knownAt).Duration() > KnownFor)
            {
                var today = DateOnly.FromDateTime(now.UtcDateTime);
                var calendar = new CampaignCalendar
                {
                    From = today.AddDays(-2),
                    To = today.AddDays(Ahead),
                    Windows = [],
                    Hours = hours,
                };
                var calculator = WindowCalculator.Create(calendar, now - (2 * KnownFor)).Value;
                _windows =
                [
                    .. zones.Select(zone =>
                        zone is null ? null : calculator.Windows(zone, PreferredSlots.Any, channel).Value
                    ),
                ];
                _knownAt = now;
            }

            return _windows;
        }
    }
}
