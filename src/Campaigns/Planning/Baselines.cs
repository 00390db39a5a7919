using Campaigns.Customers;
using Campaigns.Lifecycle;
using Campaigns.Segments;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>What the numbers that a goal names were before anything was sent, of both arms. They are looked up in the
/// transaction that makes the run ready to be dispatched: a planned run has its baseline, and a run that is not has
/// none.</summary>
internal static class Baselines
{
    /// <summary>Everyone of both arms has a row, but whose sensitive data must not be looked at; without a number that is
    /// null.</summary>
    public static async Task TakeAsync(
        NpgsqlConnection connection,
        RunRow run,
        RunPlan plan,
        CancellationToken cancellationToken
    )
    {
        if (await GoalNumbers.FindAsync(connection, plan.Goal) is not { } numbers)
        {
            return;
        }

        await connection.ExecuteAsync(
            new CommandDefinition(
                $"""
                INSERT INTO goal_baseline (run_key, customer_key, value, last_year_before, last_year_after)
                SELECT d.run_key, d.customer_key, {numbers.Value}, {numbers.LastYearBefore}, {numbers.LastYearAfter}
                FROM decision d
                JOIN customer c USING (customer_key)
                JOIN contact k USING (customer_key)
                WHERE d.run_key = @RunKey AND d.step = 1 AND d.reason IN (0, 21) AND {numbers.MayBeRead}
                """,
                new { run.RunKey },
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );
    }
}

/// <summary>SQL of the numbers that a goal names, of a customer <c>c</c> with a contact <c>k</c>.</summary>
/// <param name="LastYearBefore">Null of everyone where the goal names none, or there is no such number any more; the same of
/// <paramref name="LastYearAfter"/>.</param>
/// <param name="MayBeRead">Whether the customer has consented to it where one of them is sensitive.</param>
internal sealed record GoalNumbers(string Value, string LastYearBefore, string LastYearAfter, string MayBeRead)
{
    /// <summary>Null where the goal is no number (any more).</summary>
    public static async Task<GoalNumbers?> FindAsync(NpgsqlConnection connection, Goal goal)
    {
        if (goal.Field is null)
        {
            return null;
        }

        var catalogue = await RuleFields.ReadAsync(connection);
        var numbers = goal
            .Numbers.Select(name => catalogue.GetValueOrDefault(name))
            .OfType<Field>()
            .Where(field => field.Type == FieldType.Number)
            .ToDictionary(field => field.Name);
        return numbers.ContainsKey(goal.Field)
            ? new(
                Sql(goal.Field),
                Sql(goal.LastYear?.Before),
                Sql(goal.LastYear?.After),
                numbers.Values.Any(field => field.Sensitive)
                    ? $"{SegmentCompilation.SensitiveConsent} AND NOT c.erased"
                    : "NOT c.erased"
            )
            : null;

        string Sql(string? name) =>
            name is not null && numbers.TryGetValue(name, out var field) ? field.ValueSql() : "NULL::numeric";
    }
}
