using System.Text.Json;
using System.Text.Json.Nodes;
using Campaigns.Segments;
using Campaigns.Tests.Support;
using FsCheck;
using FsCheck.Fluent;

namespace Campaigns.Tests.Segments;

public sealed class RuleAgainstNaiveTests
{
    [Fact]
    public async Task Any_rule_finds_whom_the_naive_evaluator_finds_in_any_bank()
    {
        for (var seed = 1; seed <= 4; seed++)
        {
            var random = new RandomBank(seed);
            var customers = random.Customers(120).ToArray();
            await using var bank = await Bank.OpenAsync(customers);
            var segments = await NamedAsync(bank, random);
            var naive = new NaiveRule(Bank.AsOf, segments);
            var found = 0;
            Seeded.ForAll(
                Gen.Choose(0, int.MaxValue).Select(drawn => new RandomBank(drawn).Rule(4, "inner", "outer")),
                150,
                rule =>
                {
                    var json = Bank.Json(rule.ToJsonString());
                    var expected = customers.Where(one => naive.IsMember(json, one)).Select(one => one.Id).ToArray();
                    var actual = bank.WhoAsync(rule.ToJsonString()).GetAwaiter().GetResult();

                    Assert.Equal(expected, actual);
                    found += actual.Length;
                }
            );
            Assert.True(found > 1_000, $"only {found} members in all");
        }
    }

    [Fact]
    public async Task Not_is_the_exact_complement_of_every_test()
    {
        var random = new RandomBank(7);
        await using var bank = await Bank.OpenAsync([
            .. random.Customers(80).Select(one => one with { SensitiveConsent = true }),
        ]);
        var all = await bank.WhoAsync("""{"any": [{"tag": "vip"}, {"not": {"tag": "vip"}}]}""");

        Seeded.ForAll(
            Gen.Choose(0, int.MaxValue).Select(drawn => new RandomBank(drawn).Rule(1)),
            150,
            rule =>
            {
                var members = bank.WhoAsync(rule.ToJsonString()).GetAwaiter().GetResult();
                var others = bank.WhoAsync(new JsonObject { ["not"] = rule.DeepClone() }.ToJsonString())
                    .GetAwaiter()
                    .GetResult();

                Assert.Equal(all, all.Where(id => members.Contains(id) != others.Contains(id)));
            }
        );
    }

    [Fact]
    public async Task A_condition_is_never_null_wherever_it_stands()
    {
        var random = new RandomBank(11);
        await using var bank = await Bank.OpenAsync([.. random.Customers(40)]);
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        for (var i = 0; i < 60; i++)
        {
            await bank.PutAsync("asked", random.Rule(3).ToJsonString());
            var compiled = await bank.Segments.CompileAsync(connection, [new("asked")], "p", CancellationToken.None);

            Assert.Empty(await Bank.MembersAsync(connection, compiled.Value, $"({compiled.Value.Condition}) IS NULL"));
        }
    }

    [Fact]
    public async Task A_union_has_the_members_of_each()
    {
        var random = new RandomBank(13);
        var customers = random.Customers(60).ToArray();
        await using var bank = await Bank.OpenAsync(customers);
        var segments = await NamedAsync(bank, random);
        var naive = new NaiveRule(Bank.AsOf, segments);

        Assert.Equal(
            customers.Where(one => segments.Values.Any(rule => naive.IsMember(rule, one))).Select(one => one.Id),
            await bank.MembersAsync(new("inner"), new("outer"))
        );
        Assert.Empty(await bank.MembersAsync());
    }

    private static async Task<Dictionary<string, JsonElement>> NamedAsync(Bank bank, RandomBank random)
    {
        var inner = random.Rule(3).ToJsonString();
        var outer = new JsonObject
        {
            ["any"] = new JsonArray(new JsonObject { ["segment"] = "inner" }, random.Rule(3)),
        }.ToJsonString();
        await bank.PutAsync("inner", inner);
        await bank.PutAsync("outer", outer);
        return new() { ["inner"] = Bank.Json(inner), ["outer"] = Bank.Json(outer) };
    }
}
