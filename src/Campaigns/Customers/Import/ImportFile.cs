using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Campaigns.Results;
using CsvHelper;

namespace Campaigns.Customers.Import;

/// <summary>A CSV file that is read once, from its start to its end, in bounded memory.</summary>
internal sealed class ImportFile : IDisposable
{
    private readonly DigestStream _stream;
    private readonly RecordGuard _guard;
    private readonly Action<ImportError> _report;

    // The parser reads ahead of the header: what is wrong there waits for the names of the columns.
    private readonly List<(long Line, int? Field, string Reason)> _early = [];
    private CsvReader? _reader;

    private ImportFile(Stream body, Encoding encoding, char? delimiter, Action<ImportError> report)
    {
        _report = report;
        _stream = new DigestStream(body);
        var reader = new StreamReader(_stream, encoding, detectEncodingFromByteOrderMarks: false, bufferSize: 1 << 16);
        _guard = new RecordGuard(reader, delimiter, Report);
    }

    /// <summary>Names of the columns, in their order.</summary>
    public IReadOnlyList<string> Header { get; private set; } = [];

    /// <summary>Where the record at hand begins.</summary>
    public long Line { get; private set; }

    /// <summary>A field of the record at hand, by its place in the header.</summary>
    public string this[int index] => _reader!.GetString(index);

    /// <summary>SHA-256 of the bytes; to be asked for at the end.</summary>
    public byte[] Digest() => _stream.Digest();

    /// <summary>Opens a file and reads its header; 400 <c>unknown-encoding</c>, 422 <c>empty-file</c>.</summary>
    public static async Task<Result<ImportFile>> OpenAsync(
        Stream body,
        string? charset,
        char? delimiter,
        Action<ImportError> report,
        CancellationToken cancellationToken
    )
    {
        if (EncodingOf(charset) is not { } encoding)
        {
            return new Error(
                ErrorKind.Malformed,
                "unknown-encoding",
                "The file must be utf-8 or gb18030; declare it, as in Content-Type: text/csv; charset=gb18030."
            );
        }

        var file = new ImportFile(body, encoding, delimiter, report);
        await file._guard.BeginAsync(cancellationToken);
        file._reader = CsvReader.Create(
            file._guard,
            new CsvReaderOptions
            {
                Separator = file._guard.Delimiter,
                HasHeader = false,
                PoolStrings = true,
                IncludeValuesInExceptions = false,
            },
            leaveOpen: true
        );
        if (!await file.ReadAsync(cancellationToken))
        {
            file.Dispose();
            return new Error(ErrorKind.Invalid, "empty-file", "The file is empty: a header and rows are expected.");
        }

        file.Header = [.. file._reader.Current.ToArray().Select(name => name.Trim())];
        file._early.ForEach(fault => file.Report(fault.Line, fault.Field, fault.Reason));
        return file;
    }

    /// <summary>Goes to the next record that is whole; false at the end.</summary>
    /// <exception cref="DecoderFallbackException">The bytes are not of the declared encoding.</exception>
    public async ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        if (!await _reader!.ReadAsync(cancellationToken))
        {
            return false;
        }

        Line = _guard.NextLine();
        return true;
    }

    public void Dispose()
    {
        _reader?.Dispose();
        _guard.Dispose();
        _stream.Dispose();
    }

    private void Report(long line, int? field, string reason)
    {
        if (Header.Count == 0)
        {
            _early.Add((line, field, reason));
            return;
        }

        var name =
            field is not { } number ? null
            : number <= Header.Count ? Header[number - 1]
            : number.ToString(CultureInfo.InvariantCulture);
        _report(new ImportError(line, reason, name));
    }

    private static Encoding? EncodingOf(string? charset)
    {
        switch (charset?.Trim('"').ToLowerInvariant())
        {
            case null or "" or "utf-8" or "utf8":
                return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
            case "gb18030" or "gbk" or "gb2312":
                Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
                return Encoding.GetEncoding(
                    "gb18030",
                    EncoderFallback.ExceptionFallback,
                    DecoderFallback.ExceptionFallback
                );
            default:
                return null;
        }
    }

    /// <summary>Computes the digest of what passes.</summary>
    private sealed class DigestStream(Stream inner) : Stream
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public byte[] Digest() => _hash.GetHashAndReset();

        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            var count = await inner.ReadAsync(buffer, cancellationToken);
            _hash.AppendData(buffer.Span[..count]);
            return count;
        }

        public override Task<int> ReadAsync(
            byte[] buffer,
            int offset,
            int count,
            CancellationToken cancellationToken
        ) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _hash.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
