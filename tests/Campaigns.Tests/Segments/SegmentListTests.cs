using System.Text;
using Campaigns.Results;
using Campaigns.Segments;
using Dapper;

namespace Campaigns.Tests.Segments;

public sealed class SegmentListTests : IAsyncLifetime
{
    private Bank _bank = null!;

    public async Task InitializeAsync() =>
        _bank = await Bank.OpenAsync([
            .. Enumerable.Range(1, 9).Select(i => new BankCustomer($"C{i}")),
            new BankCustomer("stub") { Stub = true },
        ]);

    public async Task DisposeAsync() => await _bank.DisposeAsync();

    [Fact]
    public async Task A_list_reports_repeats_unknown_ids_and_wrong_lines()
    {
        var list = await UploadAsync($"C3\r\nC1\n\nC3\nnobody\n{new string('x', 65)}\nstub\n  C2 \nnobody");

        Assert.Equal((3, 2, 2, 1), (list.Members, list.Repeated, list.Unknown, list.Wrong));
        Assert.Equal([5, 6, 7], list.Faults.Select(fault => fault.Line));
        Assert.Equal(["C1", "C2", "C3"], await _bank.MembersAsync(new SegmentReference("list")));
        await using var connection = await _bank.DataSource.OpenConnectionAsync();
        Assert.Equal(10, await connection.ExecuteScalarAsync<int>("SELECT count(*)::int FROM customer"));
    }

    [Fact]
    public async Task Json_lines_name_the_customer_as_text_or_as_an_object()
    {
        var list = await UploadAsync(
            """
            "C1"
            {"customerId": "C2"}
            {"customerId": "C3", "phone": "13812345678"}
            C4
            {"customerId": 5}
            "C6" "C7"
            """,
            ListFormat.JsonLines
        );

        Assert.Equal((2, 4), (list.Members, list.Wrong));
        Assert.Equal(["C1", "C2"], await _bank.MembersAsync(new SegmentReference("list")));
        Assert.DoesNotContain(list.Faults, fault => fault.Detail.Contains("138", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_byte_order_mark_is_fine_and_what_is_not_utf8_is_reported()
    {
        var list = await UploadAsync([0xEF, 0xBB, 0xBF, .. "C1\n"u8, 0xC3, 0x28, .. "\nC2"u8]);

        Assert.Equal((2, 1), (list.Members, list.Wrong));
        Assert.Equal(2, Assert.Single(list.Faults).Line);
    }

    [Fact]
    public async Task A_line_without_end_is_one_wrong_line_and_never_held()
    {
        var list = await UploadAsync(Encoding.UTF8.GetBytes($"C1\n{new string('y', 8_000_000)}\nC2"));

        Assert.Equal((2, 1), (list.Members, list.Wrong));
    }

    [Fact]
    public async Task The_same_customers_again_make_no_version_and_others_do()
    {
        var first = await UploadAsync("C1\nC2");
        var same = await UploadAsync("C2\nC1\nC1\nnobody");
        var other = await UploadAsync("C2\nC3");

        Assert.Equal((true, true, 1), (first.Created, first.Changed, first.Segment.Version));
        Assert.Equal((false, false, 1), (same.Created, same.Changed, same.Segment.Version));
        Assert.Equal((false, true, 2), (other.Created, other.Changed, other.Segment.Version));
        Assert.Equal(["C1", "C2"], await _bank.MembersAsync(new SegmentReference("list", 1)));
        Assert.Equal(["C2", "C3"], await _bank.MembersAsync(new SegmentReference("list")));
    }

    [Fact]
    public async Task A_list_is_named_by_rules_and_can_be_renamed()
    {
        await UploadAsync("C1\nC2\nC3");
        await _bank.PutAsync("others", """{"not": {"segment": "list"}}""");
        var renamed = await _bank.Segments.PutAsync(
            Bank.Marketer,
            "list",
            new SegmentDraft("Key customers", null),
            null,
            CancellationToken.None
        );
        await UploadAsync("C1");

        Assert.Equal(("Key customers", 3), (renamed.Value.Segment.Name, renamed.Value.Segment.ListSize));
        Assert.Equal(8, (await _bank.MembersAsync(new SegmentReference("others"))).Length);
        Assert.Equal(6, (await _bank.MembersAsync(new SegmentReference("others", 1))).Length);
    }

    [Fact]
    public async Task A_list_counts_as_profiling()
    {
        await UploadAsync("C1");
        await using var connection = await _bank.DataSource.OpenConnectionAsync();

        var compiled = await _bank.Segments.CompileAsync(connection, [new("list")], "p", CancellationToken.None);

        Assert.True(compiled.Value.UsesProfiling);
    }

    [Fact]
    public async Task A_segment_with_a_rule_takes_no_list_and_a_new_one_needs_a_rule()
    {
        await _bank.PutAsync("list", """{"tag": "vip"}""");

        var upload = await TryUploadAsync("C1"u8.ToArray(), ListFormat.PlainText);
        var empty = await _bank.Segments.PutAsync(
            Bank.Marketer,
            "new",
            new SegmentDraft("n", null),
            null,
            CancellationToken.None
        );

        Assert.Equal((ErrorKind.Conflict, "invalid-state"), (upload.Error!.Kind, upload.Error.Type));
        Assert.Equal("rule", Assert.Single(empty.Error!.Fields).Path);
    }

    [Fact]
    public async Task A_million_lines_are_taken_and_one_more_is_not()
    {
        await _bank.ExecuteAsync(
            """
            INSERT INTO customer (customer_id, updated_at) SELECT 'M' || i, now() FROM generate_series(1, 200000) i;
            INSERT INTO contact (customer_key) SELECT customer_key FROM customer WHERE customer_id LIKE 'M%'
            """
        );
        var million = new StringBuilder();
        for (var i = 0; i < 1_000_000; i++)
        {
            million.Append('M').Append(1 + (i % 400_000)).Append('\n');
        }

        var list = await UploadAsync(million.ToString());
        var more = await TryUploadAsync(Encoding.UTF8.GetBytes(million + "M1"), ListFormat.PlainText);

        Assert.Equal((200_000, 600_000, 200_000), (list.Members, list.Repeated, list.Unknown));
        Assert.Equal(100, list.Faults.Count);
        Assert.Equal((ErrorKind.TooLarge, "list-too-large"), (more.Error!.Kind, more.Error.Type));
        var count = await _bank.Members.CountAsync("list", null, null, CancellationToken.None);
        Assert.Equal(200_000, count.Value.Count);
    }

    private Task<ListUploaded> UploadAsync(string lines, ListFormat format = ListFormat.PlainText) =>
        UploadAsync(Encoding.UTF8.GetBytes(lines), format);

    private async Task<ListUploaded> UploadAsync(byte[] lines, ListFormat format = ListFormat.PlainText) =>
        (await TryUploadAsync(lines, format)).Value;

    private Task<Result<ListUploaded>> TryUploadAsync(byte[] lines, ListFormat format) =>
        _bank.Segments.UploadAsync(
            Bank.Marketer,
            "list",
            null,
            new MemoryStream(lines),
            format,
            null,
            CancellationToken.None
        );
}
