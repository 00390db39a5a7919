using System.Text.Json.Nodes;
using Campaigns.Results;

namespace Campaigns.Tests.Segments;

public sealed class RuleRefusalTests(SharedBank shared) : IClassFixture<SharedBank>
{
    private readonly Bank _bank = shared.Bank;

    [Theory]
    [InlineData("""{"field": "id) OR 1=1", "op": "eq", "value": 1}""", "unknown-rule-field", "rule.field")]
    [InlineData("""{"not": {"field": "Balance", "op": "isSet"}}""", "unknown-rule-field", "rule.not.field")]
    [InlineData("""{"field": "job", "op": "regex", "value": ".*"}""", "unsupported-operator", "rule.op")]
    [InlineData("""{"field": "job", "op": "lt", "value": "m"}""", "unsupported-operator", "rule.op")]
    [InlineData("""{"field": "housing", "op": "in", "value": [true]}""", "unsupported-operator", "rule.op")]
    [InlineData("""{"field": "balance", "op": "contains", "value": "1"}""", "unsupported-operator", "rule.op")]
    [InlineData("""{"event": "a", "sum": "amount", "op": "ne", "value": 1}""", "unsupported-operator", "rule.op")]
    [InlineData("""{"all": []}""", "empty-rule", "rule.all")]
    [InlineData("""{"any": [{"all": []}]}""", "empty-rule", "rule.any[0].all")]
    [InlineData("{}", "empty-rule", "rule")]
    [InlineData("""{"segment": "nobody-knows"}""", "unknown-segment", "rule.segment")]
    public async Task A_rule_that_cannot_be_meant_is_422(string rule, string type, string path) =>
        await RefusedAsync(rule, ErrorKind.Invalid, type, path);

    [Theory]
    [InlineData("[]", "rule")]
    [InlineData("\"vip\"", "rule")]
    [InlineData("""{"all": {"tag": "vip"}}""", "rule.all")]
    [InlineData("""{"all": [null]}""", "rule.all[0]")]
    [InlineData("""{"tag": ""}""", "rule.tag")]
    [InlineData("""{"tag": 1}""", "rule.tag")]
    [InlineData("""{"tag": "a\u0000b"}""", "rule.tag")]
    [InlineData("""{"tag": "\ud800"}""", "rule.tag")]
    [InlineData("""{"tag": "vip", "any": [{"tag": "vip"}]}""", "rule")]
    [InlineData("""{"value": 1}""", "rule")]
    [InlineData("""{"field": "balance", "value": 1}""", "rule.op")]
    [InlineData("""{"field": "balance", "op": "gte"}""", "rule.value")]
    [InlineData("""{"field": "balance", "op": "gte", "value": "1"}""", "rule.value")]
    [InlineData("""{"field": "balance", "op": "gte", "value": 1e400}""", "rule.value")]
    [InlineData("""{"field": "balance", "op": "gte", "value": 1000000000000001}""", "rule.value")]
    [InlineData("""{"field": "balance", "op": "gte", "value": 0.0000001}""", "rule.value")]
    [InlineData("""{"field": "balance", "op": "between", "value": [1]}""", "rule.value")]
    [InlineData("""{"field": "balance", "op": "between", "value": [1, null]}""", "rule.value[1]")]
    [InlineData("""{"field": "balance", "op": "in", "value": []}""", "rule.value")]
    [InlineData("""{"field": "balance", "op": "isSet", "value": 1}""", "rule.value")]
    [InlineData("""{"field": "housing", "op": "eq", "value": "true"}""", "rule.value")]
    [InlineData("""{"field": "city", "op": "eq", "value": "Paris"}""", "rule.value")]
    [InlineData("""{"field": "opened_on", "op": "eq", "value": "2025-02-29"}""", "rule.value")]
    [InlineData("""{"field": "opened_on", "op": "eq", "value": "today - 3d"}""", "rule.value")]
    [InlineData("""{"field": "opened_on", "op": "birthday", "value": 366}""", "rule.value")]
    [InlineData("""{"segment": "Not An Id"}""", "rule.segment")]
    [InlineData("""{"event": "a", "atLeast": 0}""", "rule.atLeast")]
    [InlineData("""{"event": "a", "atLeast": 3, "atMost": 2}""", "rule.atMost")]
    [InlineData("""{"event": "a", "never": false}""", "rule.never")]
    [InlineData("""{"event": "a", "never": true, "atLeast": 1}""", "rule")]
    [InlineData("""{"event": "a", "within": "7 days"}""", "rule.within")]
    [InlineData("""{"event": "a", "within": "P0D"}""", "rule.within")]
    [InlineData("""{"event": "a", "within": "P101Y"}""", "rule.within")]
    [InlineData("""{"event": "a", "within": "P-1D"}""", "rule.within")]
    [InlineData("""{"event": "a", "lastBefore": "P7D", "within": "P7D"}""", "rule.within")]
    [InlineData("""{"event": "a", "where": {}}""", "rule.where")]
    [InlineData("""{"event": "a", "where": "spring"}""", "rule.where")]
    [InlineData("""{"event": "a", "where": {"campaign": null}}""", "rule.where.campaign")]
    [InlineData("""{"event": "a", "where": {"campaign": ["spring"]}}""", "rule.where.campaign")]
    [InlineData("""{"event": "a", "where": {"n": 0.0000001}}""", "rule.where.n")]
    [InlineData(
        """{"event": "a", "where": {"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1}}""",
        "rule.where"
    )]
    [InlineData("""{"event": "a", "sum": "attributes", "op": "gt", "value": 1}""", "rule.sum")]
    [InlineData("""{"event": "a", "op": "gt", "value": 1}""", "rule.sum")]
    public async Task A_rule_of_the_wrong_form_is_400(string rule, string path) =>
        await RefusedAsync(rule, ErrorKind.Malformed, "validation-failed", path);

