using Campaigns.Channels;

namespace Campaigns.Customers;

/// <summary>The marketing attempts of a customer's last seven local days, packed into an integer: seven nibbles, the
/// newest day lowest, as of <c>contact.last_day</c>. The same arithmetic in SQL and in C#.</summary>
/// <remarks>A nibble holds 0 to 15, so a cap above 15 a day cannot be counted and is refused where caps are set.</remarks>
public static class ContactCounters
{
    /// <summary>Most attempts a day that can be counted.</summary>
    public const int MaxPerDay = 15;

    /// <summary>Most attempts in seven days that can be counted.</summary>
    public const int MaxPerWeek = 7 * MaxPerDay;

    private const int SevenNibbles = 268435455;
    private const int EveryOtherNibble = 252645135;

    /// <summary>Days since 2000-01-01, as <c>contact.last_day</c> has them.</summary>
    public static int DayNumber(DateOnly date) => date.DayNumber - new DateOnly(2000, 1, 1).DayNumber;

    /// <summary>The column that counts one channel.</summary>
    public static string Column(Channel channel) =>
        channel switch
        {
            Channel.Sms => "sms_contacts",
            Channel.WeChat => "wechat_contacts",
            Channel.App => "app_contacts",
            _ => throw new ArgumentOutOfRangeException(nameof(channel)),
        };

    /// <summary>SQL: the counters as of a later day. PostgreSQL wraps shifts, so seven days and more are 0; a day before
    /// <c>last_day</c> counts as <c>last_day</c>.</summary>
    public static string ShiftedTo(string day, string counters, string lastDay = "last_day") =>
        $"""
            CASE WHEN {day} - {lastDay} >= 7 THEN 0 WHEN {day} <= {lastDay} THEN {counters}
                ELSE ({counters} << (4 * ({day} - {lastDay}))) & {SevenNibbles} END
            """;

    /// <summary>SQL: the sum of seven nibbles.</summary>
    public static string Sum(string counters) =>
        $"(({counters} & {EveryOtherNibble}) + (({counters} >> 4) & {EveryOtherNibble})) % 255";

    /// <summary>The counters as of a day.</summary>
    public static int ShiftedTo(int day, int counters, int lastDay) =>
        (day - lastDay) switch
        {
            >= 7 => 0,
            <= 0 => counters,
            var days => (int)(((long)counters << (4 * days)) & SevenNibbles),
        };

    /// <summary>The sum of seven nibbles.</summary>
    public static int Sum(int counters) => ((counters & EveryOtherNibble) + ((counters >> 4) & EveryOtherNibble)) % 255;

    /// <summary>The newest day's count.</summary>
    public static int Today(int counters) => counters & 15;
}
