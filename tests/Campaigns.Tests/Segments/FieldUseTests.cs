using Campaigns.Customers;
using Campaigns.Segments;

namespace Campaigns.Tests.Segments;

public sealed class FieldUseTests : IAsyncLifetime
{
    private Bank _bank = null!;
    private Fields _fields = null!;

    public async Task InitializeAsync()
    {
        _bank = await Bank.OpenAsync();
        _fields = new Fields(_bank.DataSource, [SegmentStore.WhyFieldMustStayAsync]);
        await _bank.PutAsync(
            "a",
            """{"all": [{"field": "balance", "op": "isSet"}, {"field": "city", "op": "eq", "value": "Beijing"}]}"""
        );
        await _bank.PutAsync("a", """{"field": "job", "op": "isSet"}""");
    }

    public async Task DisposeAsync() => await _bank.DisposeAsync();

    [Fact]
    public async Task A_field_that_any_version_of_a_segment_names_keeps_its_type()
    {
        Assert.Equal("field-in-use", await RefusedAsync(new Field("balance", FieldType.Text)));
        Assert.Equal("field-in-use", await RefusedAsync(new Field("job", FieldType.Boolean)));
        Assert.Null(await RefusedAsync(new Field("score", FieldType.Text)));
        Assert.Null(await RefusedAsync(new Field("balance", FieldType.Number) { Sensitive = true }));
    }

    [Fact]
    public async Task An_option_stays_while_a_rule_has_it()
    {
        Assert.Equal("field-in-use", await RefusedAsync(City("Shanghai", "成都")));
        Assert.Null(await RefusedAsync(City("Beijing", "Shenzhen")));
    }

    private static Field City(params string[] options) => new("city", FieldType.Enum) { Options = options };

    private async Task<string?> RefusedAsync(Field field) =>
        (await _fields.PutAsync(Bank.Marketer, field, CancellationToken.None)).Error?.Type;
}
