using Campaigns.Channels;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>A run's calendar as arrays that the planning statement looks up by a kind of customer, which is a time zone and
/// a set of preferred slots: a join costs more a customer than all its gates.</summary>
internal sealed class CalendarTable
{
    private const int Slots = 8; // sets of preferred slots
    private const int Places = 4; // by number of the channel

    private readonly short[] _open;
    private readonly int[] _waves;
    private readonly int[] _days;
    private readonly int[] _months;
    private readonly DateTime[] _opens;

    private CalendarTable(int zones)
    {
        _open = new short[zones * Slots];
        (_waves, _days, _months) = (Lookup<int>(), Lookup<int>(), Lookup<int>());
        _opens = Lookup<DateTime>();
        Array.Fill(_opens, DateTime.UnixEpoch);

        T[] Lookup<T>() => new T[zones * Slots * Places];
    }

    /// <summary>SQL of a customer's kind: an index into the arrays of <see cref="Of"/>, for channel 0, which there is not.
    /// </summary>
    public static readonly string Kind = $"{Slots * Places} * k.zone + {Places} * k.preferred_slots";

    /// <summary>SQL of the channels that have a legal window for a customer, as a set; empty for whoever has moved to a
    /// zone that had no customer when the run was made.</summary>
    public static readonly string Open =
        $"coalesce((@open::smallint[])[{Slots} * k.zone + k.preferred_slots + 1], 0::smallint)";

    /// <summary>SQL of what is known of the first window of a kind on a channel.</summary>
    /// <param name="name"><c>waves</c>, <c>days</c>, <c>months</c> or <c>opens</c>, as in <c>run_calendar</c>.</param>
    public static string Of(string name, string kind, string channel) =>
        $"(@{name}::{(name == "opens" ? "timestamptz" : "integer")}[])[{kind} + {channel}]";

    public static async Task<CalendarTable> ReadAsync(NpgsqlConnection connection, int runKey)
    {
        var rows = (
            await connection.QueryAsync<Row>(
                "SELECT zone, slots, open_channels, waves, opens, days, months FROM run_calendar WHERE run_key = @runKey",
                new { runKey }
            )
        ).AsList();
        var table = new CalendarTable(rows.Count == 0 ? 0 : rows.Max(row => row.Zone) + 1);
        foreach (var row in rows)
        {
            table.Fill(row);
        }

        return table;
    }

    public void Bind(NpgsqlParameterCollection parameters)
    {
        parameters.AddWithValue("open", _open);
        parameters.AddWithValue("waves", _waves);
        parameters.AddWithValue("days", _days);
        parameters.AddWithValue("months", _months);
        parameters.AddWithValue("opens", _opens);
    }

    // PostgreSQL counts an array from 1, as channels are.
    private void Fill(Row row)
    {
        var kind = row.Zone * Slots + row.Slots;
        _open[kind] = row.OpenChannels;
        foreach (var channel in Enum.GetValues<Channel>())
        {
            var (from, to) = ((int)channel - 1, kind * Places + (int)channel - 1);
            _waves[to] = row.Waves[from];
            _days[to] = row.Days[from];
            _months[to] = row.Months[from];
            _opens[to] = row.Opens[from];
        }
    }

    private sealed record Row
    {
        public short Zone { get; init; }
        public short Slots { get; init; }
        public short OpenChannels { get; init; }
        public int[] Waves { get; init; } = [];
        public DateTime[] Opens { get; init; } = [];
        public int[] Days { get; init; } = [];
        public int[] Months { get; init; } = [];
    }
}
