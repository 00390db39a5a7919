using System.IO.Compression;
using Campaigns.Customers;
using Campaigns.Customers.Import;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Customers;

/// <summary>A retail bank's 45,211 customers. The expected counts were taken from the file with awk.</summary>
public sealed class BankFileTests(ImportedBankFile bank) : IClassFixture<ImportedBankFile>
{
    [SharedDataTheory]
    [InlineData("job", "management", 9458)]
    [InlineData("poutcome", "success", 1511)]
    [InlineData("contact", "cellular", 29285)]
    public async Task Every_customer_of_the_file_is_there(string field, string value, int expected)
    {
        Assert.Equal(
            expected,
            await bank.Api.ScalarAsync<int>(
                $"SELECT count(*)::int FROM customer WHERE attributes ->> '{field}' = '{value}'"
            )
        );
    }

    [SharedDataFact]
    public async Task Combinations_count_as_they_do_in_the_file()
    {
        Assert.Equal(45211, await bank.Api.ScalarAsync<int>("SELECT count(*)::int FROM contact"));
        Assert.Equal(
            5289,
            await bank.Api.ScalarAsync<int>("SELECT count(*)::int FROM customer WHERE 'subscribed' = ANY (tags)")
        );
        Assert.Equal(
            4168,
            await bank.Api.ScalarAsync<int>(
                """
                SELECT count(*)::int FROM customer
                WHERE attributes ->> 'job' IN ('management', 'retired') AND (attributes ->> 'balance')::numeric > 1000
                    AND NOT (attributes ->> 'loan')::boolean
                """
            )
        );
        Assert.Equal(
            61589682,
            await bank.Api.ScalarAsync<long>("SELECT sum((attributes ->> 'balance')::bigint)::bigint FROM customer")
        );
    }
}

/// <summary>The file, imported once for all tests of the class.</summary>
public sealed class ImportedBankFile : IAsyncLifetime
{
    private static readonly (string Column, FieldType Type)[] Columns =
    [
        ("age", FieldType.Number),
        ("job", FieldType.Text),
        ("marital", FieldType.Text),
        ("education", FieldType.Text),
        ("default", FieldType.Boolean),
        ("balance", FieldType.Number),
        ("housing", FieldType.Boolean),
        ("loan", FieldType.Boolean),
        ("contact", FieldType.Text),
        ("day", FieldType.Number),
        ("month", FieldType.Text),
        ("duration", FieldType.Number),
        ("campaign", FieldType.Number),
        ("pdays", FieldType.Number),
        ("previous", FieldType.Number),
        ("poutcome", FieldType.Text),
    ];

    private ApiHost? _api;

    internal ApiHost Api => _api!;

    public async Task InitializeAsync()
    {
        if (!SharedData.IsPresent)
        {
            return;
        }

        var api = _api = await ApiHost.StartAsync();
        foreach (var (column, type) in Columns)
        {
            await api.DeclareAsync(column, type);
        }

        await api.MapAsync(
            new ImportMapping
            {
                Id = new ImportId { Prefix = "pt-" },
                Columns =
                [
                    .. Columns.Select(column => ImportSteps.Attribute(column.Column)),
                    new ImportColumn
                    {
                        Column = "y",
                        To = ImportTarget.Tag,
                        Name = "subscribed",
                    },
                ],
            }
        );
        await using var file = new GZipStream(
            File.OpenRead(SharedData.Path("data/bank-full.csv.gz")),
            CompressionMode.Decompress
        );
        var operation = await api.FinishedAsync(
            await api.SendFileAsync(new StreamContent(file)).ReadAsync<Operations.Operation>()
        );
        Assert.Equal((45211, 45211), (operation.Done, operation.Total));
        Assert.Equal(0, operation.Result!.Value.GetProperty("errorCount").GetInt32());
    }

    public async Task DisposeAsync()
    {
        if (_api is not null)
        {
            await _api.DisposeAsync();
        }
    }
}
