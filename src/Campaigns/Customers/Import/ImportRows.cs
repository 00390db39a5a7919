using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Campaigns.Channels;

namespace Campaigns.Customers.Import;

/// <summary>Turns records into staged rows, and says what is wrong with those that are not good.</summary>
internal sealed class ImportRows(ImportPlan plan, AddressVault vault, NameKeys zones, DateTimeOffset now) : IDisposable
{
    private static readonly TimeSpan China = TimeSpan.FromHours(8);
    private static readonly char[] ListSeparators = ['|', ' ', '/'];

    private readonly DateOnly _today = DateOnly.FromDateTime(now.ToOffset(China).DateTime);
    private readonly int _columns = plan.Scope.StagedColumns().Count();
    private readonly PlannedColumn? _zone = plan.Contact.FirstOrDefault(c => c.Column.To == ImportTarget.Zone);
    private readonly Dictionary<string, short> _zones = [];
    private readonly List<string> _tags = [];
    private readonly ArrayBufferWriter<byte> _json = new(1024);
    private readonly Utf8JsonWriter _writer = new(Stream.Null);
    private long _number;
    private ImportError? _fault;

    /// <summary>Adds the record at hand to the buffer; or says the first thing that is wrong with it.</summary>
    public async ValueTask<ImportError?> AddAsync(
        ImportFile file,
        CopyBuffer buffer,
        CancellationToken cancellationToken
    )
    {
        _number++;
        _fault = null;
        if (_zone is not null)
        {
            await LearnZoneAsync(Cell(file, _zone), cancellationToken);
        }

        var before = buffer.Length;
        Write(file, buffer);
        if (_fault is not null)
        {
            buffer.Rewind(before);
        }

        return _fault;
    }

    public void Dispose() => _writer.Dispose();

    private void Write(ImportFile file, CopyBuffer buffer)
    {
        buffer.Row(_columns);
        buffer.Int((int)file.Line);
        buffer.Text(Id(file));
        WriteAttributes(file, buffer);
        WriteTags(file, buffer);
        WriteAddresses(file, buffer);
        foreach (var column in plan.Contact)
        {
            WriteContact(file, buffer, column);
        }

        if (plan.Scope.Source is not null)
        {
            WriteConsents(file, buffer);
        }
    }

    private string Id(ImportFile file)
    {
        var prefix = plan.Mapping.Id.Prefix;
        if (plan.IdIndex < 0)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{prefix}{_number}");
        }

        var value = file[plan.IdIndex].Trim();
        var id = prefix + value;
        if (value.Length == 0)
        {
            Fail(file, plan.Mapping.Id.Column!, "is missing");
        }
        else if (!CustomerIds.IsValid(id))
        {
            Fail(file, plan.Mapping.Id.Column!, CustomerIds.Form);
        }

