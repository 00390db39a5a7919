using System.Text;
using Campaigns.Access;
using Campaigns.Customers;
using Campaigns.Customers.Import;
using Campaigns.Operations;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.Extensions.Logging.Abstractions;

namespace Campaigns.Tests.Customers;

public sealed class ImportMergeTests
{
    [Fact]
    public async Task What_a_dead_node_left_half_merged_is_taken_up_by_another()
    {
        await using var bank = await TestBank.OpenAsync();
        var import = await WithMappingAsync(bank);
        // Held by somebody else, so that the node stands still in its second part and can be killed there.
        await bank.SaysAsync(Given.Grant("c-30000"));
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        await using var held = await connection.BeginTransactionAsync();
        await connection.ExecuteAsync("SELECT FROM customer WHERE customer_id = 'c-30000' FOR UPDATE");
        var operation = await ReceiveAsync(import, Rows(45_000));
        using var death = new CancellationTokenSource();
        var node = Merger(bank, import).MergeNextAsync(death.Token);
        await Eventually.BeTrueAsync(
            async () => await DoneAsync(bank, operation) == 25_000,
            "the first part and the last are merged"
        );
        await death.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => node);
        await held.RollbackAsync();

        Assert.True(await Merger(bank, import).MergeNextAsync(default));

        var finished = (await new OperationLog(bank.DataSource).GetAsync(TestBank.Backend, operation, default)).Value;
        Assert.Equal((OperationState.Succeeded, 45_000L), (finished.State, finished.Done));
        Assert.Equal(44_999, finished.Result!.Value.GetProperty("created").GetInt32());
        Assert.Equal(45_000, await bank.ScalarAsync<int>("SELECT count(*)::int FROM contact"));
    }

    [Fact]
    public async Task Rows_that_a_crash_of_the_database_took_are_not_called_imported()
    {
        await using var bank = await TestBank.OpenAsync();
        var import = await WithMappingAsync(bank);
        var operation = await ReceiveAsync(import, Rows(10));
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        var table = await connection.ExecuteScalarAsync<string>(
            "SELECT relname FROM pg_class WHERE relname LIKE 'import_rows_%' AND relkind = 'r'"
        );
        // What PostgreSQL itself does to an unlogged table when it recovers.
        await connection.ExecuteAsync($"TRUNCATE {table}");

        Assert.True(await Merger(bank, import).MergeNextAsync(default));

        var finished = (await new OperationLog(bank.DataSource).GetAsync(TestBank.Backend, operation, default)).Value;
        Assert.Equal("import-interrupted", finished.Failure?.Type);
        var again = await ReceiveAsync(import, Rows(10));
        Assert.True(await Merger(bank, import).MergeNextAsync(default));
        Assert.Equal(10, await DoneAsync(bank, again));
    }

    [Fact]
    public async Task Rows_that_the_database_refuses_hold_no_later_file_up()
    {
        await using var bank = await TestBank.OpenAsync();
        var import = await WithMappingAsync(bank);
        var poisoned = await ReceiveAsync(import, Rows(10));
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("ALTER TABLE customer ADD CONSTRAINT poison CHECK (customer_id <> 'c-5')");
        var good = await ReceiveAsync(import, Rows(3));

        Assert.True(await Merger(bank, import).MergeNextAsync(default));
        Assert.True(await Merger(bank, import).MergeNextAsync(default));

        var failed = (await new OperationLog(bank.DataSource).GetAsync(TestBank.Backend, poisoned, default)).Value;
        Assert.Equal("import-refused", failed.Failure?.Type);
        Assert.Equal(3, await DoneAsync(bank, good));
    }

    [Fact]
    public async Task Addresses_that_rows_share_belong_to_the_first()
    {
        await using var bank = await TestBank.OpenAsync();
        var import = await WithMappingAsync(bank, new ImportColumn { Column = "balance", To = ImportTarget.PushId });
        await bank.PutAsync("known", Given.Profile(pushId: "push-7"));
        var rows = string.Concat(Enumerable.Range(0, 30_000).Select(n => $"c-{n},push-{n % 20_000}\n"));

        await ReceiveAsync(import, rows);
        Assert.True(await Merger(bank, import).MergeNextAsync(default));

        Assert.Equal(10_001, await bank.ScalarAsync<int>("SELECT count(*)::int FROM contact WHERE shared = 4"));
        Assert.Equal(
            0,
            await bank.ScalarAsync<int>(
                """
                SELECT count(*)::int FROM contact AS k JOIN address AS a USING (customer_key)
                WHERE (k.shared = 4) <> (
                    a.customer_key > (SELECT min(b.customer_key) FROM address AS b WHERE (b.channel, b.lookup) = (a.channel, a.lookup))
                )
                """
            )
        );
    }

    [Fact]
    public async Task Addresses_that_others_take_while_a_file_is_merged_are_settled_too()
    {
        await using var bank = await TestBank.OpenAsync();
        var import = await WithMappingAsync(bank, new ImportColumn { Column = "balance", To = ImportTarget.PushId });
        await ReceiveAsync(import, "c-1,push-1\nc-2,push-2\n");
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        await using (var held = await connection.BeginTransactionAsync())
        {
            await connection.ExecuteAsync("SELECT FROM import_part FOR UPDATE");
            Assert.False(await Merger(bank, import).MergeNextAsync(default), "No part is free.");
            await bank.PutAsync("late", Given.Profile(pushId: "push-2"));
        }

        Assert.True(await Merger(bank, import).MergeNextAsync(default));

        Assert.Equal(
            ["c-2"],
            await connection.QueryAsync<string>(
                "SELECT customer_id FROM customer JOIN contact USING (customer_key) WHERE shared = 4"
            )
        );
    }

    private static string Rows(int count) => string.Concat(Enumerable.Range(0, count).Select(n => $"c-{n},{n}\n"));

    private static async Task<CustomerImport> WithMappingAsync(TestBank bank, ImportColumn? column = null)
    {
        await bank.WithFieldAsync("balance", FieldType.Number);
        var mappings = new ImportMappings(bank.DataSource);
        var mapping = ImportSteps.IdAndBalance;
        await mappings.PutAsync(
            TestBank.Backend,
            "bank",
            column is null ? mapping : mapping with { Columns = [column] },
            default
        );
        return new CustomerImport(bank.DataSource, TestBank.Vault, mappings);
    }

    private static ImportMerger Merger(TestBank bank, CustomerImport import) =>
        new(bank.DataSource, import, NullLogger<ImportMerger>.Instance);

    private static async Task<string> ReceiveAsync(CustomerImport import, string rows)
    {
        var body = new MemoryStream(Encoding.UTF8.GetBytes("id,balance\n" + rows));
        var result = await import.ReceiveAsync(
            new Actor("key:backend", Role.Backend),
            new CustomerFile("bank", body, null, null),
            default
        );
        return result.Value.Id;
    }

    private static Task<long> DoneAsync(TestBank bank, string operation) =>
        bank.ScalarAsync<long>("SELECT done FROM operation WHERE operation_id = @operation", new { operation });
}
