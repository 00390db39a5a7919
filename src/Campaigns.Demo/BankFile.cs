using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsvHelper;

namespace Campaigns.Demo;

/// <summary>Customers of a CSV file. A file without addresses gets some that nobody has, and a file without consents gets
/// everybody's, so that there is somebody to send to: nothing leaves this machine.</summary>
internal sealed class BankFile : ICustomerSource
{
    private static readonly string[] AddressTargets = ["phone", "openid", "pushid"];
    private static readonly string[] AddedColumns = ["demo_phone", "demo_open_id", "demo_push_id"];

    private readonly string _path;
    private readonly char _delimiter;
    private readonly JsonObject _mapping;
    private readonly JsonNode _audience;
    private readonly bool _addsAddresses;
    private readonly List<string> _ids = [];
    private readonly Dictionary<(string Channel, string Address), int> _owners = [];

    private BankFile(string path, JsonObject map)
    {
        _path = path;
        _delimiter = Delimiter(path);
        _audience =
            map["audience"]
            ?? throw new UsageException("--map: 'audience' is missing, the rule of the campaign's segment.");
        Fields = map["fields"].Deserialize<BankField[]>(JsonSerializerOptions.Web) ?? [];
        _mapping =
            map["mapping"] as JsonObject
            ?? throw new UsageException("--map: 'mapping' is missing: what the columns become.");
        var targets = Targets().ToList();
        _addsAddresses = !targets.Any(AddressTargets.Contains);
        Complete(targets);
        Read();
    }

    public int Count => _ids.Count;

    public IEnumerable<BankField> Fields { get; }

    public object Mapping => _mapping;

    public IEnumerable<(string Id, object Body)> Segments =>
        [(PaydayCampaign.Id, PaydayCampaign.Segment(Path.GetFileName(_path), _audience)), PaydayCampaign.Staff];

    /// <exception cref="UsageException">The map or the file cannot be read; the message is one line.</exception>
    public static BankFile Open(string path, string mapPath)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(mapPath)) is JsonObject map
                ? new BankFile(path, map)
                : throw new UsageException("--map: it is no JSON object.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new UsageException($"--map {mapPath}: {e.Message.ReplaceLineEndings(" ")}");
        }
        catch (CsvFormatException e)
        {
            throw new UsageException($"--file {path}: {e.Message.Split('\n')[0].Trim()}");
        }
    }

    public string Id(int n) => _ids[n - 1];

    public int? Owner(string channel, string address) =>
        _addsAddresses ? SyntheticAddress.Owner(channel, address)
        : _owners.TryGetValue((channel, Bare(channel, address)), out var n) ? n
        : null;

    public async Task WriteAsync(Stream to, Action<int> wrote, CancellationToken cancellationToken)
    {
        await using var writer = new StreamWriter(to, new UTF8Encoding(false), 1 << 16, leaveOpen: true);
        var n = 0;
        foreach (var record in Records())
        {
            cancellationToken.ThrowIfCancellationRequested();
            string[] added =
                !_addsAddresses ? []
                : n == 0 ? AddedColumns
                : [SyntheticAddress.Phone(n), SyntheticAddress.OpenId(n), SyntheticAddress.PushId(n)];
            await writer.WriteLineAsync(string.Join(_delimiter, record.Concat(added).Select(Quoted)));
            wrote(n++);
        }
    }

    private IEnumerable<string> Targets() =>
        (_mapping["columns"] as JsonArray ?? []).Select(column => (string?)column?["to"] ?? "");

    private void Complete(List<string> targets)
    {
        if (_mapping["columns"] is not JsonArray columns)
        {
            throw new UsageException("--map: 'mapping.columns' is missing.");
        }

        if (_addsAddresses)
        {
            foreach (var (column, target) in AddedColumns.Zip(AddressTargets))
            {
                columns.Add(new JsonObject { ["column"] = column, ["to"] = target });
            }
        }

        if (!targets.Contains("consent"))
        {
            foreach (var name in new[] { "all", "sensitive" })
            {
                columns.Add(
                    new JsonObject
                    {
                        ["value"] = "yes",
                        ["to"] = "consent",
                        ["name"] = name,
                    }
                );
            }

            _mapping["proof"] = new JsonObject { ["source"] = "demo", ["occurredAt"] = "2025-03-01T09:00:00+08:00" };
        }
    }

    private void Read()
    {
        string[]? header = null;
        var prefix = (string?)_mapping["id"]?["prefix"] ?? "";
        foreach (var record in Records())
        {
            header ??= record;
            if (ReferenceEquals(header, record))
            {
                continue;
            }

            var n = _ids.Count + 1;
            var id = Cell("id", (string?)_mapping["id"]?["column"]) ?? n.ToString(CultureInfo.InvariantCulture);
            _ids.Add(prefix + id);
            foreach (var (channel, column) in Addresses())
            {
                if (Cell(channel, column) is { Length: > 0 } address)
                {
                    _owners.TryAdd((channel, Bare(channel, address)), n);
                }
            }

            string? Cell(string what, string? column) =>
                column is null ? null
                : Array.IndexOf(header, column) is >= 0 and var index && index < record.Length ? record[index].Trim()
                : throw new UsageException($"--map: the {what} is in column '{column}', which the file does not have.");
        }

        if (_ids.Count == 0)
        {
            throw new UsageException($"--file: {_path} has no customers.");
        }
    }

    private IEnumerable<(string Channel, string Column)> Addresses()
    {
        if (_addsAddresses)
        {
            yield break;
        }

        foreach (var column in (JsonArray)_mapping["columns"]!)
        {
            var channel = (string?)column!["to"] switch
            {
                "phone" => "sms",
                "openid" => "wechat",
                "pushid" => "app",
                _ => null,
            };
            if (channel is not null && (string?)column["column"] is { } name)
            {
                yield return (channel, name);
            }
        }
    }

    // The provider has eleven digits of a mobile that the file may write in many ways.
    private static string Bare(string channel, string address)
    {
        if (channel != "sms")
        {
            return address.Trim();
        }

        var digits = string.Concat(address.Where(char.IsAsciiDigit));
        return digits.Length > 11 ? digits[^11..] : digits;
    }

    /// <summary>The header, then the rows.</summary>
    private IEnumerable<string[]> Records()
    {
        using var text = new StreamReader(_path, detectEncodingFromByteOrderMarks: true);
        using var reader = CsvReader.Create(
            text,
            new CsvReaderOptions { Separator = _delimiter, HasHeader = false },
            leaveOpen: true
        );
        while (reader.Read())
        {
            yield return [.. reader.Current.ToArray()];
        }
    }

    private static char Delimiter(string path)
    {
        var header = File.ReadLines(path).FirstOrDefault() ?? "";
        return ",;\t".MaxBy(delimiter => header.Count(letter => letter == delimiter));
    }

    private string Quoted(string field) =>
        field.AsSpan().IndexOfAny(_delimiter, '"', '\n') >= 0 || field.Contains('\r', StringComparison.Ordinal)
            ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\""
            : field;
}
