using Campaigns.Channels;
using Campaigns.Planning;

namespace Campaigns.Tests.Planning;

public sealed class PaceTests
{
    private static readonly DateTimeOffset Nine = new(2026, 3, 2, 9, 0, 0, TimeSpan.Zero);

    private static readonly Dictionary<int, Wave> Waves = new()
    {
        [1] = new(1, Channel.Sms, Nine, Nine.AddHours(1), Next: 2),
        [2] = new(2, Channel.Sms, Nine.AddHours(9), Nine.AddHours(10), Next: null),
    };

    [Fact]
    public void Without_a_pace_every_chunk_is_due_when_its_window_opens()
    {
        var paced = Pace.Spread([Chunk(1), Chunk(1), Chunk(2)], perHour: null, Waves);

        Assert.Equal([0, 0, 9 * 60], paced.Select(MinutesAfterNine));
    }

    [Fact]
    public void Chunks_follow_each_other_at_the_pace()
    {
        var paced = Pace.Spread([Chunk(1), Chunk(1), Chunk(1)], perHour: 300, Waves);

        Assert.Equal([0, 20, 40], paced.Select(MinutesAfterNine));
    }

    [Fact]
    public void What_does_not_fit_a_window_rolls_to_the_next_behind_what_was_planned_for_it()
    {
        var paced = Pace.Spread([Chunk(1), Chunk(1), Chunk(2)], perHour: 100, Waves);

        Assert.Equal([(1, 0), (2, 9 * 60), (2, 10 * 60)], paced.Select(c => (c.Wave, MinutesAfterNine(c))));
    }

    [Fact]
    public void What_fits_no_window_is_due_at_the_last_one_s_end_and_expires()
    {
        var paced = Pace.Spread([Chunk(2), Chunk(2)], perHour: 100, Waves);

        Assert.Equal(Waves[2].Closes.UtcDateTime, paced[^1].DueAt);
    }

    private static ChunkCut Chunk(int wave) => new(wave, 1, 1, 1, 100, 100, Waves[wave].Opens.UtcDateTime);

    private static int MinutesAfterNine(PacedChunk chunk) => (int)(chunk.DueAt - Nine.UtcDateTime).TotalMinutes;
}
