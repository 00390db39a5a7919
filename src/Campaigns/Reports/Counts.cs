using Dapper;
using Npgsql;

namespace Campaigns.Reports;

/// <summary>What a report groups by: as planned.</summary>
internal enum By
{
    Variant,
    Channel,
    Wave,
}

/// <summary>A cell of a run's counts.</summary>
internal sealed class Cell
{
    public string Metric { get; init; } = "";

    /// <summary>0 treated, 1 held out.</summary>
    public short Arm { get; init; }
    public short Channel { get; init; }
    public short Variant { get; init; }
    public int Wave { get; init; }

    /// <summary>In days since 0001-01-01; 0 for what is of no day.</summary>
    public int Day { get; init; }
    public long N { get; init; }
    public decimal Amount { get; init; }

    /// <summary>Of the metrics <see cref="Counts.ValueVariance"/> and <see cref="Counts.ConversionsVariance"/>, which have
    /// nothing else.</summary>
    public double Variance { get; init; }
}

/// <summary>The counts of a run, each metric by variant, channel, wave and day.</summary>
internal sealed class Counts
{
    internal const string ValueVariance = "value_variance";
    internal const string ConversionsVariance = "conversions_variance";

    private readonly ILookup<(string, short), Cell> _cells;
    private readonly Dictionary<(string, short, By, int), (long N, decimal Amount)> _sums = [];

    public Counts(IEnumerable<Cell> cells)
    {
        _cells = cells.ToLookup(cell => (cell.Metric, cell.Arm));
        foreach (var cell in _cells.SelectMany(group => group))
        {
            Add(cell, By.Variant, cell.Variant);
            Add(cell, By.Channel, cell.Channel);
            Add(cell, By.Wave, cell.Wave);
        }
    }

    /// <summary>SQL of the counters: what is folded, and what is not yet. The cost grows with the number of groups.</summary>
    internal const string Folded = """
        SELECT metric, arm, channel, variant, wave, day, n, amount FROM report_cell WHERE run_key = @runKey
        UNION ALL
        SELECT metric, arm, channel, variant, wave, day, n, amount FROM report_delta WHERE run_key = @runKey
        """;

    /// <summary>SQL of <see cref="Cell"/>s, of which several may be for one place. They are added up here: PostgreSQL takes
    /// more than twice as long for all groupings.</summary>
    /// <param name="cells"><see cref="Folded"/>, or one of <see cref="Recount"/>.</param>
    internal static string Select(string cells) =>
        $"""
            WITH cell AS MATERIALIZED ({cells})
            SELECT metric, arm, channel, variant, wave,
                CASE WHEN isfinite(day) THEN day - '0001-01-01'::date ELSE 0 END AS day, n,
                CASE WHEN metric = 'converted' THEN 0 ELSE amount END AS amount, 0::float8 AS variance
            FROM cell
            UNION ALL
            -- In the database's own decimals: a double keeps too few digits of squares, and a decimal has no room for them.
            SELECT m.metric, v.arm, 0::smallint, 0::smallint, 0, 0, 0, 0,
                coalesce((l.n * m.squares - m.sum * m.sum) / nullif(l.n * (l.n - 1), 0), 0)::float8
            FROM (
                SELECT arm, coalesce(sum(amount) FILTER (WHERE metric = 'conversions'), 0) AS value,
                    coalesce(sum(amount) FILTER (WHERE metric = 'converted'), 0) AS value_squares,
                    coalesce(sum(n) FILTER (WHERE metric = 'conversions'), 0) AS times,
                    coalesce(sum(n) FILTER (WHERE metric = 'conversion_pairs'), 0) AS pairs
                FROM cell
                GROUP BY arm
            ) v
            CROSS JOIN LATERAL (VALUES
                ('{ValueVariance}', v.value, v.value_squares), ('{ConversionsVariance}', v.times, v.times + v.pairs)
            ) AS m (metric, sum, squares)
            JOIN (
                SELECT CASE reason WHEN 0 THEN 0 ELSE 1 END AS arm, sum(customers) AS n
                FROM run_ledger
                WHERE run_key = @runKey AND step = 1 AND reason IN (0, 21)
                GROUP BY 1
            ) l USING (arm)
            """;

    /// <summary>From the counters.</summary>
    internal static async Task<Counts> FoldedAsync(
        NpgsqlConnection connection,
        int runKey,
        CancellationToken cancellationToken
    ) =>
        new(
            await connection.QueryAsync<Cell>(
                new CommandDefinition(Select(Folded), new { runKey }, cancellationToken: cancellationToken)
            )
        );

    internal static async Task<Counts> ReadAsync(SqlMapper.GridReader reader) => new(await reader.ReadAsync<Cell>());

    /// <summary>The sum over all of an arm.</summary>
    public (long N, decimal Amount) All(string metric, short arm)
    {
        var (n, amount) = _cells[(metric, arm)]
            .Aggregate((N: 0L, Amount: 0m), (sum, cell) => (sum.N + cell.N, sum.Amount + cell.Amount));
        return (n, Plain(amount));
    }

    /// <summary>Of an arm's value or conversions per customer: of the sample, divided by n − 1.</summary>
    public double Variance(string metric, short arm) => _cells[(metric, arm)].Sum(cell => Math.Max(cell.Variance, 0));

    /// <summary>The sum over a variant, channel or wave.</summary>
    public (long N, decimal Amount) Of(string metric, short arm, By by, int key)
    {
        var (n, amount) = _sums.GetValueOrDefault((metric, arm, by, key));
        return (n, Plain(amount));
    }

    /// <summary>By day, for the days on which there was any.</summary>
    public IEnumerable<(DateOnly Day, long N)> Days(string metric, short arm) =>
        _cells[(metric, arm)]
            .GroupBy(cell => cell.Day)
            .Select(group => (DateOnly.FromDayNumber(group.Key), N: group.Sum(cell => cell.N)))
            .Where(day => day.N != 0);

    /// <summary>By wave and day.</summary>
    public IEnumerable<(int Wave, DateOnly Day, long N)> WaveDays(string metric, short arm) =>
        _cells[(metric, arm)]
            .GroupBy(cell => (cell.Wave, cell.Day))
            .Select(group => (group.Key.Wave, DateOnly.FromDayNumber(group.Key.Day), group.Sum(cell => cell.N)));

    // However it was added up, it has the digits it needs and no more.
    private static decimal Plain(decimal amount) => amount / 1.0000000000000000000000000000m;

    private void Add(Cell cell, By by, int key)
    {
        var place = (cell.Metric, cell.Arm, by, key);
        var (n, amount) = _sums.GetValueOrDefault(place);
        _sums[place] = (n + cell.N, amount + cell.Amount);
    }
}
