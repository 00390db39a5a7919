using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Campaigns.Customers;

namespace Campaigns.Segments;

/// <summary>How an uploaded list is written: one customer a line.</summary>
public enum ListFormat
{
    /// <summary>The id itself.</summary>
    PlainText,

    /// <summary>The id as a JSON text, or an object whose only member is <c>customerId</c>.</summary>
    JsonLines,
}

/// <param name="Fault">Why there is no id.</param>
internal readonly record struct ListLine(int Number, string? CustomerId, string? Fault);

/// <summary>Reads a list as it arrives, holding no more than one line.</summary>
internal static class ListLines
{
    private const int LongestLine = 1_024;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    /// <summary>Every line but the empty ones.</summary>
    public static async IAsyncEnumerable<ListLine> ReadAsync(
        Stream body,
        ListFormat format,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        var reader = PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: 64 * 1_024, leaveOpen: true));
        var lines = new List<ListLine>();
        var (number, tooLong) = (1, false);
        while (true)
        {
            var read = await reader.ReadAsync(cancellationToken);
            var rest = read.Buffer;
            while (TryReadLine(ref rest, read.IsCompleted, out var line))
            {
                Take(line, number++, tooLong, format, lines);
                tooLong = false;
            }

            if (rest.Length > LongestLine)
            {
                (rest, tooLong) = (rest.Slice(rest.End), true);
            }

            reader.AdvanceTo(rest.Start, rest.End);
            foreach (var line in lines)
            {
                yield return line;
            }

            lines.Clear();
            if (read.IsCompleted)
            {
                await reader.CompleteAsync();
                yield break;
            }
        }
    }

    private static bool TryReadLine(ref ReadOnlySequence<byte> rest, bool isLast, out ReadOnlySequence<byte> line)
    {
        if (rest.PositionOf((byte)'\n') is { } end)
        {
            line = rest.Slice(0, end);
            rest = rest.Slice(rest.GetPosition(1, end));
            return true;
        }

        line = rest;
        if (!isLast || rest.IsEmpty)
        {
            return false;
        }

        rest = rest.Slice(rest.End);
        return true;
    }

    private static void Take(
        ReadOnlySequence<byte> line,
        int number,
        bool tooLong,
        ListFormat format,
        List<ListLine> lines
    )
    {
        if (tooLong || line.Length > LongestLine)
        {
            lines.Add(new ListLine(number, null, $"is longer than {LongestLine} bytes"));
            return;
        }

        var bytes = line.ToArray().AsSpan();
        if (number == 1 && bytes.StartsWith(ByteOrderMark))
        {
            bytes = bytes[ByteOrderMark.Length..];
        }

        bytes = bytes.Trim(" \t\r"u8);
        if (!bytes.IsEmpty)
        {
            lines.Add(Read(bytes, number, format));
        }
    }

    private static ListLine Read(ReadOnlySpan<byte> bytes, int number, ListFormat format)
    {
        try
        {
            var id = format == ListFormat.PlainText ? Utf8.GetString(bytes) : FromJson(bytes);
            return id is not null && CustomerIds.IsValid(id)
                ? new ListLine(number, id, null)
                : new ListLine(number, null, $"the id {CustomerIds.Form}");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return new ListLine(number, null, """is neither a JSON text nor {"customerId": "…"}""");
        }
        catch (DecoderFallbackException)
        {
            return new ListLine(number, null, "is not UTF-8");
        }
    }

    private static string? FromJson(ReadOnlySpan<byte> bytes)
    {
        var reader = new Utf8JsonReader(bytes);
        using var json = JsonDocument.ParseValue(ref reader);
        if (reader.Read())
        {
            throw new JsonException();
        }

        var root = json.RootElement;
        return root.ValueKind == JsonValueKind.String ? root.GetString()
            : root.GetPropertyCount() == 1 && root.TryGetProperty("customerId", out var id) ? id.GetString()
            : throw new JsonException();
    }
}
