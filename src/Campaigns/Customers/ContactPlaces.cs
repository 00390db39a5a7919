using Campaigns.Channels;
using Dapper;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Customers;

/// <summary>How many marketing attempts a customer may get, over all campaigns; null for no limit. Days are the
/// customer's own.</summary>
/// <param name="PerDay">1 to 15.</param>
/// <param name="PerWeek">Today and the six days before; 1 to 105.</param>
/// <param name="ChannelPerDay">On the channel; 1 to 15.</param>
/// <param name="ChannelPerWeek">On the channel; 1 to 105.</param>
/// <param name="ChannelPerMonth">On the channel, a calendar month of <see cref="ContactDay.Month"/>; 1 to 15.</param>
/// <param name="MinimumGap">Since the last attempt on any channel.</param>
/// <param name="UsesProfiling">Whether the campaign profiles, and so leaves out who refused that.</param>
public sealed record ContactLimits(
    int? PerDay = null,
    int? PerWeek = null,
    int? ChannelPerDay = null,
    int? ChannelPerWeek = null,
    int? ChannelPerMonth = null,
    TimeSpan? MinimumGap = null,
    bool UsesProfiling = false
)
{
    /// <summary>Whether anything is limited at all.</summary>
    public bool Any =>
        (PerDay ?? PerWeek ?? ChannelPerDay ?? ChannelPerWeek ?? ChannelPerMonth) is not null || MinimumGap is not null;

    /// <summary>Whether a limit looks further than the day.</summary>
    public bool LooksAWeek => (PerWeek ?? ChannelPerWeek ?? ChannelPerMonth) is not null || MinimumGap is not null;

    /// <summary>The limits with so many places left to others. A minimum gap leaves room for one only.</summary>
    public ContactLimits Less(int places) =>
        places == 0
            ? this
            : this with
            {
                PerDay = MinimumGap is null ? PerDay - places : 0,
                PerWeek = PerWeek - places,
                ChannelPerDay = ChannelPerDay - places,
                ChannelPerWeek = ChannelPerWeek - places,
                ChannelPerMonth = ChannelPerMonth - places,
            };
}

/// <summary>The instant of an attempt, in the days that contacts are counted in.</summary>
/// <param name="Now">Business time.</param>
/// <param name="Days">By the number of a time zone, days since 2000-01-01 by the local date; 1 is the bank's.</param>
/// <param name="Month">12 * year + month of the bank.</param>
public sealed record ContactDay(DateTimeOffset Now, int[] Days, int Month)
{
    /// <summary>By the number of a time zone, whether its hours forbid a contact now; null where those of no zone do.</summary>
    public bool[]? Closed { get; init; }

    /// <summary>The day it is in every zone; null where it is not the same in all.</summary>
    public int? Everywhere => Days.AsSpan(2).ContainsAnyExcept(Days[1]) ? null : Days[1];
}

/// <summary>Why a customer may not be contacted now. The numbers are those of <c>withheld_reason</c>.</summary>
public enum Withheld : short
{
    /// <summary>It is none of her hours; she is put off, and this is never stored.</summary>
    QuietHours = -1,
    Moved = 0,
    OptedOut = 1,
    NoConsent = 2,
    PersonalisationOff = 3,
    Unreachable = 4,
    FrequencyCap = 5,
    Outranked = 6,
    Converted = 7,
    Expired = 8,
    Cancelled = 9,
    TemplateError = 10,

    /// <summary>An earlier attempt, refused as it seemed, was delivered after all.</summary>
    Delivered = 11,

    /// <summary>A gateway that may have it is not asked again.</summary>
    Unanswered = 12,
}

/// <summary>The places that caps leave in a customer's day and week: taken with the attempt, in its transaction, and
/// given back when the provider refused for good or nothing was sent.</summary>
public static class ContactPlaces
{
    // Whose zone is newer than the list has the bank's day.
    private const string DayThere = "coalesce((@days)[c.zone + 1], (@days)[2])";
    private const string Closed = "coalesce((@closed)[c.zone + 1], (@closed)[2], false)";

