using Campaigns.Channels;

namespace Campaigns.Tests.Channels;

public sealed class SmsTextTests
{
    /// <summary>As 3GPP TS 23.038 lists it, row by row; 1B, which leads to the extension table, is no character.</summary>
    private const string Alphabet =
        "@Δ 0¡P¿p£_!1AQaq$Φ\"2BRbr¥Γ#3CScsèΛ¤4DTdtéΩ%5EUeuùΠ&6FVfvìΨ'7GWgwòΣ(8HXhxÇΘ)9IYiy\nΞ*:JZjzØ+;KÄkäøÆ,<LÖlö"
        + "\ræ-=MÑmñÅß.>NÜnüåÉ/?O§oà";

    [Fact]
    public void The_default_alphabet_takes_one_septet_a_character()
    {
        Assert.Equal(127, Alphabet.Distinct().Count());
        Assert.Equal(new SmsSize(SmsEncoding.Gsm7, 127, 127, 1), SmsText.Measure(Alphabet));
    }

    [Fact]
    public void The_extension_table_takes_two() =>
        Assert.Equal(new SmsSize(SmsEncoding.Gsm7, 10, 20, 1), SmsText.Measure("\f^{}\\[~]|€"));

    [Theory]
    [InlineData('ç')] // the large one is in the alphabet
    [InlineData('`')]
    [InlineData('\t')]
    [InlineData('“')]
    [InlineData('\u00A0')]
    [InlineData('中')]
    public void One_character_outside_makes_all_of_it_ucs2(char letter) =>
        Assert.Equal(new SmsSize(SmsEncoding.Ucs2, 71, 71, 2), SmsText.Measure(new string('a', 70) + letter));

    [Theory]
    [InlineData('a', 160, 1)]
    [InlineData('a', 161, 2)]
    [InlineData('a', 306, 2)]
    [InlineData('a', 307, 3)]
    [InlineData('€', 80, 1)]
    [InlineData('€', 81, 2)]
    [InlineData('€', 152, 2)] // 76 in each: the 153rd septet is left over
    [InlineData('€', 153, 3)]
    [InlineData('中', 70, 1)]
    [InlineData('中', 71, 2)]
    [InlineData('中', 134, 2)]
    [InlineData('中', 135, 3)]
    [InlineData('中', 0, 1)]
    public void A_message_takes_as_many_segments_as_hold_it(char letter, int count, int segments) =>
        Assert.Equal(segments, SmsText.Measure(new string(letter, count)).Segments);

    [Theory]
    [InlineData(66, 3)] // the pair would lie over the edge of the first segment, and moves the last character to a third
    [InlineData(65, 2)]
    public void A_pair_of_surrogates_moves_whole_to_the_next_segment(int before, int segments)
    {
        var size = SmsText.Measure(new string('中', before) + "😀" + new string('中', 132 - before));

        Assert.Equal(new SmsSize(SmsEncoding.Ucs2, 133, 134, segments), size);
    }

    [Fact]
    public void Emoji_alone_fill_66_of_67_units() =>
        Assert.Equal(
            [1, 2, 2, 3],
            new[] { 35, 36, 66, 67 }.Select(count =>
                SmsText.Measure(string.Concat(Enumerable.Repeat("😀", count))).Segments
            )
        );

    [Fact]
    public void Half_a_pair_counts_as_one_unit_and_ends_nothing() =>
        Assert.Equal(new SmsSize(SmsEncoding.Ucs2, 2, 2, 1), SmsText.Measure("\uD83Da"));

    [Fact]
    public void Nothing_takes_more_segments_than_the_bound_for_its_units()
    {
        var random = new Random(20260322);
        string[] letters = ["a", "€", "中", "😀"];
        for (var i = 0; i < 2_000; i++)
        {
            var kinds = random.Next(1, letters.Length + 1);
            var text = string.Concat(Enumerable.Range(0, random.Next(0, 700)).Select(_ => letters[random.Next(kinds)]));
            var size = SmsText.Measure(text);
            Assert.InRange(size.Segments, 1, SmsText.SegmentsAtMost(size.Encoding, size.Units));
        }
    }
}