    [Theory]
    [InlineData("""{"tag": "vip", "color": "red"}""", "rule.color")]
    [InlineData("""{"field": "job", "op": "eq", "value": "x", "regex": ".*"}""", "rule.regex")]
    public async Task A_member_that_does_not_belong_is_400(string rule, string path) =>
        await RefusedAsync(rule, ErrorKind.Malformed, "unknown-field", path);

    [Fact]
    public async Task Everything_wrong_is_reported_at_once()
    {
        var error = (
            await _bank.TryPutAsync(
                "x",
                """
                {"all": [
                    {"field": "nope", "op": "eq", "value": 1},
                    {"field": "balance", "op": "eq", "value": "1"},
                    {"any": [{"field": "job", "op": "regex", "value": "x"}, {"tag": ""}]}
                ]}
                """
            )
        ).Error!;

        Assert.Equal("validation-failed", error.Type);
        Assert.Equal(
            ["rule.all[0].field", "rule.all[1].value", "rule.all[2].any[0].op", "rule.all[2].any[1].tag"],
            error.Fields.Select(field => field.Path)
        );
    }

    [Theory]
    [InlineData(8, true)]
    [InlineData(9, false)]
    public async Task A_rule_has_at_most_eight_levels(int depth, bool accepted)
    {
        var rule = Tag();
        for (var level = 1; level < depth; level++)
        {
            rule = new JsonObject { ["not"] = rule };
        }

        await AcceptedAsync(rule, accepted);
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(201, false)]
    [InlineData(20_000, false)]
    public async Task A_rule_has_at_most_200_nodes(int nodes, bool accepted) =>
        await AcceptedAsync(
            new JsonObject { ["all"] = new JsonArray([.. Enumerable.Range(1, nodes - 1).Select(_ => Tag())]) },
            accepted
        );

    [Fact]
    public async Task Segments_that_name_segments_are_bounded_in_all()
    {
        var big = new JsonArray([.. Enumerable.Range(1, 199).Select(_ => Tag())]);
        await _bank.PutAsync("big", new JsonObject { ["any"] = big }.ToJsonString());
        await AcceptedAsync(Named("big", 4), true);
        await AcceptedAsync(Named("big", 5), false);

        await _bank.PutAsync(
            "deep0",
            """{"not": {"not": {"not": {"not": {"not": {"not": {"not": {"tag": "a"}}}}}}}}"""
        );
        for (var i = 1; i <= 3; i++)
        {
            await _bank.PutAsync(
                $"deep{i}",
                Enumerable
                    .Range(0, 7)
                    .Aggregate($$"""{"segment": "deep{{i - 1}}"}""", (rule, _) => $$"""{"not": {{rule}} }""")
            );
        }

        Assert.Equal(
            "rule-too-complex",
            (await _bank.TryPutAsync("deep4", """{"not": {"not": {"not": {"not": {"segment": "deep3"}}}}}"""))
                .Error
                ?.Type
        );
    }

    [Fact]
    public async Task A_text_is_taken_literally()
    {
        await _bank.AddAsync([new BankCustomer("C2") { Attributes = { ["job"] = "'; DROP TABLE x--" } }]);

        Assert.Equal(["C2"], await _bank.WhoAsync("""{"field": "job", "op": "eq", "value": "'; DROP TABLE x--"}"""));
    }

    private static JsonObject Tag() => new() { ["tag"] = "a" };

    private static JsonObject Named(string id, int times) =>
        new()
        {
            ["any"] = new JsonArray([.. Enumerable.Range(1, times).Select(_ => new JsonObject { ["segment"] = id })]),
        };

    private async Task AcceptedAsync(JsonObject rule, bool accepted)
    {
        var error = (await _bank.TryPutAsync("x", rule.ToJsonString())).Error;
        Assert.Equal(accepted ? null : "rule-too-complex", error?.Type);
        Assert.Equal(accepted ? 0 : 1, error?.Fields.Count ?? 0);
    }

    private async Task RefusedAsync(string rule, ErrorKind kind, string type, string path)
    {
        var error = (await _bank.TryPutAsync("refused", rule)).Error;
        Assert.NotNull(error);
        Assert.Equal((kind, type), (error.Kind, error.Type));
        Assert.Equal(path, Assert.Single(error.Fields).Path);
        Assert.Equal("not-found", (await _bank.Segments.GetAsync("refused", null, CancellationToken.None)).Error?.Type);
    }
}
