using Campaigns.Customers;
using Campaigns.Database;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

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
    public async Task R7_the_proof_is_kept_for_its_term_from_the_erasure_on_and_then_goes()
    {
        await using var bank = await TestBank.OpenAsync();
        foreach (var id in new[] { "gone", "gone-later", "stays" })
        {
            await bank.PutAsync(id, Given.Profile());
            await bank.SaysAsync(Given.Grant(id));
        }

        var clock = new BusinessClock(bank.DataSource);
        var term = new ConsentTerm(bank.DataSource, TimeProvider.System, NullLogger<ConsentTerm>.Instance);
        await bank.Customers.EraseAsync(TestBank.Backend, "gone", default);
        await clock.MoveAsync(TimeSpan.FromDays(365), default);
        var years = new CustomerRegister(bank.DataSource, TestBank.Vault, new ConsentOptions { KeepEvidenceYears = 7 });
        await years.EraseAsync(TestBank.Backend, "gone-later", default);
        await term.RunAsync(default);

        await clock.MoveAsync(FromNow(5) - TimeSpan.FromMinutes(1), default);
        await term.RunAsync(default);
        Assert.Equal("gone gone-later stays", await ProofsAsync());
        await clock.MoveAsync(FromNow(5) + TimeSpan.FromMinutes(1), default);
        await term.RunAsync(default);
        Assert.Equal("gone-later stays", await ProofsAsync());
        await clock.MoveAsync(TimeSpan.FromDays(365) + FromNow(7) + TimeSpan.FromDays(3), default);
        await term.RunAsync(default);
        await term.RunAsync(default);

        Assert.Equal("stays", await ProofsAsync());
        Assert.Equal(2, await bank.ScalarAsync<int>("SELECT count(*)::int FROM audit WHERE action = 'purged'"));
        Assert.Equal("customer-erased", (await bank.SaysAsync(Given.Grant("gone"))).Error!.Type);

        static TimeSpan FromNow(int years) => DateTimeOffset.UtcNow.AddYears(years) - DateTimeOffset.UtcNow;

        Task<string> ProofsAsync() =>
            bank.ScalarAsync<string>(
                "SELECT string_agg(customer_id, ' ' ORDER BY customer_id) FROM consent JOIN customer USING (customer_key)"
            );
    }

    [Theory]
    [InlineData("DELETE FROM consent")]
    [InlineData("UPDATE consent SET granted = true, occurred_at = now()")]
    public async Task R7_a_proof_is_neither_deleted_nor_changed_before_its_term(string sql)
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.PutAsync("c-1", Given.Profile());
        await bank.SaysAsync(Given.Grant("c-1"));

        await Assert.ThrowsAsync<PostgresException>(() => bank.ScalarAsync<int?>(sql));
        await bank.Customers.EraseAsync(TestBank.Backend, "c-1", default);

        var refusal = await Assert.ThrowsAsync<PostgresException>(() => bank.ScalarAsync<int?>(sql));
        Assert.Equal(PostgresErrorCodes.RestrictViolation, refusal.SqlState);
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
