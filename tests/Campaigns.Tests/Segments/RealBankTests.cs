using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Campaigns.Customers;
using Campaigns.Segments;
using Campaigns.Tests.Customers;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Segments;

/// <summary>Counts over 45,211 real customers, against what awk takes from the file: see beside each rule.</summary>
public sealed class RealBankTests(RealBankTests.RealBank bank) : IClassFixture<RealBankTests.RealBank>
{
    private static readonly string[] Numbers = ["age", "balance", "day", "duration", "campaign", "pdays", "previous"];
    private static readonly string[] Booleans = ["default", "housing", "loan", "y"];

    [SharedDataTheory]
    [InlineData("""{"field": "job", "op": "eq", "value": "management"}""", 9_458)] // $2=="management"
    [InlineData("""{"field": "poutcome", "op": "eq", "value": "success"}""", 1_511)] // $16=="success"
    [InlineData("""{"field": "contact", "op": "eq", "value": "cellular"}""", 29_285)] // $9=="cellular"
    [InlineData("""{"field": "job", "op": "isSet"}""", 45_211)]
    [InlineData("""{"field": "job", "op": "contains", "value": "employed"}""", 2_882)] // index($2,"employed")>0
    [InlineData("""{"field": "pdays", "op": "eq", "value": -1}""", 36_954)] // $14==-1
    // ($2=="management"||$2=="retired")&&$6>1000&&$8=="no"
    [InlineData(
        """
            {"all": [{"field": "job", "op": "in", "value": ["management", "retired"]},
                {"field": "balance", "op": "gt", "value": 1000}, {"field": "loan", "op": "eq", "value": false}]}
            """,
        4_168
    )]
    // $6<0&&$7=="yes"&&$3!="married"
    [InlineData(
        """
            {"all": [{"field": "balance", "op": "lt", "value": 0}, {"field": "housing", "op": "eq", "value": true},
                {"field": "marital", "op": "ne", "value": "married"}]}
            """,
        1_109
    )]
    // $1>=60||($4=="tertiary"&&$6>=5000&&$6<=10000)
    [InlineData(
        """
            {"any": [{"field": "age", "op": "gte", "value": 60},
                {"all": [{"field": "education", "op": "eq", "value": "tertiary"},
                    {"field": "balance", "op": "between", "value": [5000, 10000]}]}]}
            """,
        2_511
    )]
    // !($9=="cellular"||$9=="telephone")&&$17=="yes"
    [InlineData(
        """
            {"all": [{"not": {"field": "contact", "op": "in", "value": ["cellular", "telephone"]}},
                {"field": "y", "op": "eq", "value": true}]}
            """,
        530
    )]
    // ($11=="may"||$11=="jun"||$11=="jul")&&$2!="blue-collar"&&!($5=="yes")
    [InlineData(
        """
            {"all": [{"any": [{"field": "month", "op": "eq", "value": "may"}, {"field": "month", "op": "eq", "value": "jun"},
                    {"field": "month", "op": "eq", "value": "jul"}]},
                {"field": "job", "op": "ne", "value": "blue-collar"}, {"not": {"field": "default", "op": "eq", "value": true}}]}
            """,
        18_546
    )]
    public async Task A_segment_counts_what_the_file_holds(string rule, int expected) =>
        Assert.Equal(expected, await bank.CountAsync(rule));

    public sealed class RealBank : IAsyncLifetime
    {
        private TestBank _bank = null!;
        private SegmentStore _segments = null!;
        private SegmentMembers _members = null!;
        private int _asked;

        public async Task InitializeAsync()
        {
            if (!SharedData.IsPresent)
            {
                return;
            }

            _bank = await TestBank.OpenAsync();
            _segments = new SegmentStore(_bank.DataSource, new SegmentOptions());
            _members = new SegmentMembers(_bank.DataSource, new SegmentOptions());
            using var file = new GZipStream(
                File.OpenRead(SharedData.Path("data/bank-full.csv.gz")),
                CompressionMode.Decompress
            );
            using var text = new StreamReader(file);
            var header = Cells((await text.ReadLineAsync())!);
            foreach (var name in header)
            {
                await _bank.WithFieldAsync(name, TypeOf(name));
            }

            var entries = new List<CustomerEntry>();
            while (await text.ReadLineAsync() is { } line)
            {
                var values = header.Zip(Cells(line), (name, cell) => (name, value: Value(name, cell)));
                var profile = new CustomerProfile
                {
                    Attributes = values.ToDictionary(pair => pair.name, pair => pair.value),
                };
                entries.Add(new CustomerEntry($"B{entries.Count + 1}", profile));
            }

            foreach (var batch in entries.Chunk(CustomerRegister.MostAtOnce))
            {
                Assert.All(
                    (await _bank.Customers.PutManyAsync(TestBank.Backend, batch, CancellationToken.None)).Value,
                    item => Assert.Null(item.Error)
                );
            }
        }

        public async Task<long> CountAsync(string rule)
        {
            var id = $"asked-{Interlocked.Increment(ref _asked)}";
            var draft = new SegmentDraft(id, Bank.Json(rule));
            Assert.Null((await _segments.PutAsync(Bank.Marketer, id, draft, null, CancellationToken.None)).Error);
            return (await _members.CountAsync(id, null, null, CancellationToken.None)).Value.Count;
        }

        public async Task DisposeAsync()
        {
            if (_bank is not null)
            {
                await _bank.DisposeAsync();
            }
        }

        private static string[] Cells(string line) => [.. line.Split(';').Select(cell => cell.Trim('"'))];

        private static FieldType TypeOf(string name) =>
            Numbers.Contains(name) ? FieldType.Number
            : Booleans.Contains(name) ? FieldType.Boolean
            : FieldType.Text;

        private static JsonElement Value(string name, string text) =>
            Numbers.Contains(name)
                ? JsonSerializer.SerializeToElement(decimal.Parse(text, CultureInfo.InvariantCulture))
            : Booleans.Contains(name) ? JsonSerializer.SerializeToElement(text == "yes")
            : JsonSerializer.SerializeToElement(text);
    }
}