    /// <summary>Takes a place for everyone who may have a marketing attempt on the channel now: consent, refusal, reach and
    /// caps are read again from the row when it is locked, so that attempts at once do not both pass.</summary>
    /// <remarks>Rows are locked in the order of keys because they are found by an index on them; that is no promise of
    /// PostgreSQL's, and a deadlock would be tried again. An upsert promises it, and takes twice the time and the log.
    /// </remarks>
    /// <param name="keys">Ascending.</param>
    /// <returns>The keys that have a place, ascending.</returns>
    public static async Task<long[]> TakeAsync(
        NpgsqlConnection connection,
        GatewayDeclaration gateway,
        long[] keys,
        ContactLimits limits,
        ContactDay day,
        CancellationToken cancellationToken
    )
    {
        var range = new KeyRange(keys);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)"),
                new(TakeSql(gateway, limits, range, day)),
            },
        };
        var parameters = batch.BatchCommands[1].Parameters;
        range.Bind(parameters);
        if (day.Everywhere is { } everywhere)
        {
            parameters.AddWithValue("day", everywhere);
        }
        else
        {
            parameters.AddWithValue("days", day.Days);
        }

        parameters.AddWithValue("now", day.Now.UtcDateTime);
        parameters.AddWithValue("bit", gateway.Channel.Bit());
        parameters.AddWithValue("month", day.Month);
        parameters.AddWithValue("unprofiled", limits.UsesProfiling);
        if (day.Closed is { } closed)
        {
            parameters.AddWithValue("closed", closed);
        }

        Add(parameters, "per_day", limits.PerDay);
        Add(parameters, "per_week", limits.PerWeek);
        Add(parameters, "channel_per_day", limits.ChannelPerDay);
        Add(parameters, "channel_per_week", limits.ChannelPerWeek);
        Add(parameters, "channel_per_month", limits.ChannelPerMonth);
        parameters.Add(
            new NpgsqlParameter("gap", NpgsqlDbType.Interval) { Value = (object?)limits.MinimumGap ?? DBNull.Value }
        );
        await batch.PrepareAsync(cancellationToken);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        var taken = new List<long>(keys.Length);
        while (await reader.ReadAsync(cancellationToken))
        {
            taken.Add(reader.GetInt64(0));
        }

        taken.Sort();
        return [.. taken];
    }

    /// <summary>Why each of the customers has no place; to be asked in the same transaction.</summary>
    public static async Task<Dictionary<long, Withheld>> WhyNotAsync(
        NpgsqlConnection connection,
        GatewayDeclaration gateway,
        long[] keys,
        ContactLimits limits,
        ContactDay day,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            $"""
            SELECT customer_key,
                   CASE WHEN personalisation_off AND @unprofiled THEN 3
                        WHEN opted_out & @bit <> 0 THEN 1
                        WHEN consented & @bit = 0 AND NOT erased THEN 2
                        WHEN erased OR {Reachable(gateway)} & @bit = 0 THEN 4
                        WHEN {Closed} THEN -1
                        ELSE 5 END::smallint
            FROM contact c
            WHERE customer_key = ANY (@keys)
            """,
            connection
        );
        command.Parameters.AddWithValue("keys", keys);
        command.Parameters.AddWithValue("bit", gateway.Channel.Bit());
        command.Parameters.AddWithValue("unprofiled", limits.UsesProfiling);
        command.Parameters.AddWithValue("closed", day.Closed ?? []);
        return await ReadReasonsAsync(command, cancellationToken);
    }

    /// <summary>Of these, who cannot have a servicing message on the channel: it needs no consent and counts for no cap.
    /// </summary>
    /// <param name="unprofiled">Whether the campaign profiles, and so leaves out who refused that.</param>
    public static async Task<Dictionary<long, Withheld>> NotServicedAsync(
        NpgsqlConnection connection,
        GatewayDeclaration gateway,
        long[] keys,
        bool unprofiled,
        ContactDay day,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            $"""
            SELECT customer_key,
                   CASE WHEN personalisation_off AND @unprofiled THEN 3
                        WHEN erased OR {Reachable(gateway)} & @bit = 0 THEN 4
                        ELSE -1 END::smallint
            FROM contact c
            WHERE customer_key = ANY (@keys)
              AND (erased OR {Reachable(gateway)} & @bit = 0 OR personalisation_off AND @unprofiled OR {Closed})
            """,
            connection
        );
        command.Parameters.AddWithValue("keys", keys);
        command.Parameters.AddWithValue("bit", gateway.Channel.Bit());
        command.Parameters.AddWithValue("unprofiled", unprofiled);
        command.Parameters.AddWithValue("closed", day.Closed ?? []);
        return await ReadReasonsAsync(command, cancellationToken);
    }

    /// <summary>Of these, who may no longer have, or not now, what was attempted before; caps apart, for it was counted then.
    /// </summary>
    public static async Task<bool> AnyRefusedAsync(
        NpgsqlConnection connection,
        GatewayDeclaration gateway,
        long[] keys,
        bool marketing,
        bool unprofiled,
        ContactDay day,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(
            $"""
            SELECT EXISTS (
                SELECT
                FROM contact c
                WHERE customer_key = ANY (@keys)
                  AND (erased OR {Reachable(gateway)} & @bit = 0 OR personalisation_off AND @unprofiled OR {Closed}
                       OR @marketing AND (opted_out & @bit <> 0 OR consented & @bit = 0))
            )
            """,
            connection
        );
        command.Parameters.AddWithValue("keys", keys);
        command.Parameters.AddWithValue("bit", gateway.Channel.Bit());
        command.Parameters.AddWithValue("marketing", marketing);
        command.Parameters.AddWithValue("unprofiled", unprofiled);
        command.Parameters.AddWithValue("closed", day.Closed ?? []);
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>The time zone of each of the customers, by its number.</summary>
    public static async Task<Dictionary<long, short>> ZonesAsync(NpgsqlConnection connection, long[] keys)
    {
        var zones = await connection.QueryAsync<(long Key, short Zone)>(
            "SELECT customer_key, zone FROM contact WHERE customer_key = ANY (@keys)",
            new { keys }
        );
        return zones.ToDictionary(one => one.Key, one => one.Zone);
    }

    /// <summary>Gives places back that were taken at <paramref name="day"/>: whose last contact was then, was contacted last
    /// when it was before.</summary>
    /// <param name="keys">Ascending.</param>
    public static async Task GiveBackAsync(
        NpgsqlConnection connection,
        Channel channel,
        long[] keys,
        ContactDay day,
        bool monthly,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(GiveBackSql(channel, monthly), connection);
        command.Parameters.AddWithValue("keys", keys);
        command.Parameters.AddWithValue("days", day.Days);
        command.Parameters.AddWithValue("now", day.Now.UtcDateTime);
        command.Parameters.AddWithValue("month", day.Month);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static string TakeSql(GatewayDeclaration gateway, ContactLimits limits, KeyRange range, ContactDay day)
    {
        // Looked up by zone for each of a row's words it takes a fifth of the statement's time, and is the same as a rule.
        var today = day.Everywhere is null ? DayThere : "@day";
        var word = ContactCounters.Column(gateway.Channel);
        var checks = new List<string>
        {
            "NOT c.erased",
            $"{Reachable(gateway)} & @bit <> 0",
            "c.opted_out & @bit = 0",
            "c.consented & @bit <> 0",
            "NOT (c.personalisation_off AND @unprofiled)",
        };
        Check(limits.PerDay, $"{Shifted("contacts")} & 15 < @per_day");
        Check(limits.PerWeek, $"({ContactCounters.Sum(Shifted("contacts"))}) < @per_week");
        Check(limits.ChannelPerDay, $"{Shifted(word)} & 15 < @channel_per_day");
        Check(limits.ChannelPerWeek, $"({ContactCounters.Sum(Shifted(word))}) < @channel_per_week");
        Check(
            limits.ChannelPerMonth,
            "(c.month_contacts / 16 <> @month OR c.month_contacts % 16 < @channel_per_month)"
        );
        if (day.Closed is not null)
        {
            checks.Add($"NOT {Closed}");
        }

        if (limits.MinimumGap is not null)
        {
            checks.Add("(c.last_contact_at IS NULL OR c.last_contact_at <= @now - @gap)");
        }

        return $"""
            UPDATE contact c
            SET last_day = greatest(c.last_day, {today}),
                contacts = {Shifted("contacts")} + CASE WHEN {Shifted("contacts")} & 15 < 15 THEN 1 ELSE 0 END,
                {string.Join(",\n", Channels().Select(other =>
                other == word
                    ? $"{word} = {Shifted(word)} + CASE WHEN {Shifted(word)} & 15 < 15 THEN 1 ELSE 0 END"
                    : $"{other} = {Shifted(other)}"))},
                {(limits.ChannelPerMonth is null
                    ? ""
                    : "month_contacts = CASE WHEN c.month_contacts / 16 = @month THEN c.month_contacts + 1 ELSE @month * 16 + 1 END,")}
                previous_contact_at = c.last_contact_at, last_contact_at = @now
            WHERE {range.Exactly("c.customer_key")} AND {string.Join("\n AND ", checks)}
            RETURNING c.customer_key
            """;

        string Shifted(string counters) => $"({ContactCounters.ShiftedTo(today, $"c.{counters}", "c.last_day")})";

        void Check(int? limit, string condition)
        {
            if (limit is not null)
            {
                checks.Add(condition);
            }
        }
    }

    private static string GiveBackSql(Channel channel, bool monthly) =>
        $"""
            WITH given AS MATERIALIZED (
                SELECT c.customer_key, 4 * (c.last_day - {DayThere}) AS shift
                FROM unnest(@keys) AS t (customer_key)
                JOIN contact c USING (customer_key)
                ORDER BY c.customer_key
                FOR UPDATE OF c
            )
            UPDATE contact c
            SET contacts = {OneLess("contacts")},
                {ContactCounters.Column(channel)} = {OneLess(ContactCounters.Column(channel))},
                {(monthly
                    ? "month_contacts = c.month_contacts - CASE WHEN c.month_contacts / 16 = @month AND c.month_contacts % 16 > 0 THEN 1 ELSE 0 END,"
                    : "")}
                last_contact_at = CASE WHEN c.last_contact_at = @now THEN c.previous_contact_at ELSE c.last_contact_at END
            FROM given g
            WHERE c.customer_key = g.customer_key
            """;

    private static string Reachable(GatewayDeclaration gateway) =>
        ContactReach.Sql("c", gateway.NeedsAddress ? (short)0 : gateway.Channel.Bit()).Reachable;

    private static string OneLess(string word) =>
        $"""
            c.{word} - CASE WHEN g.shift BETWEEN 0 AND 24 AND (c.{word} >> greatest(0, least(g.shift, 24))) & 15 > 0
                            THEN 1 << greatest(0, least(g.shift, 24)) ELSE 0 END
            """;

    private static IEnumerable<string> Channels() => Enum.GetValues<Channel>().Select(ContactCounters.Column);

    private static void Add(NpgsqlParameterCollection parameters, string name, int? value) =>
        parameters.Add(new NpgsqlParameter(name, NpgsqlDbType.Integer) { Value = (object?)value ?? DBNull.Value });

    private static async Task<Dictionary<long, Withheld>> ReadReasonsAsync(
        NpgsqlCommand command,
        CancellationToken cancellationToken
    )
    {
        var reasons = new Dictionary<long, Withheld>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            reasons[reader.GetInt64(0)] = (Withheld)reader.GetInt16(1);
        }

        return reasons;
    }
}
