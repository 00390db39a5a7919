using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Campaigns.Simulator;

/// <summary>What is to become of an accepted item: what its receipt says, or that none comes.</summary>
public enum Fate
{
    Delivered,
    Failed,
    None,
}

/// <summary>What was done with an item.</summary>
public enum Outcome
{
    Accepted,

    /// <summary>Accepted with the request, and left out by the provider's own filter: never sent.</summary>
    Filtered,

    /// <summary>Already accepted under this key; nothing was sent again.</summary>
    Duplicate,

    /// <summary>As <see cref="Duplicate"/>, but with other members than the first time: the caller has erred.</summary>
    DuplicateOfOthers,
    Rejected,
    Throttled,

    /// <summary>Answered with an error of the server's, and not accepted: the caller may ask again.</summary>
    Failed,

    /// <summary>Read and not accepted, and not answered either: the caller cannot know.</summary>
    Lost,
}

/// <summary>One item of one request, as a line of the ledger.</summary>
/// <param name="N">Its number, from 1 without gaps.</param>
/// <param name="At">Business time.</param>
/// <param name="Real">Real time at which the request came in.</param>
/// <param name="Posted">Whether its receipt was posted before the answer.</param>
/// <param name="ItemKey">What the caller named the item by; null where the wire names requests only.</param>
public sealed record LedgerEntry(
    long N,
    DateTimeOffset At,
    DateTimeOffset Real,
    string Channel,
    string? RequestKey,
    string Address,
    string AddressHash,
    string? ProviderId,
    string Content,
    Outcome Outcome,
    string? Code,
    Fate Fate,
    bool Posted,
    string? ItemKey = null
);

/// <summary>An item about to be entered.</summary>
internal readonly record struct LedgerItem(
    string Address,
    string Content,
    Outcome Outcome,
    Fate Fate,
    string? Key = null
);

/// <summary>The append-only file of all that was asked: a JSON line an item, in the system's hands before the request is
/// answered, readable by its owner alone. Memory does not grow with it, but for one file offset every 512 lines and a
/// key every deduplicated request.</summary>
internal sealed class Ledger : IDisposable
{
    private const int IndexEvery = 512;
    private readonly Lock _lock = new();
    private readonly FileStream _file;
    private readonly string _path;
    private readonly List<long> _index = [];
    private readonly Dictionary<(string Channel, Outcome Outcome), (long Requests, long Items)> _counts = [];
    private readonly ArrayBufferWriter<byte> _buffer = new(64 * 1024);
    private readonly Utf8JsonWriter _writer;
    private long _count;
    private long _length;

    internal Ledger(string path)
    {
        _path = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.Read,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        _file = new FileStream(_path, options);
        _writer = new Utf8JsonWriter(_buffer, new JsonWriterOptions { Encoder = Wire.Json.Encoder });
        Recover();
    }

    /// <summary>How many lines there are.</summary>
    internal long Count => Interlocked.Read(ref _count);

    internal IReadOnlyDictionary<(string Channel, Outcome Outcome), (long Requests, long Items)> Counts
    {
        get
        {
            lock (_lock)
            {
                return _counts.ToDictionary();
            }
        }
    }

    /// <summary>Enters all items of a request, at once and next to each other.</summary>
    /// <param name="at">Business time.</param>
    /// <param name="real">Real time at which the request came in.</param>
    internal void Append(
        DateTimeOffset at,
        DateTimeOffset real,
        string channel,
        string? key,
        string? providerId,
        string? code,
        IEnumerable<LedgerItem> items,
        bool posted = false
    )
    {
        lock (_lock)
        {
            _buffer.ResetWrittenCount();
            var request = new LineOfRequest(at, real, channel, key, providerId, code, posted);
            var count = 0;
            var seen = new HashSet<Outcome>();
            foreach (var item in items)
            {
                if ((_count + count) % IndexEvery == 0)
                {
                    _index.Add(_length + _buffer.WrittenCount);
                }

                request.Write(_writer, _count + ++count, item);
                _writer.Flush();
                _writer.Reset();
                _buffer.Write("\n"u8);
                Tally(channel, item.Outcome, seen.Add(item.Outcome));
            }

            _file.Write(_buffer.WrittenSpan);
            _length += _buffer.WrittenCount;
            Interlocked.Add(ref _count, count);
        }
    }

