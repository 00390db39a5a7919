using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Results;

namespace Campaigns.Tests.Customers;

public sealed class CustomerRegisterTests
{
    [Fact]
    public async Task A_customer_is_shown_as_stated_with_addresses_masked()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.WithFieldAsync("balance", FieldType.Number);
        var profile = Given
            .Profile("138 1234 5678", "oAbCdEfGhIjKlMnOpQ", "push-registration-1")
            .With("balance", 12.5m);
        var shown = await bank.PutAsync(
            "c-1",
            profile with
            {
                Tags = ["vip", "payroll", "vip"],
                Zone = "America/New_York",
                PreferredChannels = [Channel.App, Channel.Sms],
                PreferredSlots = [PreferredSlot.Evening, PreferredSlot.Morning],
                BirthDate = new DateOnly(1990, 5, 17),
                RiskRating = 3,
                RiskRatedUntil = new DateOnly(2027, 1, 1),
                Student = true,
            }
        );

        Assert.Equal(12.5m, shown.Attributes["balance"].GetDecimal());
        Assert.Equal(["payroll", "vip"], shown.Tags);
        Assert.Equal("America/New_York", shown.Zone);
        Assert.Equal([Channel.App, Channel.Sms], shown.PreferredChannels);
        Assert.Equal([PreferredSlot.Morning, PreferredSlot.Evening], shown.PreferredSlots);
        Assert.Equal(new DateOnly(1990, 5, 17), shown.BirthDate);
        Assert.Equal((short)3, shown.RiskRating);
        Assert.True(shown.Student);
        Assert.Equal(["138****5678", "oAb****nOpQ", "pus****on-1"], shown.Channels.Select(reach => reach.Address));
    }

    [Fact]
    public async Task Stating_a_customer_again_replaces_everything()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.WithFieldAsync("balance", FieldType.Number);
        await bank.PutAsync("c-1", Given.Profile("13812345678") with { Tags = ["vip"], Student = true });

        var shown = await bank.PutAsync("c-1", Given.Profile(pushId: "push-1"));

        Assert.Empty(shown.Tags);
        Assert.False(shown.Student);
        Assert.Equal([null, null, "****"], shown.Channels.Select(reach => reach.Address));
        Assert.Equal(4, await bank.ScalarAsync<int>("SELECT reachable::int FROM contact"));
        Assert.Equal(1, await bank.ScalarAsync<int>("SELECT count(*)::int FROM address"));
    }

    [Fact]
    public async Task Stating_what_is_known_writes_nothing()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.WithFieldAsync("balance", FieldType.Number);
        var profile = Given.Profile("13812345678").With("balance", 7) with { Tags = ["vip"] };
        await bank.PutAsync("c-1", profile);
        var before = await Row(bank);

        var result = await bank.Customers.PutManyAsync(TestBank.Backend, [new("c-1", profile)], default);

        Assert.Equal(ItemStatus.Unchanged, result.Value[0].Status);
        Assert.Equal(before, await Row(bank));

        static Task<string> Row(TestBank bank) =>
            bank.ScalarAsync<string>(
                """
                SELECT concat(c.xmin, c.ctid, k.xmin, k.ctid, a.xmin, (SELECT count(*) FROM audit))
                FROM customer AS c JOIN contact AS k USING (customer_key) JOIN address AS a USING (customer_key)
                """
            );
    }

    [Fact]
    public async Task A_batch_takes_the_good_and_names_what_is_wrong_with_the_others()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.WithFieldAsync("balance", FieldType.Number);
        await bank.PutAsync("known", Given.Profile());

        var result = await bank.Customers.PutManyAsync(
            TestBank.Backend,
            [
                new("new", Given.Profile().With("balance", 1)),
                new("known", Given.Profile().With("balance", 2)),
                new("text", Given.Profile().With("balance", "2")),
                new("unknown-field", Given.Profile().With("size", 2)),
                new("new", Given.Profile()),
                new("bad\r\nname", Given.Profile()),
                new("bad-phone", Given.Profile("+86abc")),
                new("bad-zone", Given.Profile() with { Zone = "Mars/X" }),
            ],
            default
        );

        var items = result.Value;
        Assert.Equal(ItemStatus.Created, items[0].Status);
        Assert.Equal(ItemStatus.Updated, items[1].Status);
        Assert.Equal("attributes.balance", Assert.Single(items[2].Error!.Fields).Path);
        Assert.Equal("attributes.size", Assert.Single(items[3].Error!.Fields).Path);
        Assert.Equal("repeated-id", items[4].Error!.Type);
        Assert.Equal("id", Assert.Single(items[5].Error!.Fields).Path);
        Assert.Equal("unknown-timezone", items[7].Error!.Type);
        var phone = items[6].Error!;
        Assert.Equal(ErrorKind.Malformed, phone.Kind);
        Assert.Equal("addresses.phone", Assert.Single(phone.Fields).Path);
        Assert.DoesNotContain("abc", phone.ToString() + phone.Fields[0], StringComparison.Ordinal);
        Assert.Equal(2, await bank.ScalarAsync<int>("SELECT count(*)::int FROM customer"));
    }

    [Theory]
    [InlineData("number", "\"1\"")]
    [InlineData("number", "1e400")]
    [InlineData("number", "0e-1000")] // which is stored as a thousand digits
    [InlineData("number", "1.00000000000000000000000000000000000000000")]
    [InlineData("boolean", "\"true\"")]
    [InlineData("date", "\"2026-02-30\"")]
    [InlineData("text", "\"\\u0000\"")]
    [InlineData("text", "\"\\u202e\"")]
    [InlineData("enum", "\"other\"")]
    public async Task A_value_of_another_type_is_refused(string type, string json)
    {
        await using var bank = await TestBank.OpenAsync();
        var kind = Enum.Parse<FieldType>(type, ignoreCase: true);
        await bank.WithFieldAsync("value", kind, kind == FieldType.Enum ? ["one", "two"] : []);
        var profile = Given.Profile() with
        {
            Attributes = new Dictionary<string, JsonElement> { ["value"] = JsonElement.Parse(json) },
        };

        var result = await bank.Customers.PutAsync(TestBank.Backend, "c-1", profile, default);

        Assert.Equal("attributes.value", Assert.Single(result.Error!.Fields).Path);
    }

    [Fact]
    public async Task Several_writers_of_the_same_customers_all_come_through()
    {
        await using var bank = await TestBank.OpenAsync();
        var ids = Enumerable.Range(0, 50).Select(n => $"c-{n}").ToArray();

        var writers = Enumerable
            .Range(0, 6)
            .Select(writer =>
                bank.Customers.PutManyAsync(
                    TestBank.Backend,
                    [.. ids.OrderBy(id => (id + writer).GetHashCode(StringComparison.Ordinal)).Select(Entry)],
                    default
                )
            );
        var results = await Task.WhenAll(writers);

        Assert.All(results, result => Assert.DoesNotContain(result.Value, item => item.Error is not null));
        Assert.Equal(50, await bank.ScalarAsync<int>("SELECT count(*)::int FROM contact"));
        Assert.Equal(5, await bank.ScalarAsync<int>("SELECT count(*)::int FROM contact WHERE shared = 0"));

        static CustomerEntry Entry(string id) => new(id, Given.Profile($"1380000000{id[^1] % 5}"));
    }

    [Fact]
    public async Task What_is_changed_is_audited_without_addresses()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.PutAsync("c-1", Given.Profile("13812345678"));

        var audit = await bank.ScalarAsync<string>("SELECT string_agg(audit::text, ' ') FROM audit");

        Assert.Contains("key:backend,created,customer,c-1", audit, StringComparison.Ordinal);
        Assert.DoesNotContain("1381234", audit, StringComparison.Ordinal);
    }
}
