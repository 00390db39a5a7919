using System.Buffers.Binary;
using System.Text;

namespace Campaigns.Customers.Import;

/// <summary>Rows in PostgreSQL's binary COPY format.</summary>
internal sealed class CopyBuffer
{
    /// <summary>What a COPY begins with.</summary>
    public static readonly byte[] Header = [.. "PGCOPY\n"u8, 0xff, .. "\r\n\0"u8, 0, 0, 0, 0, 0, 0, 0, 0];

    /// <summary>What a COPY ends with.</summary>
    public static readonly byte[] Trailer = [0xff, 0xff];

    private const int TextOid = 25;
    private static readonly DateOnly Epoch = new(2000, 1, 1);
    private static readonly DateTime EpochInstant = new(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    private byte[] _bytes = new byte[1 << 16];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Bytes => _bytes.AsMemory(0, Length);

    /// <summary>Forgets what was written since it was so long.</summary>
    public void Rewind(int length = 0) => Length = length;

    public void Row(int columns) => BinaryPrimitives.WriteInt16BigEndian(Take(2), (short)columns);

    public void Null() => Size(-1);

    public void Int(int value)
    {
        Size(4);
        BinaryPrimitives.WriteInt32BigEndian(Take(4), value);
    }

    public void Short(short? value)
    {
        if (value is not { } number)
        {
            Null();
            return;
        }

        Size(2);
        BinaryPrimitives.WriteInt16BigEndian(Take(2), number);
    }

    public void Boolean(bool? value)
    {
        if (value is not { } boolean)
        {
            Null();
            return;
        }

        Size(1);
        Take(1)[0] = boolean ? (byte)1 : (byte)0;
    }

    public void Date(DateOnly? value)
    {
        if (value is { } date)
        {
            Int(date.DayNumber - Epoch.DayNumber);
        }
        else
        {
            Null();
        }
    }

    public void Instant(DateTimeOffset? value)
    {
        if (value is not { } instant)
        {
            Null();
            return;
        }

        Size(8);
        BinaryPrimitives.WriteInt64BigEndian(
            Take(8),
            (instant.UtcDateTime - EpochInstant).Ticks / TimeSpan.TicksPerMicrosecond
        );
    }

    public void Text(string value)
    {
        var length = Encoding.UTF8.GetByteCount(value);
        Size(length);
        Encoding.UTF8.GetBytes(value, Take(length));
    }

    public void Bytea(byte[]? value)
    {
        if (value is null)
        {
            Null();
            return;
        }

        Size(value.Length);
        value.CopyTo(Take(value.Length));
    }

    public void Jsonb(ReadOnlySpan<byte> utf8)
    {
        const byte version = 1;
        Size(utf8.Length + 1);
        Take(1)[0] = version;
        utf8.CopyTo(Take(utf8.Length));
    }

    public void Texts(IReadOnlyCollection<string> values)
    {
        var sizeAt = Length;
        Size(0);
        Raw(values.Count == 0 ? 0 : 1); // dimensions
        Raw(0); // no nulls
        Raw(TextOid);
        if (values.Count > 0)
        {
            Raw(values.Count);
            Raw(1); // lower bound
            foreach (var value in values)
            {
                Text(value);
            }
        }

        BinaryPrimitives.WriteInt32BigEndian(_bytes.AsSpan(sizeAt), Length - sizeAt - 4);
    }

    private void Size(int bytes) => Raw(bytes);

    private void Raw(int value) => BinaryPrimitives.WriteInt32BigEndian(Take(4), value);

    private Span<byte> Take(int count)
    {
        if (Length + count > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(Length + count, _bytes.Length * 2));
        }

        Length += count;
        return _bytes.AsSpan(Length - count, count);
    }
}
