using System.Globalization;
using System.Text;
using Campaigns.Access;
using Campaigns.Customers.Import;
using Campaigns.Operations;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Benchmarks;

/// <summary><c>import.copy</c>: a file of customers through the import, against COPY of the same rows into the same tables
/// with the same indexes, by one session.</summary>
internal static class ImportBenchmark
{
    private static readonly string[] Tables = ["customer", "contact", "address", "consent"];

    public static async Task RunAsync(Options options)
    {
        var rows = options.Rows ?? 200_000;
        await using var bench = await Bench.StartAsync("all");
        var mappings = bench.Services.GetRequiredService<ImportMappings>();
        await bench.ExecuteAsync(
            """
            INSERT INTO field (name, type, sensitive, profiling, updated_at) VALUES
                ('balance', 'number', false, false, now()), ('city', 'text', false, false, now())
            """
        );
        var admin = new Actor("benchmark", Role.Admin);
        var mapping = await mappings.PutAsync(admin, "bench", Mapping, default);
        _ = mapping.Value;
        var file = await WriteFileAsync(rows);
        var copies = Path.Combine(Path.GetTempPath(), $"campaigns-copy-{Environment.ProcessId}");
        Directory.CreateDirectory(copies);
        try
        {
            var values = new List<double>();
            var floors = new List<double>();
            for (var turn = 0; turn <= options.Turns; turn++)
            {
                await EmptyAsync(bench);
                var value = await Bench.TimeAsync(() => ImportAsync(bench, admin, file));
                await SaveAsync(bench, copies);
                await EmptyAsync(bench);
                var floor = await Bench.TimeAsync(() => LoadAsync(bench, copies));
                if (turn > 0) // the first warms both up
                {
                    values.Add(rows / value);
                    floors.Add(rows / floor);
                }
            }

            var (ours, theirs) = (Figure.Median(values), Figure.Median(floors));
            new Figure(
                "import.copy",
                Math.Round(ours),
                "rows/s",
                Math.Round(theirs),
                Math.Round(ours / theirs, 3)
            ).Print();
        }
        finally
        {
            File.Delete(file);
            Directory.Delete(copies, recursive: true);
        }
    }

    private static ImportMapping Mapping =>
        new()
        {
            Id = new ImportId { Column = "id" },
            Columns =
            [
                new ImportColumn { Column = "phone", To = ImportTarget.Phone },
                new ImportColumn { Column = "openid", To = ImportTarget.OpenId },
                new ImportColumn
                {
                    Column = "balance",
                    To = ImportTarget.Attribute,
                    Name = "balance",
                },
                new ImportColumn
                {
                    Column = "city",
                    To = ImportTarget.Attribute,
                    Name = "city",
                },
                new ImportColumn
                {
                    Column = "consent",
                    To = ImportTarget.Consent,
                    Name = "sms",
                },
            ],
            Proof = new ImportProof
            {
                Source = "branch",
                OccurredAt = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero),
            },
        };

    private static async Task<string> WriteFileAsync(int rows)
    {
        var file = Path.GetTempFileName();
        await using var writer = new StreamWriter(file, append: false, new UTF8Encoding(false));
        await writer.WriteLineAsync("id,phone,openid,balance,city,consent");
        string[] cities = ["Shanghai", "Beijing", "Shenzhen", "Chengdu"];
        for (var i = 0; i < rows; i++)
        {
            await writer.WriteLineAsync(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"C{i:D9},138{i:D8},o{i:x27},{i * 7919L % 100_000},{cities[i % 4]},{(i % 3 == 0 ? "no" : "yes")}"
                )
            );
        }

        return file;
    }

    private static async Task ImportAsync(Bench bench, Actor actor, string file)
    {
        await using var body = File.OpenRead(file);
        var import = bench.Services.GetRequiredService<CustomerImport>();
        var received = await import.ReceiveAsync(actor, new CustomerFile("bench", body, null, null), default);
        var log = bench.Services.GetRequiredService<OperationLog>();
        var operation = received.Value;
        while (operation.State == OperationState.Running)
        {
            await Task.Delay(10);
            operation = (await log.GetAsync(actor, operation.Id, default)).Value;
        }

        if (operation.State != OperationState.Succeeded)
        {
            throw new InvalidOperationException($"The import ended {operation.State}: {operation.Failure}.");
        }
    }

    private static Task EmptyAsync(Bench bench) =>
        bench.ExecuteAsync(
            $"TRUNCATE {string.Join(", ", Tables)}, import_batch, import_part RESTART IDENTITY; CHECKPOINT"
        );

    private static async Task SaveAsync(Bench bench, string folder)
    {
        foreach (var table in Tables)
        {
            await using var connection = await bench.DataSource.OpenConnectionAsync();
            await using var file = File.Create(Path.Combine(folder, table));
            await using var copy = await connection.BeginRawBinaryCopyAsync($"COPY {table} TO STDOUT (FORMAT binary)");
            await copy.CopyToAsync(file);
        }
    }

    private static async Task LoadAsync(Bench bench, string folder)
    {
        await using var connection = await bench.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        foreach (var table in Tables)
        {
            await using var file = File.OpenRead(Path.Combine(folder, table));
            await using var copy = await connection.BeginRawBinaryCopyAsync($"COPY {table} FROM STDIN (FORMAT binary)");
            await file.CopyToAsync(copy);
        }

        await transaction.CommitAsync();
    }
}
