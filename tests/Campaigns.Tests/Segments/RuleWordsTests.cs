using Campaigns.Segments;

namespace Campaigns.Tests.Segments;

public sealed class RuleWordsTests(SharedBank shared) : IClassFixture<SharedBank>
{
    private readonly Bank _bank = shared.Bank;

    [Theory]
    [InlineData(
        """{"all": [{"tag": "vip"}, {"any": [{"segment": "new"}, {"not": {"tag": "staff"}}]}]}""",
        """has tag "vip" and (is in segment "new" or not (has tag "staff"))""",
        "有标签“vip” 且 (属于客群“new” 或 不满足（有标签“staff”）)"
    )]
    [InlineData(
        """{"field": "balance", "op": "between", "value": [1000, 2500.5]}""",
        "balance is between 1,000 and 2,500.5",
        "balance 介于 1,000 和 2,500.5 之间"
    )]
    [InlineData("""{"field": "job", "op": "ne", "value": "x"}""", "job is known and not \"x\"", "job 有值且不为“x”")]
    [InlineData(
        """{"field": "city", "op": "in", "value": ["成都", "Beijing"]}""",
        "city is one of \"成都\", \"Beijing\"",
        "city 为“成都”、“Beijing”之一"
    )]
    [InlineData("""{"field": "city", "op": "isNotSet"}""", "city is not known", "city 无值")]
    [InlineData("""{"field": "housing", "op": "eq", "value": true}""", "housing is true", "housing 为“是”")]
    [InlineData(
        """{"field": "opened_on", "op": "gte", "value": "today-30d"}""",
        "opened_on is today − 30 days or later",
        "opened_on 不早于当天 − 30 天"
    )]
    [InlineData(
        """{"field": "birth_date", "op": "birthday", "value": 7}""",
        "the birthday in birth_date is today or in the next 7 days",
        "birth_date 的生日在当天或未来 7 天内"
    )]
    [InlineData(
        """{"event": "payment", "atLeast": 3, "within": "P7D"}""",
        "event \"payment\" at least 3 times within the last 7 days",
        "近 7 天内事件“payment”至少 3 次"
    )]
    [InlineData(
        """{"event": "payment", "sum": "amount", "op": "gte", "value": 5000, "within": "P1M"}""",
        "the sum of amount of events \"payment\" within the last 1 month is at least 5,000",
        "近 1 个月内事件“payment”的金额合计不低于 5,000"
    )]
    [InlineData(
        """{"event": "login", "lastBefore": "P30D"}""",
        "the last event \"login\" more than 30 days ago",
        "最近一次事件“login”在 30 天以前"
    )]
    [InlineData(
        """{"event": "message.opened", "where": {"n": 2, "campaign": "spring"}, "within": "P30D"}""",
        "event \"message.opened\" with campaign \"spring\" and n 2 at least once within the last 30 days",
        "近 30 天内事件“message.opened”（campaign 为“spring”，n 为 2）至少 1 次"
    )]
    [InlineData("""{"event": "login", "never": true}""", "no event \"login\" ever", "从未发生事件“login”")]
    [InlineData(
        """{"event": "login", "atLeast": 2, "atMost": 2, "within": "P1DT12H"}""",
        "event \"login\" exactly 2 times within the last 1 day 12 hours",
        "近 1 天 12 小时内事件“login”恰好 2 次"
    )]
    public async Task A_rule_is_told_in_words(string rule, string english, string chinese)
    {
        await _bank.PutAsync("new", """{"tag": "new"}""");

        var segment = (await _bank.PutAsync("asked", rule)).Segment;

        Assert.Equal(english, segment.Describe(RuleLanguage.English));
        Assert.Equal(chinese, segment.Describe(RuleLanguage.Chinese));
    }

    [Fact]
    public async Task What_is_stored_is_read_back_as_it_was()
    {
        var random = new RandomBank(23);
        for (var i = 0; i < 100; i++)
        {
            var first = await _bank.PutAsync("asked", random.Rule(4).ToJsonString());
            var again = await _bank.PutAsync("asked", first.Segment.Rule!.Value.GetRawText());

            Assert.False(again.Changed);
            Assert.NotEmpty(again.Segment.Describe(RuleLanguage.English)!);
            Assert.NotEmpty(again.Segment.Describe(RuleLanguage.Chinese)!);
        }
    }
}
