using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>What a report groups by: as planned, but the day.</summary>
internal enum By
{
    Variant,
    Channel,
    Wave,

    /// <summary>In days since 0001-01-01.</summary>
    Day,

    /// <summary>A wave and a day, of <c>converted</c> alone.</summary>
    WaveDay,
}

/// <summary>A count of a run.</summary>
internal sealed class Count
{
    public string Metric { get; init; } = "";

    /// <summary>0 treated, 1 held out.</summary>
    public short Arm { get; init; }
    public By By { get; init; }
    public int Key { get; init; }

    /// <summary>Of <see cref="By.WaveDay"/>.</summary>
    public int DayKey { get; init; }
    public long N { get; init; }
    public decimal Amount { get; init; }

    /// <summary>Of <c>converted</c>: the sum of the squared values per customer.</summary>
    public double Squares { get; init; }
}

/// <summary>The counts of a run, each metric by variant, channel, wave and day.</summary>
internal sealed class Counts(IEnumerable<Count> counts)
{
    private readonly ILookup<(string, short, By), Count> _counts = counts.ToLookup(one =>
        (one.Metric, one.Arm, one.By)
    );

    /// <summary>From the counters: what is folded, and what is not yet. The cost grows with the number of groups.</summary>
    public static Task<Counts> FoldedAsync(
        NpgsqlConnection connection,
        int runKey,
        CancellationToken cancellationToken
    ) => OfAsync(connection, Folded, runKey, cancellationToken);

    /// <summary>From what was recorded of every touch.</summary>
    public static Task<Counts> ExactAsync(
        NpgsqlConnection connection,
        int runKey,
        CancellationToken cancellationToken
    ) => OfAsync(connection, Recount.Cells, runKey, cancellationToken);

    /// <summary>From what had been recorded of every touch at that instant.</summary>
    public static Task<Counts> AsOfAsync(
        NpgsqlConnection connection,
        int runKey,
        DateTimeOffset asOf,
        CancellationToken cancellationToken
    ) => OfAsync(connection, Recount.CellsAsOf, runKey, cancellationToken, asOf);

    /// <summary>The sum over all of an arm.</summary>
    public (long N, decimal Amount) All(string metric, short arm) => Sum(_counts[(metric, arm, By.Variant)]);

    /// <summary>The sum of an arm's squared values per customer.</summary>
    public double Squares(short arm) => _counts[("converted", arm, By.Variant)].Sum(one => one.Squares);

    /// <summary>The sum over a variant, channel, wave or day.</summary>
    public (long N, decimal Amount) Of(string metric, short arm, By by, int key) =>
        Sum(_counts[(metric, arm, by)].Where(one => one.Key == key));

    /// <summary>By day, for the days on which there was any.</summary>
    public IEnumerable<(DateOnly Day, long N)> Days(string metric, short arm) =>
        _counts[(metric, arm, By.Day)].Select(one => (DateOnly.FromDayNumber(one.Key), one.N));

    /// <summary>By wave and day; of <c>converted</c>.</summary>
    public IEnumerable<(int Wave, DateOnly Day, long N)> WaveDays(string metric, short arm) =>
        _counts[(metric, arm, By.WaveDay)].Select(one => (one.Key, DateOnly.FromDayNumber(one.DayKey), one.N));

    private static (long, decimal) Sum(IEnumerable<Count> counts) =>
        counts.Aggregate((N: 0L, Amount: 0m), (sum, one) => (sum.N + one.N, sum.Amount + one.Amount));

    private static async Task<Counts> OfAsync(
        NpgsqlConnection connection,
        string cells,
        int runKey,
        CancellationToken cancellationToken,
        DateTimeOffset? asOf = null
    )
    {
        var counts = await connection.QueryAsync<Count>(
            new CommandDefinition(
                $"""
                SELECT metric, arm,
                    CASE WHEN grouping(variant) = 0 THEN 0 WHEN grouping(channel) = 0 THEN 1
                         WHEN grouping(day) = 1 THEN 2 WHEN grouping(wave) = 1 THEN 3 ELSE 4 END AS by,
                    coalesce(variant, channel, wave, CASE WHEN isfinite(day) THEN day - '0001-01-01'::date ELSE 0 END)
                        AS key,
                    CASE WHEN grouping(wave, day) = 0 THEN day - '0001-01-01'::date ELSE 0 END AS day_key,
                    sum(n)::bigint AS n,
                    -- Squares of large amounts are beyond a decimal.
                    CASE WHEN metric = 'converted' THEN 0 ELSE sum(amount) END AS amount,
                    CASE WHEN metric = 'converted' THEN sum(amount)::float8 ELSE 0 END AS squares
                FROM ({cells}) c
                GROUP BY GROUPING SETS (
                    (metric, arm, variant), (metric, arm, channel), (metric, arm, wave), (metric, arm, day),
                    (metric, arm, wave, day)
                )
                HAVING (sum(n) <> 0 OR sum(amount) <> 0) AND (metric = 'converted' OR grouping(wave, day) <> 0)
                """,
                new { runKey, asOf },
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );
        return new Counts(counts);
    }

    internal const string Folded = """
        SELECT metric, arm, channel, variant, wave, day, n, amount FROM report_cell WHERE run_key = @runKey
        UNION ALL
        SELECT metric, arm, channel, variant, wave, day, n, amount FROM report_delta WHERE run_key = @runKey
        """;
}