        return id;
    }

    private void WriteAttributes(ImportFile file, CopyBuffer buffer)
    {
        _json.ResetWrittenCount();
        _writer.Reset(_json);
        _writer.WriteStartObject();
        foreach (var column in plan.Attributes)
        {
            if (Value(file, column) is not { } value)
            {
                continue;
            }

            if (column.Column.When is { } when)
            {
                _writer.WriteBoolean(column.Field!.Name, value == when);
            }
            else if (FieldValues.Write(_writer, column.Field!, value) is { } fault)
            {
                Fail(file, column.Name, fault);
            }
        }

        _writer.WriteEndObject();
        _writer.Flush();
        buffer.Jsonb(_json.WrittenSpan);
    }

    private void WriteTags(ImportFile file, CopyBuffer buffer)
    {
        _tags.Clear();
        foreach (var column in plan.Tags)
        {
            if (Value(file, column) is { } value && (Says(file, column, value) ?? false))
            {
                _tags.Add(column.Column.Name!);
            }
        }

        _tags.Sort(StringComparer.Ordinal);
        buffer.Texts(_tags);
    }

    private void WriteAddresses(ImportFile file, CopyBuffer buffer)
    {
        if (plan.Addresses.Count > 0)
        {
            buffer.Short(vault.CurrentKey);
        }

        for (var index = 0; index < plan.Addresses.Count; index++)
        {
            var column = plan.Addresses[index];
            var channel = plan.Scope.Channels[index];
            SealedAddress? address = null;
            if (Value(file, column) is { } value)
            {
                if (AddressForms.Normalise(channel, value) is { } normal)
                {
                    address = vault.Seal(channel, normal);
                }
                else
                {
                    Fail(file, column.Name, AddressForms.Form(channel));
                }
            }

            buffer.Bytea(address?.Ciphertext);
            buffer.Bytea(address?.Lookup);
        }
    }

    private void WriteContact(ImportFile file, CopyBuffer buffer, PlannedColumn column)
    {
        var value = Value(file, column);
        switch (column.Column.To)
        {
            case ImportTarget.BirthDate:
                buffer.Date(
                    Parse(
                        value,
                        FieldValues.ToDate,
                        date => ProfileReader.IsBirthDate(date, _today),
                        "is not a date of birth"
                    )
                );
                break;
            case ImportTarget.RiskRatedUntil:
                buffer.Date(Parse(value, FieldValues.ToDate, _ => true, "is not a date such as 2026-02-17"));
                break;
            case ImportTarget.RiskRating:
                buffer.Short(Parse(value, ToShort, rating => rating is >= 1 and <= 5, "must be 1 to 5"));
                break;
            case ImportTarget.Student:
                buffer.Boolean(Parse(value, FieldValues.ToBoolean, _ => true, "is neither yes nor no") ?? false);
                break;
            case ImportTarget.Zone:
                buffer.Short(Parse(value, ZoneKey, _ => true, "is not a time zone such as Asia/Shanghai") ?? 1);
                break;
            case ImportTarget.PreferredChannels:
                buffer.Short(
                    Parse(
                        value,
                        text => List<Channel>(text, ProfileReader.Preference),
                        _ => true,
                        "is no list of channels"
                    ) ?? 0
                );
                break;
            default:
                buffer.Short(
                    Parse(
                        value,
                        text => List<PreferredSlot>(text, ProfileReader.Slots),
                        _ => true,
                        "is no list of slots"
                    ) ?? 0
                );
                break;
        }

        T? Parse<T>(string? text, Func<string, T?> read, Func<T, bool> isGood, string fault)
            where T : struct
        {
            if (text is null)
            {
                return null;
            }

            if (read(text) is { } result && isGood(result))
            {
                return result;
            }

            Fail(file, column.Name, fault);
            return null;
        }
    }

    private void WriteConsents(ImportFile file, CopyBuffer buffer)
    {
        short granted = 0;
        short refused = 0;
        bool? sensitive = null;
        bool? personalisation = null;
        foreach (var column in plan.Consents)
        {
            if (Value(file, column) is not { } value || Says(file, column, value) is not { } said)
            {
                continue;
            }

            if (column.Column.When is not null && !said)
            {
                continue;
            }

            switch (column.Column.Name)
            {
                case "sensitive":
                    sensitive = said;
                    break;
                case "personalisation":
                    personalisation = said;
                    break;
                default:
                    const short everyChannel = 8;
                    var bit = ImportMappingRules.ChannelOf(column.Column.Name!)?.Bit() ?? everyChannel;
                    (said ? ref granted : ref refused) |= bit;
                    break;
            }
        }

        buffer.Short(granted);
        buffer.Short(refused);
        buffer.Boolean(sensitive);
        buffer.Boolean(personalisation);
        buffer.Instant(OccurredAt(file));
    }

    private DateTimeOffset? OccurredAt(ImportFile file)
    {
        if (plan.OccurredAtIndex < 0)
        {
            return plan.Mapping.Proof!.OccurredAt;
        }

        var name = plan.Mapping.Proof!.OccurredAtColumn!;
        var text = file[plan.OccurredAtIndex].Trim();
        DateTimeOffset? at =
            FieldValues.ToDate(text) is { } date ? new DateTimeOffset(date.ToDateTime(default), China)
            : DateTimeOffset.TryParseExact(
                text,
                ["yyyy-MM-ddTHH:mm:ssK", "yyyy-MM-ddTHH:mm:ss.FFFFFFFK"],
                CultureInfo.InvariantCulture,
                DateTimeStyles.AssumeUniversal,
                out var instant
            )
                ? instant
            : null;
        if (at is null)
        {
            Fail(file, name, text.Length == 0 ? "is missing" : "is not a time such as 2026-02-17T09:00:00+08:00");
        }
        else if (Instants.FindFault(at.Value, now, name) is { } fault)
        {
            Fail(file, name, fault.Detail);
        }

        return at;
    }

    /// <summary>The cell, or null where it is empty and may be.</summary>
    private string? Value(ImportFile file, PlannedColumn column)
    {
        var value = Cell(file, column);
        if (value.Length > 0)
        {
            return value;
        }

        if (!column.Column.Optional)
        {
            Fail(file, column.Name, "is missing");
        }

        return null;
    }

    private static string Cell(ImportFile file, PlannedColumn column) =>
        column.Index < 0 ? column.Column.Value! : file[column.Index].Trim();

    private bool? Says(ImportFile file, PlannedColumn column, string value)
    {
        if (column.Column.When is { } when)
        {
            return value == when;
        }

        if (FieldValues.ToBoolean(value) is { } said)
        {
            return said;
        }

        Fail(file, column.Name, "is neither yes nor no");
        return null;
    }

    private short? ZoneKey(string name) => _zones.TryGetValue(name, out var key) ? key : null;

    private async ValueTask LearnZoneAsync(string name, CancellationToken cancellationToken)
    {
        if (!_zones.ContainsKey(name) && ProfileReader.IsZone(name))
        {
            _zones[name] = (await zones.OfAsync([name], cancellationToken))[name];
        }
    }

    private static short? ToShort(string text) =>
        short.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static short? List<T>(string text, Func<IEnumerable<T>, short> encode)
        where T : struct, Enum
    {
        var values = new List<T>();
        foreach (var name in text.Split(ListSeparators, StringSplitOptions.RemoveEmptyEntries))
        {
            if (!char.IsAsciiLetter(name[0]) || !Enum.TryParse<T>(name, ignoreCase: true, out var value))
            {
                return null;
            }

            values.Add(value);
        }

        return encode(values);
    }

    private void Fail(ImportFile file, string column, string reason) =>
        _fault ??= new ImportError(file.Line, reason, column);
}
