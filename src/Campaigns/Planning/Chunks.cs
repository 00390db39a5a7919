using Campaigns.Channels;
using Dapper;
using Npgsql;
using NpgsqlTypes;

namespace Campaigns.Planning;

/// <summary>A piece of a wave and variant: the touches with keys from <paramref name="LowKey"/> through
/// <paramref name="HighKey"/>.</summary>
internal sealed record ChunkCut(
    int Wave,
    short Channel,
    short Variant,
    long LowKey,
    long HighKey,
    long Touches,
    DateTime DueAt
);

/// <summary>Cuts the touches of a planned run into chunks: thousands of rows that are the queue of dispatch.</summary>
/// <remarks>The touches of a wave and variant are counted by slices of as many keys as a chunk has touches at most, and
/// neighbouring slices are put together while they fit into one, so that chunks are even however the touches lie, without
/// sorting the touches.</remarks>
internal static class Chunks
{
    /// <summary>Where the chunks of a run begin and end, in the order in which they open. A chunk has at most the plan's
    /// size, and it and the next one have more together.</summary>
    /// <param name="slices">Counts by slices of as many keys.</param>
    public static IReadOnlyList<ChunkCut> Cut(
        IEnumerable<DecisionSlice> slices,
        RunPlan plan,
        IReadOnlyDictionary<int, Wave> waves
    ) =>
        [
            .. slices
                .Where(slice => slice.Slice is not null)
                .GroupBy(slice => (slice.Wave, slice.Channel, slice.Variant))
                .SelectMany(group =>
                    Cut([.. group.OrderBy(slice => slice.Slice)], plan.ChunkSize, waves[group.Key.Wave])
                )
                .OrderBy(chunk => chunk.DueAt)
                .ThenBy(chunk => chunk.Wave)
                .ThenBy(chunk => chunk.LowKey),
        ];

    private static List<ChunkCut> Cut(IReadOnlyList<DecisionSlice> slices, int size, Wave wave)
    {
        var cuts = new List<ChunkCut>();
        foreach (var slice in slices)
        {
            var (low, high) = (slice.Slice!.Value * size, ((slice.Slice.Value + 1) * size) - 1);
            if (cuts.Count > 0 && cuts[^1] is var open && open.Touches + slice.Customers <= size)
            {
                cuts[^1] = open with { HighKey = high, Touches = open.Touches + slice.Customers };
                continue;
            }

            cuts.Add(
                new ChunkCut(
                    wave.Number,
                    (short)wave.Channel,
                    slice.Variant,
                    low,
                    high,
                    slice.Customers,
                    wave.Opens.UtcDateTime
                )
            );
        }

        return cuts;
    }

    /// <summary>The waves of a run, by number.</summary>
    public static async Task<IReadOnlyDictionary<int, Wave>> WavesAsync(NpgsqlConnection connection, int runKey)
    {
        var rows = await connection.QueryAsync<(int Number, short Channel, DateTimeOffset, DateTimeOffset, int? Next)>(
            "SELECT wave, channel, opens_at, closes_at, next_wave FROM wave WHERE run_key = @runKey",
            new { runKey }
        );
        return rows.Select(row => new Wave(row.Number, (Channel)row.Channel, row.Item3, row.Item4, row.Next))
            .ToDictionary(wave => wave.Number);
    }

    /// <summary>Writes the chunk rows, numbered from 1. One that rolled to a later wave names its members, for the decisions
    /// stay with the wave they were made for.</summary>
    public static async Task StoreAsync(
        NpgsqlConnection connection,
        int runKey,
        IReadOnlyList<PacedChunk> chunks,
        CancellationToken cancellationToken
    )
    {
        await CopyAsync(connection, runKey, chunks, cancellationToken);
        var rolled = chunks
            .Select((chunk, i) => (Chunk: chunk, Number: i + 1))
            .Where(c => c.Chunk.Wave != c.Chunk.Cut.Wave);
        await connection.ExecuteAsync(
            """
            UPDATE chunk c
            SET wave = r.wave, planned_wave = c.wave, low_key = NULL, high_key = NULL, members = ARRAY(
                SELECT d.customer_key FROM decision d
                WHERE d.run_key = c.run_key AND d.wave = c.wave AND d.variant = c.variant AND d.reason = 0
                  AND touch_place(d.wave, d.variant, d.customer_key)
                      BETWEEN touch_place(c.wave, c.variant, c.low_key) AND touch_place(c.wave, c.variant, c.high_key)
                ORDER BY d.customer_key)
            FROM unnest(@numbers, @waves) AS r (chunk, wave)
            WHERE c.run_key = @runKey AND c.chunk = r.chunk
            """,
            new
            {
                runKey,
                numbers = rolled.Select(c => c.Number).ToArray(),
                waves = rolled.Select(c => c.Chunk.Wave).ToArray(),
            }
        );
    }

    private static async Task CopyAsync(
        NpgsqlConnection connection,
        int runKey,
        IReadOnlyList<PacedChunk> chunks,
        CancellationToken cancellationToken
    )
    {
        await using var writer = await connection.BeginBinaryImportAsync(
            """
            COPY chunk (run_key, chunk, wave, channel, variant, low_key, high_key, touches, due_at)
            FROM STDIN (FORMAT binary)
            """,
            cancellationToken
        );
        for (var i = 0; i < chunks.Count; i++)
        {
            var chunk = chunks[i].Cut;
            await writer.StartRowAsync(cancellationToken);
            await writer.WriteAsync(runKey, cancellationToken);
            await writer.WriteAsync(i + 1, cancellationToken);
            await writer.WriteAsync(chunk.Wave, cancellationToken);
            await writer.WriteAsync(chunk.Channel, cancellationToken);
            await writer.WriteAsync(chunk.Variant, cancellationToken);
            await writer.WriteAsync(chunk.LowKey, cancellationToken);
            await writer.WriteAsync(chunk.HighKey, cancellationToken);
            await writer.WriteAsync((int)chunk.Touches, cancellationToken);
            await writer.WriteAsync(chunks[i].DueAt, NpgsqlDbType.TimestampTz, cancellationToken);
        }

        await writer.CompleteAsync(cancellationToken);
    }
}
