using System.Text.Json.Nodes;
using Campaigns.Customers;
using Campaigns.Segments;
using Campaigns.Tests.Support;
using Dapper;
using FsCheck;
using FsCheck.Fluent;
using NodaTime;

namespace Campaigns.Tests.Segments;

public sealed class RuleCompilerTests
{
    private static readonly Dictionary<string, Field> Fields = new Field[]
    {
        new("balance", FieldType.Number),
        new("job", FieldType.Text),
    }.ToDictionary(field => field.Name);

    [Fact]
    public void The_text_of_values_never_changes_the_sql() =>
        Seeded.ForAll(
            Gen.ArrayOf(Texts(), 7),
            1_000,
            texts =>
            {
                var plain = Sql(Rule("a", "b", "c", "d", "e", "f", "g"));

                Assert.Equal(plain, Sql(Rule(texts)));
            }
        );

    [Fact]
    public void The_value_of_numbers_never_changes_the_sql() =>
        Seeded.ForAll(
            Gen.Choose(int.MinValue, int.MaxValue),
            500,
            number => Assert.Equal(Sql(Number(0)), Sql(Number(number)))
        );

    [Theory]
    [InlineData("2026-03-01T15:59:59Z", "2026-03-01")]
    [InlineData("2026-03-01T16:00:00Z", "2026-03-02")]
    public async Task Today_begins_at_midnight_in_shanghai(string asOf, string today)
    {
        await using var bank = await Bank.OpenAsync();
        await bank.PutAsync("today", """{"field": "opened_on", "op": "eq", "value": "today"}""");
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        var compiled = await bank.Segments.CompileAsync(connection, [new("today")], "p", CancellationToken.None);

        Assert.Equal(today, Assert.Single(compiled.Value.Parameters).Bind(DateTimeOffset.Parse(asOf)).Value);
    }

    [Theory]
    [InlineData("2026-02-28", 0, "02-28,02-29")]
    [InlineData("2024-02-28", 0, "02-28")]
    [InlineData("2024-02-28", 1, "02-28,02-29")]
    [InlineData("2026-02-27", 2, "02-27,02-28,02-29,03-01")]
    [InlineData("2025-12-31", 1, "12-31,01-01")]
    public void Who_was_born_on_29_February_has_the_birthday_on_the_28th_of_other_years(
        string today,
        int days,
        string expected
    )
    {
        var (year, month, day) = DateOnly.ParseExact(today, "yyyy-MM-dd");

        Assert.Equal(expected.Split(','), Birthdays.MonthDays(new LocalDate(year, month, day), days));
    }

    [Fact]
    public async Task Events_are_hashed_once_a_part_and_no_more_is_read_than_the_part_has()
    {
        await using var bank = await Bank.OpenAsync([.. new RandomBank(3).Customers(50)]);
        await bank.PutAsync(
            "asked",
            """{"any": [{"event": "login", "atLeast": 2, "within": "P30D"}, {"tag": "vip"}]}"""
        );
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        var rule = (await bank.Segments.CompileAsync(connection, [new("asked")], "p", CancellationToken.None)).Value;
        await using var command = new Npgsql.NpgsqlCommand(
            $"""
            EXPLAIN SELECT count(*) FROM customer c JOIN contact k USING (customer_key)
            WHERE c.customer_key >= @low AND c.customer_key < @high AND {rule.Condition}
            """,
            connection
        );
        command.Parameters.AddWithValue("as_of", Bank.AsOf.UtcDateTime);
        command.Parameters.AddWithValue("low", 1L);
        command.Parameters.AddWithValue("high", 50_000L);
        rule.Parameters.ToList().ForEach(parameter => command.Parameters.Add(parameter.Bind(Bank.AsOf)));
        await using var reader = await command.ExecuteReaderAsync();
        var plan = "";
        while (await reader.ReadAsync())
        {
            plan += reader.GetString(0) + "\n";
        }

        Assert.Contains("hashed SubPlan 1", plan, StringComparison.Ordinal);
        Assert.Contains("event_of_type", plan, StringComparison.Ordinal);
        Assert.Matches(@"customer_key >= '?1'?.*customer_key < '?50000'?", plan);
    }

    [Fact]
    public async Task A_sensitive_field_leaves_out_who_gave_no_consent_and_a_segment_that_names_it_too()
    {
        await using var bank = await Bank.OpenAsync(
            new BankCustomer("agreed") { Attributes = { ["income"] = 5m }, Tags = ["vip"] },
            new BankCustomer("silent")
            {
                Attributes = { ["income"] = 5m },
                Tags = ["vip"],
                SensitiveConsent = false,
            }
        );
        await bank.PutAsync("rich", """{"field": "income", "op": "gt", "value": 1}""");
        await bank.PutAsync("not-rich", """{"not": {"segment": "rich"}}""");
        await bank.PutAsync("vip", """{"tag": "vip"}""");
        await bank.PutAsync("vip-or-rich", """{"any": [{"tag": "vip"}, {"segment": "rich"}]}""");

        Assert.Equal(["agreed"], await bank.MembersAsync(new SegmentReference("rich")));
        Assert.Empty(await bank.MembersAsync(new SegmentReference("not-rich")));
        Assert.Equal(["agreed"], await bank.MembersAsync(new SegmentReference("vip-or-rich")));
        Assert.Equal(["agreed", "silent"], await bank.MembersAsync(new("vip"), new("rich")));
    }

