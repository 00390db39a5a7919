namespace Campaigns.Planning;

/// <summary>A chunk with the instant at which it is due.</summary>
/// <param name="Wave">Where it goes now: the wave it was cut from, or a later one it rolled to.</param>
internal sealed record PacedChunk(ChunkCut Cut, int Wave, DateTime DueAt);

/// <summary>Spreads the chunks of a run so that no more than so many touches are due an hour, over all channels. What no
/// longer fits a window rolls to the next, behind what was planned for it earlier; where there is no next it is due at
/// the window's end, and so expires.</summary>
internal static class Pace
{
    /// <summary>The size of chunks that lets a pace be kept to some ten minutes.</summary>
    public static int ChunkSize(int? perHour, int most) => perHour is { } pace ? Math.Clamp(pace / 6, 1, most) : most;

    /// <summary>Says when each chunk is due.</summary>
    /// <param name="perHour">Null: every chunk is due when its window opens.</param>
    /// <param name="waves">All waves of the run, by number.</param>
    public static IReadOnlyList<PacedChunk> Spread(
        IReadOnlyList<ChunkCut> chunks,
        int? perHour,
        IReadOnlyDictionary<int, Wave> waves
    )
    {
        if (perHour is not { } pace)
        {
            return [.. chunks.Select(chunk => new PacedChunk(chunk, chunk.Wave, chunk.DueAt))];
        }

        var waiting = new PriorityQueue<(ChunkCut Cut, int Wave), (DateTime Opens, int Order)>();
        for (var i = 0; i < chunks.Count; i++)
        {
            waiting.Enqueue((chunks[i], chunks[i].Wave), (chunks[i].DueAt, i));
        }

        var paced = new List<PacedChunk>(chunks.Count);
        var free = DateTime.MinValue;
        var order = chunks.Count;
        while (waiting.TryDequeue(out var chunk, out var turn))
        {
            var wave = waves[chunk.Wave];
            var due = turn.Opens > free ? turn.Opens : free;
            if (due < wave.Closes.UtcDateTime)
            {
                paced.Add(new PacedChunk(chunk.Cut, chunk.Wave, due));
                free = due + TimeSpan.FromHours((double)chunk.Cut.Touches / pace);
            }
            else if (wave.Next is { } next)
            {
                waiting.Enqueue((chunk.Cut, next), (waves[next].Opens.UtcDateTime, order++));
            }
            else
            {
                paced.Add(new PacedChunk(chunk.Cut, chunk.Wave, wave.Closes.UtcDateTime));
            }
        }

        return paced;
    }
}
