using Campaigns.Channels;
using Campaigns.Customers;

namespace Campaigns.Tests.Customers;

public sealed class SharedAddressTests
{
    private const string Family = "13812345678";

    [Fact]
    public async Task The_customer_who_was_first_owns_a_shared_phone()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.PutAsync("first", Given.Profile(Family));
        await bank.PutAsync("second", Given.Profile("+86 138 1234 5678"));

        Assert.False(await bank.SharesAsync("first", Channel.Sms));
        Assert.True(await bank.SharesAsync("second", Channel.Sms));
    }

    [Fact]
    public async Task When_the_owner_leaves_the_next_one_owns_it()
    {
        await using var bank = await TestBank.OpenAsync();
        foreach (var id in new[] { "first", "second", "third" })
        {
            await bank.PutAsync(id, Given.Profile(Family));
        }

        await bank.PutAsync("first", Given.Profile("13900000000"));
        Assert.False(await bank.SharesAsync("second", Channel.Sms));
        Assert.True(await bank.SharesAsync("third", Channel.Sms));

        await bank.Customers.EraseAsync(TestBank.Backend, "second", default);
        Assert.False(await bank.SharesAsync("third", Channel.Sms));
    }

    [Fact]
    public async Task Who_takes_another_address_shares_no_more()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.PutAsync("first", Given.Profile(Family, "open-id-one"));
        await bank.PutAsync("second", Given.Profile(Family, "open-id-one"));
        await bank.PutAsync("second", Given.Profile("13900000000", "open-id-one"));

        Assert.False(await bank.SharesAsync("second", Channel.Sms));
        Assert.True(await bank.SharesAsync("second", Channel.WeChat));
    }

    [Fact]
    public async Task An_older_customer_who_takes_the_address_owns_it()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.PutAsync("older", Given.Profile());
        await bank.PutAsync("newer", Given.Profile(Family));
        await bank.PutAsync("older", Given.Profile(Family));

        Assert.False(await bank.SharesAsync("older", Channel.Sms));
        Assert.True(await bank.SharesAsync("newer", Channel.Sms));
    }

    [Fact]
    public async Task One_owner_is_left_when_many_change_addresses_at_once()
    {
        await using var bank = await TestBank.OpenAsync();
        var phones = new[] { "13800000000", "13800000001", "13800000002" };
        await Task.WhenAll(
            Enumerable
                .Range(0, 6)
                .Select(async writer =>
                {
                    for (var round = 0; round < 8; round++)
                    {
                        await bank.PutAsync($"c-{(writer + round) % 4}", Given.Profile(phones[(writer * round) % 3]));
                    }
                })
        );

        Assert.Equal(
            0,
            await bank.ScalarAsync<int>(
                """
                SELECT count(*)::int
                FROM contact AS k
                JOIN address AS a USING (customer_key)
                WHERE (k.shared & 1 <> 0) <> EXISTS (
                    SELECT FROM address AS b
                    WHERE b.channel = a.channel AND b.lookup = a.lookup AND b.customer_key < a.customer_key
                )
                """
            )
        );
    }
}
