using System.Text.Json.Nodes;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Tests.Support;

namespace Campaigns.Tests.Customers;

public sealed class AuthorisationTests
{
    private const string Template = "TPL_1";

    [Fact]
    public async Task Messages_authorised_add_up_and_what_is_said_twice_counts_once()
    {
        await using var bank = await TestBank.OpenAsync();
        var module = new Authorisations(bank.DataSource, TestBank.Vault);
        AuthorisationEntry[] said = [Says("a", 1, day: 1), Says("a", 1, day: 1), Says("b", 2, day: 2)];
        var first = await module.RecordAsync(TestBank.Backend, said, default);
        var again = await module.RecordAsync(TestBank.Backend, said, default);
        await module.RecordAsync(TestBank.Backend, [Says("c", 5, day: 3) with { Template = "TPL_2" }], default);

        Assert.Equal(
            [ItemStatus.Created, ItemStatus.Unchanged, ItemStatus.Created],
            first.Value.Select(item => item.Status)
        );
        Assert.All(again.Value, item => Assert.Equal(ItemStatus.Unchanged, item.Status));
        Assert.Equal(3, await UnspentAsync(bank));
        Assert.Equal(
            2,
            await bank.ScalarAsync<int>("SELECT count(*)::int FROM audit WHERE subject_kind = 'authorisations'")
        );
    }

