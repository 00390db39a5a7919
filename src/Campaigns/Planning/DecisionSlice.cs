using Dapper;
using Npgsql;

namespace Campaigns.Planning;

/// <summary>How many decisions of one kind a run has; touches by narrow slices of the key range.</summary>
internal sealed record DecisionSlice(short Reason, short Channel, short Variant, int Wave, long? Slice, long Customers)
{
    /// <summary>Counts all decisions of a run in one pass: what the ledger says and where chunks begin are both sums of
    /// these.</summary>
    /// <param name="width">Keys a slice.</param>
    public static async Task<IReadOnlyList<DecisionSlice>> CountAsync(
        NpgsqlConnection connection,
        int runKey,
        long width,
        CancellationToken cancellationToken
    ) =>
        (
            await connection.QueryAsync<DecisionSlice>(
                new CommandDefinition(
                    $"""
                    SELECT reason, coalesce(channel, 0::smallint) AS channel, coalesce(variant, 0::smallint) AS variant,
                        coalesce(wave, 0) AS wave, CASE WHEN reason = 0 THEN customer_key / @width END AS slice,
                        count(*) AS customers
                    FROM {RunTable.Name(runKey)}
                    WHERE run_key = @runKey
                    GROUP BY 1, 2, 3, 4, 5
                    """,
                    new { runKey, width },
                    commandTimeout: 0,
                    cancellationToken: cancellationToken
                )
            )
        ).AsList();
}
