using Campaigns.Channels;
using Campaigns.Customers;

namespace Campaigns.Tests.Customers;

public sealed class ConsentTests
{
    [Fact]
    public async Task Nobody_has_consented_before_saying_so()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.PutAsync("c-1", Given.Profile());

        Assert.Equal(ConsentState.None, await bank.MarketingAsync("c-1", Channel.Sms));
    }

    [Fact]
    public async Task The_newest_word_holds_in_whatever_order_it_comes()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.SaysAsync(Given.Refusal("c-1", Channel.Sms, Given.Spring.AddDays(2)));
        await bank.SaysAsync(Given.Grant("c-1", at: Given.Spring));

        Assert.Equal(ConsentState.Refused, await bank.MarketingAsync("c-1", Channel.Sms));
        Assert.Equal(ConsentState.Granted, await bank.MarketingAsync("c-1", Channel.App));

        await bank.SaysAsync(Given.Grant("c-1", at: Given.Spring.AddDays(3)));
        Assert.Equal(ConsentState.Granted, await bank.MarketingAsync("c-1", Channel.Sms));
    }

    [Fact]
    public async Task At_one_instant_the_refusal_holds()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.SaysAsync(Given.Refusal("c-1", Channel.Sms));
        await bank.SaysAsync(Given.Grant("c-1"));

        Assert.Equal(ConsentState.Refused, await bank.MarketingAsync("c-1", Channel.Sms));
    }

    [Fact]
    public async Task R7_saying_it_twice_leaves_one_proof()
    {
        await using var bank = await TestBank.OpenAsync();
        var first = await bank.SaysAsync(Given.Grant("c-1"));
        var second = await bank.SaysAsync(Given.Grant("c-1"));

        Assert.Equal((ItemStatus.Updated, ItemStatus.Unchanged), (first.Status, second.Status));
        Assert.Equal(1, await bank.ScalarAsync<int>("SELECT count(*)::int FROM consent WHERE text_version = 'v1'"));
    }

    [Fact]
    public async Task R7_who_said_it_where_and_when_is_kept_as_it_was_told()
    {
        await using var bank = await TestBank.OpenAsync();
        var before = DateTimeOffset.UtcNow;
        await bank.SaysAsync(
            Given.Grant("c-1", Channel.WeChat) with
            {
                Source = "branch:0042",
                TextVersion = "2026-03",
                Operator = "teller-7",
            }
        );

        Assert.Equal(
            "branch:0042 2026-03 teller-7 true",
            await bank.ScalarAsync<string>(
                """
                SELECT concat_ws(' ', source, text_version, operator,
                    (channel = 2 AND purpose = 'marketing' AND granted AND occurred_at = @at
                        AND recorded_at BETWEEN @before AND now())::text)
                FROM consent
                """,
                new { at = Given.Spring.ToUniversalTime(), before }
            )
        );
    }

    [Fact]
    public async Task Sensitive_data_and_personalisation_are_asked_for_apart()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.SaysAsync(Given.Grant("c-1") with { Purpose = ConsentPurpose.Sensitive });
        await bank.SaysAsync(Given.Refusal("c-1") with { Purpose = ConsentPurpose.Personalisation });

        var customer = (await bank.Customers.GetAsync("c-1", default)).Value;
        Assert.True(customer.Stub);
        Assert.True(customer.SensitiveConsent);
        Assert.True(customer.PersonalisationOff);
        Assert.All(customer.Channels, reach => Assert.Equal(ConsentState.None, reach.Marketing));
    }

    [Fact]
    public async Task A_reply_that_refuses_holds_for_its_channel()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.SaysAsync(Given.Grant("c-1"));
        var key = await bank.ScalarAsync<long>("SELECT customer_key FROM customer");
        await using (var connection = await bank.DataSource.OpenConnectionAsync())
        {
            await Consents.RefuseAsync(connection, key, Channel.Sms, "sms-reply", Given.Spring.AddHours(1));
        }

        Assert.Equal(ConsentState.Refused, await bank.MarketingAsync("c-1", Channel.Sms));
        Assert.Equal(ConsentState.Granted, await bank.MarketingAsync("c-1", Channel.WeChat));
    }

    [Fact]
    public async Task What_cannot_be_is_refused_item_by_item()
    {
        await using var bank = await TestBank.OpenAsync();
        var result = await bank.Consents.RecordAsync(
            TestBank.Backend,
            [
                Given.Grant("good"),
                Given.Grant("future", at: DateTimeOffset.UtcNow.AddHours(1)),
                Given.Grant("long-ago", at: DateTimeOffset.UnixEpoch),
                Given.Grant("") with
                {
                    Source = "",
                },
                Given.Grant("sensitive-sms", Channel.Sms) with
                {
                    Purpose = ConsentPurpose.Sensitive,
                },
            ],
            default
        );

        Assert.Equal(
            [null, "invalid-time", "invalid-time", "validation-failed", "validation-failed"],
            result.Value.Select(item => item.Error?.Type)
        );
        Assert.Equal(2, result.Value[3].Error!.Fields.Count);
        Assert.Equal("good", await bank.ScalarAsync<string>("SELECT customer_id FROM customer"));
    }
}