    [Fact]
    public async Task What_was_authorised_is_taken_back_up_to_then_in_whatever_order_it_comes()
    {
        AuthorisationEntry[] said = [Says("a", 2, day: 1), Says("b", 0, day: 2), Says("c", 3, day: 3)];
        int[][] orders =
        [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        await using var bank = await TestBank.OpenAsync();
        var module = new Authorisations(bank.DataSource, TestBank.Vault);
        foreach (var (order, number) in orders.Select((order, number) => (order, number)))
        {
            var customer = $"c-{number}";
            foreach (var index in order)
            {
                await module.RecordAsync(TestBank.Backend, [said[index] with { CustomerId = customer }], default);
            }

            Assert.Equal(3, await UnspentAsync(bank, customer));
        }

        await module.RecordAsync(
            TestBank.Backend,
            [.. said.Select(one => one with { CustomerId = "at-once" })],
            default
        );
        Assert.Equal(3, await UnspentAsync(bank, "at-once"));
    }

    [Fact]
    public async Task Nobody_spends_what_another_has_spent()
    {
        await using var bank = await TestBank.OpenAsync();
        var module = new Authorisations(bank.DataSource, TestBank.Vault);
        await module.RecordAsync(TestBank.Backend, [Says("a", 5, day: 1)], default);
        var key = await KeyAsync(bank);

        var spent = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() => SpendAsync(bank, key))));

        Assert.Equal(5, spent.Count(one => one));
        Assert.Equal(0, await UnspentAsync(bank));
    }

    [Fact]
    public async Task When_the_provider_says_that_none_is_left_only_what_was_authorised_later_holds()
    {
        await using var bank = await TestBank.OpenAsync();
        var module = new Authorisations(bank.DataSource, TestBank.Vault);
        await module.RecordAsync(TestBank.Backend, [Says("a", 4, day: 1)], default);
        var key = await KeyAsync(bank);
        await SpendAsync(bank, key);
        await module.RecordAsync(TestBank.Backend, [Says("b", 2, day: 5)], default);

        await using (var connection = await bank.DataSource.OpenConnectionAsync())
        {
            await UnspentAuthorisations.UsedUpAsync(connection, Template, [key], Day(3), default);
            await UnspentAuthorisations.GiveBackAsync(connection, Template, [key], Day(2), default);
            Assert.Equal(2, await UnspentAsync(bank));
            await UnspentAuthorisations.GiveBackAsync(connection, Template, [key], Day(4), default);
            Assert.Equal(3, await UnspentAsync(bank));
        }

        await module.RecordAsync(TestBank.Backend, [Says("late", 9, day: 2)], default);
        Assert.True(await UnspentAsync(bank) <= 3);
    }

    [Fact]
    public async Task What_a_callback_says_is_the_owners_of_the_address_and_counts_once()
    {
        await using var bank = await TestBank.OpenAsync();
        var module = new Authorisations(bank.DataSource, TestBank.Vault);
        foreach (var id in new[] { "c-1", "c-2" })
        {
            await bank.PutAsync(id, new CustomerProfile { Addresses = new CustomerAddresses { OpenId = "oWx_1" } });
        }

        ProviderAuthorisation[] said =
        [
            new("popup/1/TPL_1", "oWx_1", Template, 1, Day(1)),
            new("popup/1/TPL_1", "oWx_nobody", Template, 1, Day(1)),
        ];
        await module.TakeAsync(Channel.WeChat, said, default);
        await module.TakeAsync(Channel.WeChat, said, default);

        Assert.Equal(1, await UnspentAsync(bank));
        Assert.Equal(1, await bank.ScalarAsync<int>("SELECT count(*)::int FROM authorisation"));
    }

    [Fact]
    public async Task R7_an_erased_customer_has_authorised_nothing()
    {
        await using var bank = await TestBank.OpenAsync();
        var module = new Authorisations(bank.DataSource, TestBank.Vault);
        await module.RecordAsync(TestBank.Backend, [Says("a", 4, day: 1)], default);
        await bank.Customers.EraseAsync(TestBank.Backend, "c-1", default);

        var refused = await module.RecordAsync(TestBank.Backend, [Says("b", 1, day: 2)], default);

        Assert.Equal("customer-erased", Assert.Single(refused.Value).Error?.Type);
        Assert.Equal(
            0,
            await bank.ScalarAsync<int>(
                "SELECT (SELECT count(*) FROM authorisation)::int + (SELECT count(*) FROM authorisation_entry)::int"
            )
        );
    }

    [Fact]
    public async Task Everything_that_is_wrong_with_an_entry_is_said_at_once()
    {
        await using var api = await ApiHost.StartAsync();
        using var refused = await api.As(Role.Backend)
            .SendJsonAsync(
                HttpMethod.Post,
                "/v1/authorisations",
                """
                {"authorisations": [{"source": "Mini Program", "id": "", "customerId": "", "template": "", "messages": 1001,
                 "occurredAt": "2025-12-01T10:00:00+08:00"}]}
                """
            );

        Assert.Equal(400, (int)refused.StatusCode);
        var problem = JsonNode.Parse(await refused.Content.ReadAsStringAsync())!;
        Assert.Equal(
            new[] { "source", "id", "customerId", "template", "messages" }.Select(field =>
                $"authorisations[0].{field}"
            ),
            problem["errors"]!.AsArray().Select(error => error!["path"]!.ToString())
        );
    }

    private static AuthorisationEntry Says(string id, int messages, int day) =>
        new("mini-program", id, "c-1", Template, messages, Day(day));

    private static DateTimeOffset Day(int day) => new(2025, 12, day, 10, 0, 0, TimeSpan.FromHours(8));

    private static Task<long> KeyAsync(TestBank bank) =>
        bank.ScalarAsync<long>("SELECT customer_key FROM customer WHERE customer_id = 'c-1'");

    private static async Task<bool> SpendAsync(TestBank bank, long key)
    {
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        return (await UnspentAuthorisations.SpendAsync(connection, Template, [key], default)).Count == 1;
    }

    private static Task<int> UnspentAsync(TestBank bank, string customer = "c-1") =>
        bank.ScalarAsync<int>(
            """
            SELECT coalesce(sum(unspent), 0)::int
            FROM authorisation
            JOIN authorised_template t USING (authorised_template)
            JOIN customer USING (customer_key)
            WHERE t.name = 'TPL_1' AND customer_id = @customer
            """,
            new { customer }
        );
}
