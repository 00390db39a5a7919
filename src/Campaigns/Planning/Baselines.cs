using Campaigns.Customers;
using Campaigns.Segments;
using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>What the number that a goal names was before anything was sent, of both arms. It is looked up in the transaction
/// that makes the run ready to be dispatched: a planned run has its baseline, and a run that is not has none.</summary>
internal static class Baselines
{
    /// <summary>Everyone of both arms has a row, but whose sensitive data must not be looked at; without the number it is
    /// null.</summary>
    public static async Task TakeAsync(
        NpgsqlConnection connection,
        RunRow run,
        RunPlan plan,
        CancellationToken cancellationToken
    )
    {
        if (await NumberSql.FindAsync(connection, plan.Goal.Field) is not { } number)
        {
            return;
        }

        await connection.ExecuteAsync(
            new CommandDefinition(
                $"""
                INSERT INTO goal_baseline (run_key, customer_key, value)
                SELECT d.run_key, d.customer_key, {number.Value}
                FROM decision d
                JOIN customer c USING (customer_key)
                JOIN contact k USING (customer_key)
                WHERE d.run_key = @RunKey AND d.step = 1 AND d.reason IN (0, 21) AND {number.MayBeRead}
                """,
                new { run.RunKey },
                commandTimeout: 0,
                cancellationToken: cancellationToken
            )
        );
    }
}

/// <summary>SQL of a number of the field catalogue, of a customer <c>c</c> with a contact <c>k</c>.</summary>
/// <param name="MayBeRead">Whether the customer has consented to it where it is sensitive.</param>
internal sealed record NumberSql(string Value, string MayBeRead)
{
    /// <summary>Null where there is no such number (any more).</summary>
    public static async Task<NumberSql?> FindAsync(NpgsqlConnection connection, string? name) =>
        name is not null
        && (await RuleFields.ReadAsync(connection)).TryGetValue(name, out var field)
        && field.Type == FieldType.Number
            ? new(
                field.ValueSql(),
                field.Sensitive ? $"{SegmentCompilation.SensitiveConsent} AND NOT c.erased" : "NOT c.erased"
            )
            : null;
}
