using Campaigns.Customers;

namespace Campaigns.Tests.Customers;

public sealed class ErasureTests
{
    [Fact]
    public async Task R7_the_person_goes_and_the_pseudonymous_proof_stays()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.WithFieldAsync("balance", FieldType.Number);
        await bank.PutAsync(
            "c-1",
            Given.Profile("13812345678").With("balance", 7) with
            {
                Tags = ["vip"],
                BirthDate = new DateOnly(1990, 1, 1),
                RiskRating = 2,
            }
        );
        await bank.SaysAsync(Given.Grant("c-1"));

        Assert.Null((await bank.Customers.EraseAsync(TestBank.Backend, "c-1", default)).Error);

        Assert.Equal("not-found", (await bank.Customers.GetAsync("c-1", default)).Error!.Type);
        Assert.Equal(
            "true 0 {} {} 0 1",
            await bank.ScalarAsync<string>(
                """
                SELECT concat_ws(' ', k.erased::text, k.reachable, c.attributes, c.tags,
                    (SELECT count(*) FROM address), (SELECT count(*) FROM consent))
                FROM customer AS c JOIN contact AS k USING (customer_key)
                WHERE k.birth_date IS NULL AND k.risk_rating IS NULL AND k.consented = 0
                """
            )
        );
        Assert.Null((await bank.Customers.EraseAsync(TestBank.Backend, "c-1", default)).Error);
        Assert.Equal(1, await bank.ScalarAsync<int>("SELECT count(*)::int FROM audit WHERE action = 'erased'"));
    }

    [Fact]
    public async Task Nothing_is_taken_in_for_an_erased_customer_again()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.PutAsync("c-1", Given.Profile());
        await bank.Customers.EraseAsync(TestBank.Backend, "c-1", default);

        var put = await bank.Customers.PutAsync(TestBank.Backend, "c-1", Given.Profile("13812345678"), default);
        Assert.Equal("customer-erased", put.Error!.Type);
        Assert.Equal("customer-erased", (await bank.SaysAsync(Given.Grant("c-1"))).Error!.Type);
        Assert.Equal(0, await bank.ScalarAsync<int>("SELECT count(*)::int FROM address"));
    }

    [Fact]
    public async Task Who_was_never_known_cannot_be_erased()
    {
        await using var bank = await TestBank.OpenAsync();
        Assert.Equal("not-found", (await bank.Customers.EraseAsync(TestBank.Backend, "c-1", default)).Error!.Type);
    }
}
