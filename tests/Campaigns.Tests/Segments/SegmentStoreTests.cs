using System.Text.Json.Nodes;
using Campaigns.Results;
using Campaigns.Segments;
using Dapper;

namespace Campaigns.Tests.Segments;

public sealed class SegmentStoreTests : IAsyncLifetime
{
    private const string Vip = """{"tag": "vip"}""";
    private Bank _bank = null!;

    public async Task InitializeAsync() => _bank = await Bank.OpenAsync();

    public async Task DisposeAsync() => await _bank.DisposeAsync();

    [Fact]
    public async Task A_change_makes_a_version_and_the_same_again_makes_none()
    {
        var first = await _bank.PutAsync("a", """{"field": "balance", "op": "gte", "value": 1000}""");
        var same = await _bank.PutAsync("a", """{"op":"gte","value":1000.00,"field":"balance"}""");
        var second = await _bank.PutAsync("a", """{"field": "balance", "op": "gt", "value": 1000}""");

        Assert.Equal((true, true, 1), (first.Created, first.Changed, first.Segment.Version));
        Assert.Equal((false, false, 1), (same.Created, same.Changed, same.Segment.Version));
        Assert.Equal((false, true, 2), (second.Created, second.Changed, second.Segment.Version));
        Assert.Equal(["created", "changed"], await ActionsAsync("a"));
    }

    [Fact]
    public async Task An_old_version_can_be_read_and_compiled()
    {
        await _bank.AddAsync([
            new BankCustomer("C1") { Tags = ["vip"] },
            new BankCustomer("C2") { Tags = ["payroll"] },
        ]);
        await _bank.PutAsync("a", Vip);
        await _bank.PutAsync("a", """{"tag": "payroll"}""");

        Assert.Equal(["C1"], await _bank.MembersAsync(new SegmentReference("a", 1)));
        Assert.Equal(["C2"], await _bank.MembersAsync(new SegmentReference("a")));
        Assert.Equal(
            """{"tag":"vip"}""",
            (await _bank.Segments.GetAsync("a", 1, CancellationToken.None)).Value.Rule?.GetRawText()
        );
        Assert.Equal("not-found", (await _bank.Segments.GetAsync("a", 3, CancellationToken.None)).Error?.Type);
    }

    [Theory]
    [InlineData("""{"event": "bought", "atLeast": 1}""", "C2 C3")]
    [InlineData("""{"event": "bought", "atLeast": 2}""", "C3")]
    [InlineData("""{"event": "bought", "never": true}""", "C1")]
    public async Task What_was_taken_back_and_what_took_it_back_have_not_happened(string rule, string members)
    {
        var day = Bank.AsOf.AddDays(-3);
        BankEvent[] two = [new("bought", day, 100), new("bought", day.AddDays(1), 100)];
        await _bank.AddAsync([
            new BankCustomer("C1") { Events = two },
            new BankCustomer("C2") { Events = [.. two, new("bought", day.AddDays(2), 100)] },
            new BankCustomer("C3") { Events = two },
        ]);
        // The second of C1 and C2 takes back their first.
        await _bank.ExecuteAsync(
            """
            INSERT INTO reversal (customer_key, event_source, event_id, recorded_at)
            SELECT customer_key, event_source, event_id, now()
            FROM event JOIN customer USING (customer_key)
            WHERE customer_id IN ('C1', 'C2') AND occurred_at = @day;
            UPDATE event e SET attributes = jsonb_build_object('reverses', v.event_id)
            FROM reversal v
            WHERE v.customer_key = e.customer_key AND e.occurred_at = @day + interval '1 day'
            """,
            new { day = day.UtcDateTime }
        );

        Assert.Equal(members.Split(' '), await _bank.WhoAsync(rule));
    }