    /// <summary>Lines after number <paramref name="after"/>, as they are.</summary>
    internal IEnumerable<string> Lines(long after, int limit)
    {
        long start;
        long end;
        lock (_lock)
        {
            if (after >= _count || after < 0)
            {
                yield break;
            }

            (start, end) = (_index[(int)(after / IndexEvery)], _length);
        }

        using var stream = new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Position = start;
        using var reader = new StreamReader(stream, Encoding.UTF8, false, 64 * 1024);
        var number = after / IndexEvery * IndexEvery;
        var read = start;
        for (var given = 0; given < limit && read < end && reader.ReadLine() is { } line; )
        {
            read += Encoding.UTF8.GetByteCount(line) + 1;
            if (++number > after)
            {
                given++;
                yield return line;
            }
        }
    }

    /// <summary>Entries after number <paramref name="after"/>.</summary>
    internal IEnumerable<LedgerEntry> Entries(long after, int limit) => Lines(after, limit).Select(Entry);

    internal static LedgerEntry Entry(string line) => JsonSerializer.Deserialize<LedgerEntry>(line, Wire.Json)!;

    /// <summary>Whether a line is of that channel, told without reading it whole.</summary>
    internal static bool IsOf(string line, string channel) =>
        line.Contains($"\"channel\":\"{channel}\"", StringComparison.Ordinal);

    internal static string Hash(string address) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(address))[..16]);

    public void Dispose()
    {
        _writer.Dispose();
        _file.Dispose();
    }

    private void Tally(string channel, Outcome outcome, bool firstOfRequest)
    {
        var (requests, items) = _counts.GetValueOrDefault((channel, outcome));
        _counts[(channel, outcome)] = (requests + (firstOfRequest ? 1 : 0), items + 1);
    }

    /// <summary>Counts what is there, and cuts off a last line that was not finished: its request was not answered.
    /// </summary>
    private void Recover()
    {
        using var stream = new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var buffer = new byte[256 * 1024];
        long start = 0;
        long position = 0;
        int read;
        while ((read = stream.Read(buffer)) > 0)
        {
            for (var index = 0; index < read; index++)
            {
                position++;
                if (buffer[index] == (byte)'\n')
                {
                    if (_count++ % IndexEvery == 0)
                    {
                        _index.Add(start);
                    }

                    start = position;
                }
            }
        }

        _length = start;
        _file.SetLength(start);
        _file.Position = start;
        var (last, seen) = ("", new HashSet<Outcome>());
        foreach (var line in Lines(0, int.MaxValue))
        {
            var (channel, outcome) = (Member(line, "channel"), Enum.Parse<Outcome>(Member(line, "outcome"), true));
            var request = $"{channel}\n{Member(line, "requestKey")}\n{Member(line, "real")}";
            if (request != last)
            {
                seen.Clear();
                last = request;
            }

            Tally(channel, outcome, seen.Add(outcome));
        }
    }

    /// <summary>A member's text without reading the line whole; quotes within a text are escaped, so it cannot be found
    /// in one.</summary>
    private static string Member(string line, string name)
    {
        var start = line.IndexOf($"\"{name}\":\"", StringComparison.Ordinal);
        if (start < 0)
        {
            return "";
        }

        start += name.Length + 4;
        return line[start..line.IndexOf('"', start)];
    }
}

/// <summary>What the lines of one request have in common, encoded once.</summary>
internal sealed class LineOfRequest(
    DateTimeOffset at,
    DateTimeOffset real,
    string channel,
    string? key,
    string? providerId,
    string? code,
    bool posted
)
{
    private readonly string _at = at.ToString("O", CultureInfo.InvariantCulture);
    private readonly string _real = real.ToString("O", CultureInfo.InvariantCulture);

    internal void Write(Utf8JsonWriter writer, long number, in LedgerItem item)
    {
        writer.WriteStartObject();
        writer.WriteNumber("n"u8, number);
        writer.WriteString("at"u8, _at);
        writer.WriteString("real"u8, _real);
        writer.WriteString("channel"u8, channel);
        writer.WriteString("requestKey"u8, key);
        writer.WriteString("address"u8, item.Address);
        writer.WriteString("addressHash"u8, Ledger.Hash(item.Address));
        writer.WriteString("providerId"u8, providerId);
        writer.WriteString("content"u8, item.Content);
        writer.WriteString("outcome"u8, Name(item.Outcome));
        writer.WriteString("code"u8, code);
        writer.WriteString("fate"u8, Name(item.Fate));
        writer.WriteBoolean("posted"u8, posted);
        if (item.Key is not null)
        {
            writer.WriteString("itemKey"u8, item.Key);
        }

        writer.WriteEndObject();
    }

    private static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
