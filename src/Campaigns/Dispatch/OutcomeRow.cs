using Campaigns.Channels;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Dispatch;

/// <summary>Appends to the log of outcomes, one row a request.</summary>
internal static class OutcomeRow
{
    /// <param name="items">One a member, or one for all.</param>
    internal static NpgsqlBatchCommand Insert(
        Chunk chunk,
        int request,
        short answer,
        IReadOnlyList<ItemResult> items,
        DateTimeOffset now
    )
    {
        var (first, same) = (items[0], true);
        var (sameId, anyCode, anyId) = (true, false, false);
        foreach (var item in items)
        {
            same &= item.State == first.State;
            sameId &= item.ProviderId == first.ProviderId;
            anyCode |= item.Code is not null;
            anyId |= item.ProviderId is not null;
        }

        return new NpgsqlBatchCommand(
            """
            INSERT INTO outcome (run_key, chunk, request, answer, recorded_at, states, codes, provider_ids)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """
        )
        {
            Parameters =
            {
                new() { Value = chunk.RunKey },
                new() { Value = chunk.Number },
                new() { Value = request },
                new() { Value = answer },
                new() { Value = now.UtcDateTime },
                new() { Value = same ? [(short)first.State] : items.Select(item => (short)item.State).ToArray() },
                Texts(!anyCode ? null : items.Select(item => item.Code).ToArray()),
                Texts(
                    !anyId ? null
                    : sameId ? [first.ProviderId]
                    : items.Select(item => item.ProviderId).ToArray()
                ),
            },
        };
    }

    private static NpgsqlParameter Texts(string?[]? values) =>
        new() { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text, Value = (object?)values ?? DBNull.Value };
}
