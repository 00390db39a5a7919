using Campaigns.Lifecycle;
using Campaigns.Outcomes;
using Campaigns.Planning;
using Dapper;
using Microsoft.Extensions.Logging.Abstractions;

namespace Campaigns.Tests.Outcomes;

/// <summary>Steps of a run whose goal is a number, the customers' assets.</summary>
internal static class GivenNumbers
{
    public const string Before = "assets_last_june";
    public const string After = "assets_last_july";

    /// <param name="sensitive">A field that is so, if any.</param>
    public static async Task<GivenArms> CreateAsync(
        int treated,
        int heldOut,
        TimeSpan? window = null,
        string? sensitive = null,
        bool lastYear = false
    )
    {
        var goal = new Goal
        {
            Field = "assets",
            Window = window ?? GivenArms.Week,
            LastYear = lastYear ? new LastYearFields(Before, After) : null,
        };
        var given = await GivenArms.CreateAsync(treated, heldOut, goal: goal);
        await given.ExecuteAsync(
            $"""
            INSERT INTO field (name, type, sensitive, profiling, updated_at)
            SELECT name, 'number', name = '{sensitive}', false, now()
            FROM unnest(ARRAY['assets', '{Before}', '{After}']) name
            """
        );
        return given;
    }

    /// <param name="field">What they hold so much of.</param>
    public static async Task HoldAsync(
        GivenArms given,
        IEnumerable<(string Customer, decimal? Value)> holdings,
        string field = "assets"
    )
    {
        await using var connection = await given.DataSource.OpenConnectionAsync();
        var all = holdings.ToList();
        await connection.ExecuteAsync(
            """
            UPDATE customer c SET attributes = c.attributes || jsonb_build_object(@field, h.value)
            FROM unnest(@customers, @values) AS h (customer_id, value)
            WHERE c.customer_id = h.customer_id
            """,
            new
            {
                field,
                customers = all.Select(one => one.Customer).ToArray(),
                values = all.Select(one => one.Value).ToArray(),
            }
        );
    }

    /// <summary>As the completion of a run does.</summary>
    public static async Task TakeBaselineAsync(GivenArms given)
    {
        await using var connection = await given.DataSource.OpenConnectionAsync();
        var key = await connection.QuerySingleAsync<int>("SELECT run_key FROM run");
        var run = (await RunRow.ReadAsync(connection, key))!;
        await Baselines.TakeAsync(connection, run, run.ReadPlan(), default);
    }

    public static Task<int> FollowUpAsync(GivenArms given) =>
        new FollowUps(given.DataSource, NullLogger<FollowUps>.Instance).TakeDueAsync(default);
}
