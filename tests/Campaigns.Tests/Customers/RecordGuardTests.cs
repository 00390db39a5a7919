using System.Text;
using Campaigns.Customers.Import;

namespace Campaigns.Tests.Customers;

public sealed class RecordGuardTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Whole_records_pass_unchanged_however_the_file_comes_in_pieces(int seed)
    {
        var random = new Random(seed);
        var (file, lines) = WellFormed(random, 2000);

        var (passed, seen, faults) = await ReadAsync(new Pieces(file, random));

        Assert.Equal(file, passed);
        Assert.Equal(lines, seen);
        Assert.Empty(faults);
    }

    [Theory]
    [InlineData("a,b\r\n1,2\r\n3,4", "a,b\r\n1,2\r\n3,4", "")]
    [InlineData("a,b\n\n\n1,2\n", "a,b\n1,2\n", "")]
    [InlineData("a,b\n\"1,2\n3,4\n", "a,b\n3,4\n", "2/1")]
    [InlineData("a,b\n\"1,2\n\"3,4\n5,6\n", "a,b\n5,6\n", "2/1 3/1")]
    [InlineData("a,b\n1,x\"y\"\n3,4\n", "a,b\n3,4\n", "2/2")]
    [InlineData("a,b\n1,\"x\"y\n3,4\n", "a,b\n3,4\n", "2/2")]
    [InlineData("a,b\n1\n1,2,3\n3,4\n", "a,b\n3,4\n", "2/ 3/")]
    [InlineData("a,b\n1,\"2\"\"\n\"\"2\"\n3,4\n", "a,b\n1,\"2\"\"\n\"\"2\"\n3,4\n", "")]
    [InlineData("a,b\n1,\"2\r\n3,4\r\n", "a,b\n3,4\r\n", "2/2")]
    public async Task What_is_broken_is_left_out_and_named(string file, string expected, string faults)
    {
        foreach (var seed in Enumerable.Range(0, 20))
        {
            var (passed, _, found) = await ReadAsync(new Pieces(file, new Random(seed)));
            Assert.Equal(expected, passed);
            Assert.Equal(faults, string.Join(' ', found));
        }
    }

    [Fact]
    public async Task A_quoted_field_that_runs_over_lines_without_end_is_a_quote_that_was_not_closed()
    {
        var lines = string.Concat(Enumerable.Repeat("1,2\n", RecordGuard.LongestField));
        var (passed, _, faults) = await ReadAsync(new Pieces("a,b\n\"x,2\n" + lines, new Random(1)));

        Assert.Equal("a,b\n" + lines, passed);
        Assert.Equal(["2/1"], faults);
    }

    [Theory]
    [InlineData("a;b;c,d\n", ';')]
    [InlineData("a\tb\n", '\t')]
    [InlineData("only\n", ',')]
    [InlineData("\ufeffa,b", ',')]
    public async Task The_header_tells_the_delimiter(string file, char delimiter)
    {
        using var guard = new RecordGuard(new StringReader(file), null, (_, _, _) => { });
        await guard.BeginAsync(default);
        Assert.Equal(delimiter, guard.Delimiter);
    }

    private static (string File, List<long> Lines) WellFormed(Random random, int records)
    {
        var file = new StringBuilder();
        var lines = new List<long>();
        var line = 1L;
        for (var n = 0; n < records; n++)
        {
            lines.Add(line);
            for (var field = 0; field < 3; field++)
            {
                var value = random.Next(6) switch
                {
                    0 => "",
                    1 => "plain",
                    2 => "\"quoted, \"\"twice\"\"\"",
                    3 => "\"over\nlines\"",
                    4 => "中文",
                    _ => new string('x', random.Next(200)),
                };
                line += value.Count(c => c == '\n');
                file.Append(field == 0 ? "" : ",").Append(value);
            }

            file.Append(random.Next(2) == 0 ? "\n" : "\r\n");
            line++;
        }

        return (file.ToString(), lines);
    }

    private static async Task<(string Passed, List<long> Lines, List<string> Faults)> ReadAsync(TextReader source)
    {
        var faults = new List<string>();
        using var guard = new RecordGuard(source, ',', (line, field, _) => faults.Add($"{line}/{field}"));
        await guard.BeginAsync(default);
        var passed = new StringBuilder();
        var buffer = new char[777];
        for (var count = -1; count != 0; passed.Append(buffer, 0, count))
        {
            count = await guard.ReadAsync(buffer.AsMemory());
        }

        var lines = new List<long>();
        try
        {
            while (true)
            {
                lines.Add(guard.NextLine());
            }
        }
        catch (InvalidOperationException)
        {
            return (passed.ToString(), lines, faults);
        }
    }

    /// <summary>Gives a text in pieces of random lengths.</summary>
    private sealed class Pieces(string text, Random random) : TextReader
    {
        private int _at;

        public override ValueTask<int> ReadAsync(Memory<char> buffer, CancellationToken cancellationToken = default)
        {
            var most = text.Length > 10_000 ? 5000 : 3;
            var count = Math.Min(Math.Min(buffer.Length, text.Length - _at), random.Next(1, most));
            text.AsSpan(_at, count).CopyTo(buffer.Span);
            _at += count;
            return ValueTask.FromResult(count);
        }
    }
}
