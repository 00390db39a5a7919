namespace Campaigns.Customers.Import;

/// <summary>A row of a file that cannot be taken in.</summary>
/// <param name="Line">Of the file, from 1, where the row begins.</param>
/// <param name="Reason">What is wrong; never the value.</param>
/// <param name="Column">Its name in the header, or its number where that is not known; null for the row as a whole.</param>
public sealed record ImportError(long Line, string Reason, string? Column = null);

/// <summary>
/// Stands between a file and the CSV parser, and lets whole records through only: each quote closed, each field of
/// bounded length, as many fields as the header. What is wrong is reported, and reading goes on with the next line, so that
/// a quote that is never closed costs its own line and not the rest of the file. Memory is bounded by the longest record.
/// </summary>
internal sealed class RecordGuard(TextReader source, char? delimiter, Action<long, int?, string> report) : TextReader
{
    /// <summary>Longest field, in characters.</summary>
    public const int LongestField = 65_536;

    /// <summary>Longest record, in characters.</summary>
    public const int LongestRecord = 4 * LongestField;

    private const string BrokenQuote = "has a quote that is not closed, or stands inside a value";
    private static readonly char[] Delimiters = [',', ';', '\t'];

    private readonly Queue<long> _lines = new();
    private readonly char[] _buffer = new char[LongestRecord + 2 * LongestField];
    private int _start;
    private int _end;
    private int _passed; // up to here the record at hand has been handed on
    private int _recordEnd;
    private bool _ended;
    private long _line = 1;
    private int _fields;

    /// <summary>Known once reading has begun.</summary>
    public char Delimiter { get; private set; }

    /// <summary>The line on which the next record begins that was handed on and not asked for yet.</summary>
    public long NextLine() => _lines.Dequeue();

    public override Task<int> ReadAsync(char[] buffer, int index, int count) =>
        ReadAsync(buffer.AsMemory(index, count)).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<char> buffer, CancellationToken cancellationToken = default)
    {
        var written = 0;
        while (written < buffer.Length)
        {
            if (_passed == _recordEnd && !await NextRecordAsync(mayWait: written == 0, cancellationToken))
            {
                break;
            }

            var count = Math.Min(buffer.Length - written, _recordEnd - _passed);
            _buffer.AsSpan(_passed, count).CopyTo(buffer.Span[written..]);
            _passed += count;
            written += count;
        }

        return written;
    }

    private async ValueTask<bool> NextRecordAsync(bool mayWait, CancellationToken cancellationToken)
    {
        _start = _passed = _recordEnd;
        while (true)
        {
            var scan = new RecordScan(_buffer.AsSpan(_start, _end - _start), Delimiter, _ended);
            var verdict = scan.Run();
            switch (verdict)
            {
                case RecordVerdict.NeedsMore when !mayWait:
                    return false;
                case RecordVerdict.NeedsMore:
                    await FillAsync(cancellationToken);
                    continue;
                case RecordVerdict.End:
                    return false;
                case RecordVerdict.Blank:
                    Skip(scan.Length, scan.Lines);
                    continue;
                case RecordVerdict.Whole when _fields == 0 || scan.Fields == _fields:
                    _fields = scan.Fields;
                    _lines.Enqueue(_line);
                    _line += scan.Lines;
                    _recordEnd = _start + scan.Length;
                    return true;
                case RecordVerdict.Whole when scan.Lines > 1:
                    report(_line, scan.FirstLineBreakField, BrokenQuote);
                    break;
                case RecordVerdict.Whole:
                    report(_line, null, $"has {scan.Fields} values where the header has {_fields}");
                    break;
                case RecordVerdict.TooLong:
                    report(_line, scan.Fields, $"is longer than {LongestField} characters");
                    break;
                default:
                    report(_line, scan.Fields, BrokenQuote);
                    break;
            }

            await SkipLineAsync(cancellationToken);
        }
    }

    /// <summary>Reads the header's line, drops a byte order mark and finds the delimiter; to be called first.</summary>
    public async Task BeginAsync(CancellationToken cancellationToken)
    {
        while (!_ended && _end < LongestField && _buffer.AsSpan(0, _end).IndexOfAny('\r', '\n') < 0)
        {
            await FillAsync(cancellationToken);
        }

        if (_end > 0 && _buffer[0] == '\ufeff')
        {
            _start = _passed = _recordEnd = 1;
        }

        var line = _buffer.AsSpan(_start, _end - _start);
        var length = line.IndexOfAny('\r', '\n');
        var header = (length < 0 ? line : line[..length]).ToString();
        Delimiter = delimiter ?? Delimiters.MaxBy(candidate => header.Count(c => c == candidate));
    }

    private void Skip(int length, int lines)
    {
        _line += lines;
        _start += length;
        _passed = _recordEnd = _start;
    }

    private async Task SkipLineAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var rest = _buffer.AsSpan(_start, _end - _start);
            var end = rest.IndexOfAny('\r', '\n');
            var isCut = end >= 0 && rest[end] == '\r' && end + 1 == rest.Length && !_ended;
            if (end >= 0 && !isCut)
            {
                var length = rest[end] == '\r' && end + 1 < rest.Length && rest[end + 1] == '\n' ? end + 2 : end + 1;
                Skip(length, 1);
                return;
            }

            // Nothing of a line without end has to be kept.
            Skip(isCut ? end : rest.Length, 0);
            if (_ended)
            {
                return;
            }

            await FillAsync(cancellationToken);
        }
    }

    private async Task FillAsync(CancellationToken cancellationToken)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = _passed = _recordEnd = 0;
        }

        var count = await source.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += count;
        _ended = count == 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            source.Dispose();
        }

        base.Dispose(disposing);
    }
}