    [Fact]
    public async Task A_compilation_says_what_it_uses()
    {
        await using var bank = await Bank.OpenAsync();
        await bank.PutAsync("plain", """{"field": "balance", "op": "isSet"}""");
        await bank.PutAsync(
            "scored",
            """{"all": [{"segment": "plain"}, {"field": "score", "op": "gt", "value": 1}]}"""
        );
        await bank.PutAsync("income", """{"all": [{"field": "income", "op": "gt", "value": 1}]}""");
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        async Task<CompiledRule> CompileAsync(string id) =>
            (await bank.Segments.CompileAsync(connection, [new(id)], "p", CancellationToken.None)).Value;

        var (plain, scored, income) = (
            await CompileAsync("plain"),
            await CompileAsync("scored"),
            await CompileAsync("income")
        );

        Assert.Equal((false, false), (plain.UsesSensitive, plain.UsesProfiling));
        Assert.Equal((false, true), (scored.UsesSensitive, scored.UsesProfiling));
        Assert.Equal((true, false), (income.UsesSensitive, income.UsesProfiling));
        Assert.Equal([new("plain", 1), new("scored", 1)], scored.Segments);
    }

    [Fact]
    public async Task Two_compilations_with_prefixes_of_their_own_fit_into_one_statement()
    {
        await using var bank = await Bank.OpenAsync(
            new BankCustomer("C1") { Tags = ["vip"] },
            new BankCustomer("C2") { Tags = ["vip", "payroll"] }
        );
        await bank.PutAsync("vip", """{"tag": "vip"}""");
        await bank.PutAsync("payroll", """{"tag": "payroll"}""");
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        var include = (await bank.Segments.CompileAsync(connection, [new("vip")], "in", CancellationToken.None)).Value;
        var exclude = (
            await bank.Segments.CompileAsync(connection, [new("payroll")], "ex", CancellationToken.None)
        ).Value;

        var both = include with { Parameters = [.. include.Parameters, .. exclude.Parameters] };
        Assert.Equal(
            ["C1"],
            await Bank.MembersAsync(connection, both, $"{include.Condition} AND NOT {exclude.Condition}")
        );
    }

    [Fact]
    public async Task A_field_that_changed_its_type_under_a_segment_makes_it_stale()
    {
        await using var bank = await Bank.OpenAsync();
        await bank.PutAsync("plain", """{"field": "balance", "op": "gt", "value": 1}""");
        await bank.ExecuteAsync("UPDATE field SET type = 'text' WHERE name = 'balance'");
        await using var connection = await bank.DataSource.OpenConnectionAsync();

        var compiled = await bank.Segments.CompileAsync(connection, [new("plain")], "p", CancellationToken.None);

        Assert.Equal("stale-segment", compiled.Error?.Type);
        Assert.Equal(["plain"], await bank.Segments.UsesFieldAsync("balance", CancellationToken.None));
        Assert.Empty(await bank.Segments.UsesFieldAsync("job", CancellationToken.None));
        Assert.Equal(0, await connection.ExecuteScalarAsync<int>("SELECT count(*)::int FROM customer"));
    }

    private static Gen<string> Texts() =>
        Gen.OneOf(
            Gen.Elements("'", "''", "\\", "'; DROP TABLE x--", "@p0", "@low", "$1", "{0}", ":x", "/*", "%", "\n", "😀"),
            ArbMap.Default.GeneratorFor<string>().Where(IsText)
        );

    private static bool IsText(string? text) =>
        text is { Length: > 0 and < 100 } && !text.Contains('\0') && !text.Any(char.IsSurrogate);

    private static JsonObject Rule(params string[] texts) =>
        new()
        {
            ["all"] = new JsonArray(
                new JsonObject { ["tag"] = texts[0] },
                new JsonObject
                {
                    ["field"] = "job",
                    ["op"] = "eq",
                    ["value"] = texts[1],
                },
                new JsonObject
                {
                    ["field"] = "job",
                    ["op"] = "contains",
                    ["value"] = texts[2],
                },
                new JsonObject
                {
                    ["field"] = "job",
                    ["op"] = "in",
                    ["value"] = new JsonArray(texts[3], texts[4]),
                },
                new JsonObject
                {
                    ["field"] = "job",
                    ["op"] = "ne",
                    ["value"] = texts[5],
                },
                new JsonObject { ["event"] = texts[6], ["atLeast"] = 2 }
            ),
        };

    private static JsonObject Number(int number) =>
        new()
        {
            ["any"] = new JsonArray(
                new JsonObject
                {
                    ["field"] = "balance",
                    ["op"] = "gte",
                    ["value"] = number,
                },
                new JsonObject
                {
                    ["field"] = "balance",
                    ["op"] = "between",
                    ["value"] = new JsonArray(number, number),
                }
            ),
        };

    private static string Sql(JsonObject json)
    {
        var rule = RuleReader.Read(Bank.Json(json.ToJsonString()), Fields).Value;
        var compiler = new RuleCompiler(
            "p",
            new Dictionary<SegmentReference, SegmentVersion>(),
            new Dictionary<string, short>(),
            DateTimeZone.Utc
        );
        return compiler.Sql(rule, new Dictionary<string, int>());
    }
}