    [Fact]
    public async Task A_caller_who_saw_another_version_changes_nothing()
    {
        await _bank.PutAsync("a", Vip);
        await _bank.PutAsync("a", """{"tag": "payroll"}""");

        var refused = await _bank.TryPutAsync("a", """{"tag": "other"}""", expectedVersion: 1);
        var absent = await _bank.TryPutAsync("b", Vip, expectedVersion: 1);
        var accepted = await _bank.TryPutAsync("a", """{"tag": "other"}""", expectedVersion: 2);

        Assert.Equal((ErrorKind.Precondition, "version-mismatch"), (refused.Error!.Kind, refused.Error.Type));
        Assert.Equal("version-mismatch", absent.Error?.Type);
        Assert.Equal(3, accepted.Value.Segment.Version);
    }

    [Fact]
    public async Task A_segment_follows_what_it_names_but_a_version_never_changes_its_meaning()
    {
        await _bank.AddAsync([
            new BankCustomer("C1") { Tags = ["vip"] },
            new BankCustomer("C2") { Tags = ["payroll"] },
        ]);
        await _bank.PutAsync("inner", Vip);
        await _bank.PutAsync("middle", """{"all": [{"segment": "inner"}]}""");
        await _bank.PutAsync("outer", """{"any": [{"segment": "middle"}, {"segment": "inner"}]}""");

        await _bank.PutAsync("inner", """{"tag": "payroll"}""");

        var outer = (await _bank.Segments.GetAsync("outer", null, CancellationToken.None)).Value;
        Assert.Equal(2, outer.Version);
        Assert.Equal([new("inner", 2), new("middle", 2)], outer.Uses);
        Assert.Equal(["C2"], await _bank.MembersAsync(new SegmentReference("outer")));
        Assert.Equal(["C1"], await _bank.MembersAsync(new SegmentReference("outer", 1)));
        Assert.Equal(["created", "followed"], await ActionsAsync("middle"));
    }

    [Fact]
    public async Task A_segment_cannot_name_itself_directly_or_through_another()
    {
        await _bank.PutAsync("a", Vip);
        await _bank.PutAsync("b", """{"segment": "a"}""");
        await _bank.PutAsync("c", """{"segment": "b"}""");

        foreach (var named in new[] { "a", "b", "c" })
        {
            var error = (await _bank.TryPutAsync("a", $$"""{"not": {"segment": "{{named}}"} }""")).Error!;
            Assert.Equal((ErrorKind.Invalid, "segment-cycle"), (error.Kind, error.Type));
            Assert.Equal("rule.not.segment", Assert.Single(error.Fields).Path);
        }

        var itself = (await _bank.TryPutAsync("new", """{"segment": "new"}""")).Error!;
        Assert.Equal("segment-cycle", itself.Type);
    }

    [Fact]
    public async Task A_change_that_makes_a_segment_above_too_complex_is_refused()
    {
        await _bank.PutAsync("inner", Vip);
        var many = Enumerable.Range(1, 9).Select(_ => new JsonObject { ["segment"] = "inner" });
        await _bank.PutAsync("outer", new JsonObject { ["any"] = new JsonArray([.. many]) }.ToJsonString());
        var big = new JsonArray([.. Enumerable.Range(1, 150).Select(_ => new JsonObject { ["tag"] = "vip" })]);

        var error = (await _bank.TryPutAsync("inner", new JsonObject { ["any"] = big }.ToJsonString())).Error!;

        Assert.Equal("rule-too-complex", error.Type);
        Assert.Contains("'outer'", error.Detail, StringComparison.Ordinal);
        Assert.Equal(1, (await _bank.Segments.GetAsync("inner", null, CancellationToken.None)).Value.Version);
    }

    [Fact]
    public async Task Changes_at_once_wait_for_each_other()
    {
        await _bank.PutAsync("a", Vip);
        await _bank.PutAsync("b", Vip);

        // Each is fine by itself; together they would be a circle.
        var both = await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(i =>
                    i % 2 == 0
                        ? _bank.TryPutAsync("a", """{"segment": "b"}""")
                        : _bank.TryPutAsync("b", """{"segment": "a"}""")
                )
        );

