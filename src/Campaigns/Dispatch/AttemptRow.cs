using Campaigns.Customers;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Dispatch;

/// <summary>Appends to the log of attempts.</summary>
internal static class AttemptRow
{
    /// <param name="requestKey">Null where nobody is sent to, as <paramref name="gateway"/>.</param>
    internal static NpgsqlBatchCommand Insert(
        Chunk chunk,
        int request,
        DateTimeOffset now,
        string? requestKey,
        string? gateway,
        long[] customerKeys,
        Dictionary<long, Withheld> withheld
    ) =>
        new(
            """
            INSERT INTO attempt
                (run_key, chunk, request, channel, variant, try, attempted_at, request_key, gateway, customer_keys,
                 withheld_keys, withheld_reasons)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            """
        )
        {
            Parameters =
            {
                new() { Value = chunk.RunKey },
                new() { Value = chunk.Number },
                new() { Value = request },
                new() { Value = (short)chunk.Channel },
                new() { Value = chunk.Variant },
                new() { Value = chunk.Try },
                new() { Value = now.UtcDateTime },
                new() { NpgsqlDbType = NpgsqlDbType.Text, Value = (object?)requestKey ?? DBNull.Value },
                new() { NpgsqlDbType = NpgsqlDbType.Text, Value = (object?)gateway ?? DBNull.Value },
                new() { Value = customerKeys },
                new()
                {
                    NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint,
                    Value = withheld.Count == 0 ? DBNull.Value : withheld.Keys.ToArray(),
                },
                new()
                {
                    NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Smallint,
                    Value =
                        withheld.Count == 0 ? DBNull.Value : withheld.Values.Select(reason => (short)reason).ToArray(),
                },
            },
        };
}