internal enum RecordVerdict
{
    Whole,
    Blank,
    NeedsMore,
    TooLong,
    BrokenQuote,
    End,
}

/// <summary>Looks for the end of the record at the start of a text.</summary>
internal ref struct RecordScan(ReadOnlySpan<char> text, char delimiter, bool isLast)
{
    private readonly ReadOnlySpan<char> _text = text;

    /// <summary>Characters of the record, its line break included.</summary>
    public int Length { get; private set; }

    /// <summary>Fields so far: the number of the one where it stopped.</summary>
    public int Fields { get; private set; } = 1;

    /// <summary>Lines it covers.</summary>
    public int Lines { get; private set; } = 1;

    /// <summary>The field in which the first line break stands.</summary>
    public int? FirstLineBreakField { get; private set; }

    public RecordVerdict Run()
    {
        if (_text.IsEmpty)
        {
            return isLast ? RecordVerdict.End : RecordVerdict.NeedsMore;
        }

        while (true)
        {
            var verdict = Field();
            if (verdict is not null)
            {
                return verdict.Value;
            }

            Fields++;
            Length++;
            if (Length > RecordGuard.LongestRecord)
            {
                return RecordVerdict.TooLong;
            }
        }
    }

    /// <summary>Goes to the delimiter after a field (null), or to the end of the record.</summary>
    private RecordVerdict? Field()
    {
        var from = Length;
        if (from < _text.Length && _text[from] == '"')
        {
            if (QuotedField() is { } stopped)
            {
                return stopped;
            }
        }
        else
        {
            var end = _text[from..].IndexOfAny(Stops);
            if (end < 0)
            {
                Length = _text.Length;
                return Unended(from);
            }

            Length += end;
        }

        if (Length - from > RecordGuard.LongestField)
        {
            return RecordVerdict.TooLong;
        }

        return Length == _text.Length
            ? Ended()
            : _text[Length] switch
            {
                '\r' or '\n' => LineBreak(),
                '"' => RecordVerdict.BrokenQuote,
                var c when c == delimiter => null,
                _ => RecordVerdict.BrokenQuote,
            };
    }

    private RecordVerdict? QuotedField()
    {
        var from = Length;
        var at = from + 1;
        while (true)
        {
            var quote = _text[at..].IndexOf('"');
            var stretch = quote < 0 ? _text[at..] : _text.Slice(at, quote);
            CountLines(stretch);
            if (quote < 0)
            {
                return _text.Length - from > RecordGuard.LongestField || isLast ? Broken() : RecordVerdict.NeedsMore;
            }

            at += quote + 1;
            if (at < _text.Length && _text[at] == '"')
            {
                at++;
                continue;
            }

            if (at == _text.Length && !isLast)
            {
                return RecordVerdict.NeedsMore;
            }

            Length = at;
            return null;
        }
    }

    // A long field within one line is just that; one that runs over lines is more likely a quote that was not closed.
    private readonly RecordVerdict Broken() => Lines > 1 || isLast ? RecordVerdict.BrokenQuote : RecordVerdict.TooLong;

    private void CountLines(ReadOnlySpan<char> stretch)
    {
        var count = stretch.Count('\n');
        if (count > 0)
        {
            FirstLineBreakField ??= Fields;
            Lines += count;
        }
    }

    private readonly RecordVerdict Unended(int from) =>
        _text.Length - from > RecordGuard.LongestField ? RecordVerdict.TooLong
        : isLast ? RecordVerdict.Whole
        : RecordVerdict.NeedsMore;

    private readonly RecordVerdict Ended() => isLast ? RecordVerdict.Whole : RecordVerdict.NeedsMore;

    private RecordVerdict LineBreak()
    {
        var isBlank = Length == 0;
        if (_text[Length] == '\r')
        {
            if (Length + 1 == _text.Length && !isLast)
            {
                return RecordVerdict.NeedsMore;
            }

            if (Length + 1 < _text.Length && _text[Length + 1] == '\n')
            {
                Length++;
            }
        }

        Length++;
        return isBlank ? RecordVerdict.Blank : RecordVerdict.Whole;
    }

    private readonly ReadOnlySpan<char> Stops =>
        delimiter switch
        {
            ',' => ",\"\r\n",
            ';' => ";\"\r\n",
            _ => "\t\"\r\n",
        };
}