        Assert.Contains(both, one => one.Error?.Type == "segment-cycle");
        Assert.Contains(both, one => one.Error is null);
    }

    [Fact]
    public async Task Segments_are_listed_by_id()
    {
        foreach (var id in new[] { "c", "a-1", "b", "a0" })
        {
            await _bank.PutAsync(id, Vip);
        }

        var first = await _bank.Segments.ListAsync(null, 3, CancellationToken.None);
        var rest = await _bank.Segments.ListAsync(first[^1].SegmentId, 3, CancellationToken.None);

        Assert.Equal(["a-1", "a0", "b"], first.Select(segment => segment.SegmentId));
        Assert.Equal(["c"], rest.Select(segment => segment.SegmentId));
    }

    [Fact]
    public async Task The_audit_has_the_rule_in_words()
    {
        await _bank.PutAsync("a", """{"not": {"tag": "vip"}}""");

        await using var connection = await _bank.DataSource.OpenConnectionAsync();
        Assert.Equal(
            """marketer: not (has tag "vip")""",
            await connection.ExecuteScalarAsync<string>(
                "SELECT actor || ': ' || (detail->>'description') FROM audit WHERE subject_id = 'a'"
            )
        );
    }

    [Theory]
    [InlineData("UPPER", "n", "segmentId")]
    [InlineData("-x", "n", "segmentId")]
    [InlineData("a", "", "name")]
    [InlineData("a", "line\nbreak", "name")]
    public async Task An_id_or_a_name_of_the_wrong_form_is_400(string id, string name, string path)
    {
        var draft = new SegmentDraft(name, Bank.Json(Vip));
        var error = (await _bank.Segments.PutAsync(Bank.Marketer, id, draft, null, CancellationToken.None)).Error!;

        Assert.Equal("validation-failed", error.Type);
        Assert.Equal(path, Assert.Single(error.Fields).Path);
    }

    [Fact]
    public async Task Counting_and_sampling_know_version_and_instant()
    {
        await _bank.AddAsync([
            .. Enumerable
                .Range(1, 30)
                .Select(i => new BankCustomer($"C{i}")
                {
                    Tags = i <= 20 ? ["vip"] : [],
                    Events = [new BankEvent("login", Bank.AsOf.AddDays(-i))],
                }),
        ]);
        await _bank.PutAsync("a", Vip);
        await _bank.PutAsync("a", """{"event": "login", "within": "P10D"}""");

        async Task<long> CountAsync(int? version, DateTimeOffset asOf) =>
            (await _bank.Members.CountAsync("a", version, asOf, CancellationToken.None)).Value.Count;
        Assert.Equal(20, await CountAsync(1, Bank.AsOf));
        Assert.Equal(9, await CountAsync(null, Bank.AsOf)); // the tenth is exactly ten days ago, and no longer within
        Assert.Equal(10, await CountAsync(null, Bank.AsOf.AddMilliseconds(-1)));
        Assert.Equal(6, await CountAsync(null, Bank.AsOf.AddDays(-25))); // the 25th to the 30th
        Assert.Equal(
            ["C1", "C2", "C3"],
            (await _bank.Members.SampleAsync("a", 1, Bank.AsOf, 3, CancellationToken.None)).Value.CustomerIds
        );
        Assert.Equal(
            "not-found",
            (await _bank.Members.CountAsync("nobody", null, null, CancellationToken.None)).Error?.Type
        );
    }

    private async Task<string[]> ActionsAsync(string id)
    {
        await using var connection = await _bank.DataSource.OpenConnectionAsync();
        return
        [
            .. await connection.QueryAsync<string>(
                "SELECT action FROM audit WHERE subject_kind = 'segment' AND subject_id = @id ORDER BY seq",
                new { id }
            ),
        ];
    }
}
