using Campaigns.Customers;
using Campaigns.Results;
using Dapper;

namespace Campaigns.Tests.Customers;

public sealed class FieldTests
{
    [Fact]
    public async Task A_field_is_listed_as_declared()
    {
        await using var bank = await TestBank.OpenAsync();
        var field = new Field("tier", FieldType.Enum)
        {
            Options = ["gold", "银"],
            Sensitive = true,
            Profiling = true,
            Description = "客户等级",
        };
        await bank.Fields.PutAsync(TestBank.Backend, field, default);

        var shown = (await bank.Fields.GetAsync("tier", default)).Value;
        Assert.Equal(field.Options, shown.Options);
        Assert.Equal(field, shown with { Options = field.Options });
        Assert.Equal(["tier"], (await bank.Fields.ListAsync(default)).Select(f => f.Name));
    }

    [Theory]
    [InlineData("id) OR 1=1")]
    [InlineData("Balance")]
    [InlineData("")]
    [InlineData("a'b")]
    public async Task A_name_that_could_be_sql_is_refused(string name)
    {
        await using var bank = await TestBank.OpenAsync();
        var result = await bank.Fields.PutAsync(TestBank.Backend, new Field(name, FieldType.Text), default);
        Assert.Equal("name", Assert.Single(result.Error!.Fields).Path);
    }

    [Fact]
    public async Task Options_belong_to_an_enum_and_differ()
    {
        await using var bank = await TestBank.OpenAsync();
        foreach (
            var field in new[]
            {
                new Field("a", FieldType.Enum),
                new Field("a", FieldType.Text) { Options = ["x"] },
                new Field("a", FieldType.Enum) { Options = ["x", "x"] },
            }
        )
        {
            var result = await bank.Fields.PutAsync(TestBank.Backend, field, default);
            Assert.Equal("options", Assert.Single(result.Error!.Fields).Path);
        }
    }

    [Fact]
    public async Task A_type_changes_only_while_nobody_has_a_value()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.WithFieldAsync("age", FieldType.Text);
        await bank.WithFieldAsync("age", FieldType.Number);
        await bank.PutAsync("c-1", Given.Profile().With("age", 41));

        var result = await bank.Fields.PutAsync(TestBank.Backend, new Field("age", FieldType.Text), default);

        Assert.Equal((ErrorKind.Conflict, "field-in-use"), (result.Error!.Kind, result.Error.Type));
        await bank.PutAsync("c-1", Given.Profile());
        await bank.WithFieldAsync("age", FieldType.Text);
    }

    [Fact]
    public async Task An_option_goes_only_while_nobody_has_it()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.WithFieldAsync("tier", FieldType.Enum, "gold", "silver");
        await bank.PutAsync("c-1", Given.Profile().With("tier", "gold"));

        await bank.WithFieldAsync("tier", FieldType.Enum, "gold", "bronze");
        var less = new Field("tier", FieldType.Enum) { Options = ["bronze"] };
        Assert.Equal("field-in-use", (await bank.Fields.PutAsync(TestBank.Backend, less, default)).Error!.Type);
    }

    [Fact]
    public async Task The_planner_knows_how_values_are_spread()
    {
        await using var bank = await TestBank.OpenAsync();
        await bank.WithFieldAsync("age", FieldType.Text);
        await bank.WithFieldAsync("age", FieldType.Number);
        await bank.Customers.PutManyAsync(
            TestBank.Backend,
            [
                .. Enumerable
                    .Range(0, 1000)
                    .Select(n => new CustomerEntry($"c-{n}", Given.Profile().With("age", n % 100))),
            ],
            default
        );
        await using var connection = await bank.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("ANALYZE customer");

        var plan = await connection.QueryAsync<string>(
            "EXPLAIN SELECT * FROM customer AS c WHERE ((c.attributes->>'age')::numeric) >= 50"
        );

        var rows = int.Parse(
            plan.First().Split("rows=")[1].Split(' ')[0],
            System.Globalization.CultureInfo.InvariantCulture
        );
        Assert.InRange(rows, 450, 550);
    }
}
