using System.Text.Json;
using Campaigns.Customers;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Customers;

public sealed class EventTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;

    [Fact]
    public async Task An_event_is_stored_once_by_source_and_id()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.PutAsync("c-1", Given.Profile());
        var payment = Payment("c-1", "p-1") with { Amount = 12.3456m, Currency = "CNY" };

        var first = await RecordAsync(bank, payment, payment);
        var again = await RecordAsync(bank, payment, payment with { Source = "branch" });

        Assert.Equal([ItemStatus.Created, ItemStatus.Unchanged], first.Items.Select(item => item.Status));
        Assert.Equal([ItemStatus.Unchanged, ItemStatus.Created], again.Items.Select(item => item.Status));
        var stored = Assert.Single(first.Stored);
        Assert.Equal((0, payment), (stored.Index, stored.Entry));
        Assert.All(first.Items, item => Assert.False(item.Unmatched));
        Assert.Equal(
            "mobile-bank payment 12.3456 CNY, branch payment 12.3456 CNY",
            await bank.ScalarAsync<string>(
                """
                SELECT string_agg(concat_ws(' ', s.name, t.name, e.amount, e.currency), ', ' ORDER BY s.name DESC)
                FROM event AS e JOIN event_type AS t USING (event_type) JOIN event_source AS s USING (event_source)
                """
            )
        );
    }

    [Fact]
    public async Task An_unknown_customer_is_kept_by_id_and_filled_later()
    {
        await using var bank = await TestBank.OpenAsync();
        var batch = await RecordAsync(bank, Payment("later", "p-1"));
        Assert.True(Assert.Single(batch.Items).Unmatched);

        var shown = await bank.PutAsync("later", Given.Profile("13812345678"));

        Assert.False(shown.Stub);
        Assert.Equal(
            batch.Stored[0].CustomerKey,
            await bank.ScalarAsync<long>("SELECT e.customer_key FROM event AS e JOIN address USING (customer_key)")
        );
    }

    [Fact]
    public async Task What_cannot_be_is_refused_item_by_item()
    {
        await using var bank = await TestBank.OpenAsync();
        var batch = await RecordAsync(
            bank,
            Payment("c-1", "ok"),
            Payment("c-1", "future") with
            {
                OccurredAt = Now.AddMinutes(10),
            },
            Payment("c-1", "long-ago") with
            {
                OccurredAt = DateTimeOffset.UnixEpoch,
            },
            Payment("c-1", "too-large") with
            {
                Amount = 1e16m,
            },
            Payment("c-1", "too-fine") with
            {
                Amount = 0.00001m,
            },
            Payment("c-1", "currency") with
            {
                Currency = "yuan",
            },
            Payment("c-1", "name") with
            {
                Name = "a payment",
            },
            Payment("c-1", "nested") with
            {
                Attributes = new Dictionary<string, JsonElement> { ["a"] = JsonElement.Parse("{}") },
            }
        );

        Assert.Equal(
            [
                null,
                "invalid-time",
                "invalid-time",
                "validation-failed",
                "validation-failed",
                "validation-failed",
                "validation-failed",
                "validation-failed",
            ],
            batch.Items.Select(item => item.Error?.Type)
        );
        Assert.Equal("ok", await bank.ScalarAsync<string>("SELECT event_id FROM event"));
    }

    [Fact]
    public async Task Erasing_a_customer_takes_the_events_and_takes_in_no_more()
    {
        await using var bank = await TestBank.OpenAsync();
        await RecordAsync(bank, Payment("c-1", "p-1"));
        await bank.Customers.EraseAsync(TestBank.Backend, "c-1", default);

        var batch = await RecordAsync(bank, Payment("c-1", "p-2"));

        Assert.Equal("customer-erased", batch.Items[0].Error!.Type);
        Assert.Equal(0, await bank.ScalarAsync<int>("SELECT count(*)::int FROM event"));
    }

    [Fact]
    public async Task What_belongs_to_a_batch_commits_with_it_or_not_at_all()
    {
        await using var bank = await TestBank.OpenAsync();
        var intake = new EventIntake(bank.DataSource);

        await Assert.ThrowsAsync<InvalidOperationException>(() =>
            intake.RecordAsync(
                TestBank.Backend,
                [Payment("c-1", "p-1")],
                (_, batch, _) => throw new InvalidOperationException($"{batch.Stored.Count}"),
                default
            )
        );

        Assert.Equal(0, await bank.ScalarAsync<int>("SELECT count(*)::int FROM event"));
        Assert.Equal(0, await bank.ScalarAsync<int>("SELECT count(*)::int FROM customer"));
    }

    [Fact]
    public async Task Batches_over_the_same_customers_all_come_through()
    {
        await using var bank = await TestBank.OpenAsync();
        await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(async writer =>
                {
                    var entries = Enumerable
                        .Range(0, 200)
                        .Select(n => Payment($"c-{(n * 7 + writer * 31) % 97}", $"p-{(n + writer * 20) % 300}"))
                        .ToArray();
                    await RecordAsync(bank, entries);
                })
        );

        await using var connection = await bank.DataSource.OpenConnectionAsync();
        Assert.Equal(97, await connection.ExecuteScalarAsync<int>("SELECT count(*)::int FROM customer"));
        Assert.Equal(97, await connection.ExecuteScalarAsync<int>("SELECT count(*)::int FROM contact"));
    }

    [Fact]
    public async Task First_events_of_many_kinds_at_once_need_no_more_connections_than_there_are()
    {
        await using var bank = await TestBank.OpenAsync();
        var settings = new NpgsqlConnectionStringBuilder(bank.ConnectionString) { MaxPoolSize = 2, Timeout = 20 };
        await using var few = NpgsqlDataSource.Create(settings.ConnectionString);
        var intake = new EventIntake(few);

        var batches = await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(n => Payment($"c-{n}", $"p-{n}") with { Name = $"kind-{n}" })
                .Select(entry => Task.Run(() => intake.RecordAsync(TestBank.Backend, [entry], null, default)))
        );

        Assert.All(batches, batch => Assert.Single(batch.Value.Stored));
    }

    [Fact]
    public async Task Only_what_is_stored_makes_a_name_known()
    {
        await using var bank = await TestBank.OpenAsync();
        await RecordAsync(bank, Payment("erased", "p-1"));
        await bank.Customers.EraseAsync(TestBank.Backend, "erased", default);

        await RecordAsync(
            bank,
            Payment("c-1", "future") with
            {
                Name = "future",
                OccurredAt = Now.AddMinutes(10),
            },
            Payment("erased", "p-2") with
            {
                Name = "of-nobody",
            }
        );

        Assert.Equal("payment", await bank.ScalarAsync<string>("SELECT string_agg(name, ', ') FROM event_type"));
    }

    [Fact]
    public async Task Names_for_which_there_is_no_room_are_refused_and_the_others_taken()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.ScalarAsync<int?>(
            $"INSERT INTO event_type (name) SELECT 'kind-' || n FROM generate_series(1, {NameKeys.MostNames - 1}) AS n"
        );

        var batch = await RecordAsync(
            bank,
            Payment("c-1", "1") with
            {
                Name = "new-1",
            },
            Payment("c-1", "2") with
            {
                Name = "kind-7",
            },
            Payment("c-1", "3") with
            {
                Name = "new-2",
            }
        );

        Assert.Equal([null, null, "too-many-names"], batch.Items.Select(item => item.Error?.Type));
    }

    private static EventEntry Payment(string customer, string id) =>
        new("mobile-bank", id, customer, "payment", Now.AddHours(-1));

    private static async Task<EventBatch> RecordAsync(TestBank bank, params EventEntry[] entries) =>
        (await new EventIntake(bank.DataSource).RecordAsync(TestBank.Backend, entries, null, default)).Value;
}
