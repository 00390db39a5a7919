using Campaigns.Segments;

namespace Campaigns.Tests.Segments;

public sealed class ExplainTests
{
    [Fact]
    public async Task Who_is_out_learns_which_test_fails()
    {
        await using var bank = await Bank.OpenAsync(
            new BankCustomer("C1")
            {
                Attributes = { ["balance"] = 500m },
                Tags = ["vip"],
                Events = [new BankEvent("login", Bank.AsOf.AddDays(-3))],
            }
        );
        await bank.PutAsync(
            "a",
            """
            {"all": [
                {"tag": "vip"},
                {"field": "balance", "op": "gte", "value": 1000},
                {"any": [{"field": "job", "op": "isSet"}, {"event": "login", "atLeast": 2, "within": "P7D"}]},
                {"not": {"event": "payment"}}
            ]}
            """
        );

        var explained = await ExplainAsync(bank, "a", "C1");

        Assert.False(explained.IsMember);
        Assert.Equal(
            ["rule.all[1]", "rule.all[2].any[0]", "rule.all[2].any[1]"],
            explained.Tests.Where(test => test.Decides).Select(test => test.Path)
        );
        var balance = explained.Tests.Single(test => test.Path == "rule.all[1]");
        Assert.Equal(("balance is at least 1,000", false, "500"), (balance.Words, balance.Holds, balance.Value));
        Assert.Equal("1", explained.Tests.Single(test => test.Path == "rule.all[2].any[1]").Value);
        Assert.Equal(
            (false, "0"),
            explained
                .Tests.Where(test => test.Path == "rule.all[3].not")
                .Select(test => (test.Holds, test.Value))
                .Single()
        );
    }

    [Fact]
    public async Task The_events_that_are_shown_are_those_that_are_asked_for()
    {
        var day = Bank.AsOf.AddDays(-3);
        BankEvent Opened(int after, string campaign) =>
            new("message.opened", day.AddHours(after)) { Attributes = new() { ["campaign"] = campaign } };
        await using var bank = await Bank.OpenAsync(
            new BankCustomer("C1") { Events = [Opened(0, "spring"), Opened(1, "spring"), Opened(2, "autumn")] }
        );
        await bank.ExecuteAsync(
            """
            INSERT INTO reversal (customer_key, event_source, event_id, recorded_at)
            SELECT customer_key, event_source, event_id, now() FROM event WHERE occurred_at = @day
            """,
            new { day = day.UtcDateTime }
        );
        await bank.PutAsync("a", """{"event": "message.opened", "where": {"campaign": "spring"}, "atLeast": 2}""");

        var test = Assert.Single((await ExplainAsync(bank, "a", "C1")).Tests, test => test.Path == "rule");

        Assert.Equal((false, "1"), (test.Holds, test.Value));
    }

    [Fact]
    public async Task Who_is_in_learns_why()
    {
        await using var bank = await Bank.OpenAsync(new BankCustomer("C1") { Tags = ["vip"] });
        await bank.PutAsync("a", """{"any": [{"tag": "vip"}, {"tag": "payroll"}]}""");

        var explained = await ExplainAsync(bank, "a", "C1");

        Assert.True(explained.IsMember);
        Assert.Equal(
            ["customer", "rule.any[0]"],
            explained.Tests.Where(test => test.Decides).Select(test => test.Path)
        );
    }

    [Fact]
    public async Task A_test_of_a_named_segment_is_told_with_its_segment()
    {
        await using var bank = await Bank.OpenAsync(new BankCustomer("C1"));
        await bank.PutAsync("inner", """{"any": [{"tag": "vip"}, {"tag": "payroll"}]}""");
        await bank.PutAsync("a", """{"all": [{"not": {"tag": "vip"}}, {"segment": "inner"}]}""");

        var explained = await ExplainAsync(bank, "a", "C1");

        Assert.Equal(
            [("inner", "rule.any[0]"), ("inner", "rule.any[1]")],
            explained.Tests.Where(test => test.Decides).Select(test => (test.SegmentId, test.Path))
        );
    }

    [Fact]
    public async Task Sensitive_values_are_masked_and_not_looked_at_without_consent()
    {
        await using var bank = await Bank.OpenAsync(
            new BankCustomer("agreed") { Attributes = { ["income"] = 5m } },
            new BankCustomer("silent") { Attributes = { ["income"] = 5m }, SensitiveConsent = false }
        );
        await bank.PutAsync("rich", """{"field": "income", "op": "gt", "value": 1}""");

        var agreed = await ExplainAsync(bank, "rich", "agreed");
        var silent = await ExplainAsync(bank, "rich", "silent");

        Assert.True(agreed.IsMember);
        Assert.Equal((true, "***"), agreed.Tests.Where(t => t.Path == "rule").Select(t => (t.Holds, t.Value)).Single());
        Assert.False(silent.IsMember);
        Assert.Equal((null, "***"), silent.Tests.Where(t => t.Path == "rule").Select(t => (t.Holds, t.Value)).Single());
        Assert.Equal("consent", Assert.Single(silent.Tests, test => test.Decides).Path);
    }

    [Fact]
    public async Task Lists_stubs_and_strangers_are_told_apart()
    {
        await using var bank = await Bank.OpenAsync(
            new BankCustomer("C1"),
            new BankCustomer("stub") { Stub = true },
            new BankCustomer("gone") { Erased = true }
        );
        await bank.Segments.UploadAsync(
            Bank.Marketer,
            "list",
            null,
            new MemoryStream("C2"u8.ToArray()),
            ListFormat.PlainText,
            null,
            CancellationToken.None
        );
        await bank.PutAsync("others", """{"not": {"segment": "list"}}""");

        Assert.Equal("is on the uploaded list", Decider(await ExplainAsync(bank, "list", "C1")).Words);
        Assert.Equal("customer", Decider(await ExplainAsync(bank, "others", "stub")).Path);
        Assert.Equal("customer", Decider(await ExplainAsync(bank, "others", "gone")).Path);
        Assert.Equal(
            "not-found",
            (
                await bank.Members.ExplainAsync(
                    "list",
                    null,
                    "stranger",
                    null,
                    RuleLanguage.English,
                    CancellationToken.None
                )
            )
                .Error
                ?.Type
        );
    }

    [Fact]
    public async Task An_explanation_agrees_with_membership_in_any_bank()
    {
        var random = new RandomBank(17);
        var customers = random.Customers(25).ToArray();
        await using var bank = await Bank.OpenAsync(customers);
        await bank.PutAsync("inner", random.Rule(3).ToJsonString());
        for (var i = 0; i < 25; i++)
        {
            var members = await bank.WhoAsync(random.Rule(4, "inner").ToJsonString());
            foreach (var customer in customers)
            {
                var explained = await ExplainAsync(bank, "asked", customer.Id);

                Assert.Equal(members.Contains(customer.Id), explained.IsMember);
                Assert.Contains(explained.Tests, test => test.Decides);
            }
        }
    }

    private static ExplainedTest Decider(SegmentExplanation explained) =>
        Assert.Single(explained.Tests, test => test.Decides);

    private static async Task<SegmentExplanation> ExplainAsync(Bank bank, string segmentId, string customerId) =>
        (
            await bank.Members.ExplainAsync(
                segmentId,
                null,
                customerId,
                Bank.AsOf,
                RuleLanguage.English,
                CancellationToken.None
            )
        ).Value;
}
