using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Campaigns.Access;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Segments;

public sealed class SegmentEndpointTests(SegmentEndpointTests.Api api) : IClassFixture<SegmentEndpointTests.Api>
{
    private HttpClient Marketer => api.Host.As(Role.Marketer);

    [Fact]
    public async Task A_segment_is_made_changed_under_its_version_and_read_in_two_languages()
    {
        var made = await PutAsync("story", """{"name": "Story", "rule": {"tag": "vip"}}""");
        var same = await PutAsync("story", """{"name": "Story", "rule": {"tag": "vip"}}""");
        var stale = await PutAsync("story", """{"name": "Story", "rule": {"tag": "a"}}""", ifMatch: "\"7\"");
        var changed = await PutAsync("story", """{"name": "Story", "rule": {"tag": "a"}}""", ifMatch: "\"1\"");

        Assert.Equal((HttpStatusCode.Created, "\"1\""), (made.StatusCode, made.Headers.ETag?.Tag));
        Assert.Equal("/v1/segments/story", made.Headers.Location?.ToString());
        Assert.Equal((HttpStatusCode.OK, "\"1\""), (same.StatusCode, same.Headers.ETag?.Tag));
        Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
        Assert.Equal((HttpStatusCode.OK, "\"2\""), (changed.StatusCode, changed.Headers.ETag?.Tag));
        Assert.Equal("has tag \"a\"", await DescriptionAsync("story", "de, en;q=0.5"));
        Assert.Equal("有标签“a”", await DescriptionAsync("story", "en;q=0.5, zh-CN"));
        Assert.Equal("has tag \"vip\"", await DescriptionAsync("story?version=1", "en"));
    }

    [Theory]
    [InlineData("""{"field": "job", "op": "eq", "value": "'; DROP TABLE x--"}""", 201, null)]
    [InlineData("""{"field": "id) OR 1=1", "op": "eq", "value": 1}""", 422, "unknown-rule-field")]
    [InlineData("""{"field": "job", "op": "regex", "value": ".*"}""", 422, "unsupported-operator")]
    [InlineData("""{"field": "balance", "op": "eq", "value": "1"}""", 400, "validation-failed")]
    [InlineData("""{"field": "balance", "op": "eq", "value": 1e400}""", 400, "validation-failed")]
    [InlineData("""{"tag": "a\u0000b"}""", 400, "validation-failed")]
    [InlineData("""{"tag": "\ud800"}""", 400, "validation-failed")]
    [InlineData("""{"tag": "a", "tag": "b"}""", 400, "malformed-json")]
    [InlineData("""{"all": []}""", 422, "empty-rule")]
    public async Task A_rule_is_taken_literally_or_refused_with_its_reason(string rule, int status, string? type)
    {
        var id = $"bad-{Guid.NewGuid():n}";
        var answer = await PutAsync(id, $$"""{"name": "x", "rule": {{rule}}}""");

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(type, type is null ? null : await TypeAsync(answer));
    }

    [Theory]
    [InlineData(8, 200, 201, null)]
    [InlineData(9, 9, 422, "rule-too-complex")]
    [InlineData(2, 201, 422, "rule-too-complex")]
    [InlineData(70, 70, 400, "malformed-json")]
    public async Task A_rule_is_bounded(int depth, int nodes, int status, string? type)
    {
        var tags = string.Join(',', Enumerable.Repeat("""{"tag": "a"}""", nodes - depth + 1));
        var rule = Enumerable
            .Range(0, depth - 2)
            .Aggregate($$"""{"all": [{{tags}}]}""", (inner, _) => $$"""{"not": {{inner}} }""");
        var answer = await PutAsync($"deep-{Guid.NewGuid():n}", $$"""{"name": "x", "rule": {{rule}} }""");

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(type, type is null ? null : await TypeAsync(answer));
    }

    [Fact]
    public async Task A_list_is_uploaded_counted_sampled_and_explained()
    {
        var upload = await UploadAsync("picked", "C1\nC2\nC2\nnobody", "text/plain");
        var lines = await UploadAsync("picked", "\"C2\"\n{\"customerId\": \"C3\"}", "application/x-ndjson");

        var first = await upload.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(
            (2, 1, 1, "is the id of no customer"),
            (
                first.GetProperty("members").GetInt32(),
                first.GetProperty("repeated").GetInt32(),
                first.GetProperty("unknown").GetInt32(),
                first.GetProperty("faults")[0].GetProperty("detail").GetString()
            )
        );
        Assert.Equal("\"2\"", lines.Headers.ETag?.Tag);
        Assert.Equal(2, (await GetAsync("picked/count")).GetProperty("count").GetInt32());
        Assert.Equal(
            "2026-03-02T10:00:00+08:00",
            (await GetAsync("picked/count?asOf=2026-03-02T10:00:00%2B08:00")).GetProperty("asOf").GetString()
        );
        Assert.Equal(
            "C2",
            (await GetAsync("picked/members?limit=1")).GetProperty("customerIds").EnumerateArray().Single().GetString()
        );
        var explained = await GetAsync("picked/customers/C1/explain");
        Assert.False(explained.GetProperty("isMember").GetBoolean());
    }

    [Fact]
    public async Task A_segment_asks_for_what_was_done_with_one_campaigns_messages()
    {
        var backend = api.Host.As(Role.Backend);
        object Engagement(string campaignId, string customerId, string kind) =>
            new
            {
                source = "mobile-bank",
                id = $"{campaignId}-{customerId}-{kind}",
                campaignId,
                customerId,
                kind,
                occurredAt = DateTimeOffset.UtcNow.AddHours(-1),
            };
        var engagements = new[]
        {
            Engagement("spring", "C1", "opened"),
            Engagement("spring", "C1", "clicked"),
            Engagement("autumn", "C2", "opened"),
            Engagement("spring", "C3", "dismissed"),
        };
        await backend.PostAsync("/v1/engagements", new { engagements }).ReadAsync<JsonElement>();
        var bought = new
        {
            source = "core-bank",
            id = "1",
            customerId = "C3",
            name = "deposit.opened",
            occurredAt = DateTimeOffset.UtcNow.AddHours(-1),
            attributes = new { product = "gold" },
        };
        await backend.PostAsync("/v1/conversions", new { conversions = new[] { bought } }).ReadAsync<JsonElement>();

        Assert.Equal("C1 C2", await MembersAsync("""{"event": "message.opened"}"""));
        Assert.Equal("C1", await MembersAsync("""{"event": "message.opened", "where": {"campaign": "spring"}}"""));
        Assert.Equal("C1", await MembersAsync("""{"event": "message.clicked", "where": {"campaign": "spring"}}"""));
        Assert.Equal(
            "C2 C3",
            await MembersAsync("""{"event": "message.opened", "where": {"campaign": "spring"}, "never": true}""")
        );
        Assert.Equal("C3", await MembersAsync("""{"event": "deposit.opened", "where": {"product": "gold"}}"""));
        Assert.Equal("", await MembersAsync("""{"event": "deposit.opened", "where": {"product": "iron"}}"""));
        await PutAsync(
            "way-back",
            """{"name": "x", "rule": {"event": "message.opened", "where": {"campaign": "spring"}}}"""
        );
        Assert.Equal(
            "event \"message.opened\" with campaign \"spring\" at least once",
            await DescriptionAsync("way-back", "en")
        );

        async Task<string> MembersAsync(string rule)
        {
            await PutAsync("way-back", $$"""{"name": "Way back", "rule": {{rule}}}""");
            var members = (await GetAsync("way-back/members?limit=10")).GetProperty("customerIds").EnumerateArray();
            return string.Join(' ', members.Select(id => id.GetString()));
        }
    }

    [Theory]
    [InlineData("vips/count?asOf=2026-03-02", 400, "validation-failed")]
    [InlineData("vips/count?asOf=2026-03-02T10:00:00", 400, "validation-failed")]
    [InlineData("vips/members?limit=0", 400, "validation-failed")]
    [InlineData("vips/members?limit=1001", 400, "validation-failed")]
    [InlineData("nobody/count", 404, "not-found")]
    [InlineData("nobody/customers/C1/explain", 404, "not-found")]
    [InlineData("vips/customers/stranger/explain", 404, "not-found")]
    public async Task What_cannot_be_answered_says_why(string path, int status, string type)
    {
        await UploadAsync("vips", "C1", "text/plain");
        var answer = await Marketer.GetAsync(new Uri($"/v1/segments/{path}", UriKind.Relative));

        Assert.Equal((status, type), ((int)answer.StatusCode, await TypeAsync(answer)));
    }

    [Fact]
    public async Task A_field_keeps_its_type_while_a_segment_names_it()
    {
        await Marketer.PutAsync("/v1/fields/branch", new { type = "text" }).ReadAsync<JsonElement>();
        await PutAsync("by-branch", """{"name": "x", "rule": {"field": "branch", "op": "isSet"}}""");

        await Marketer.PutAsync("/v1/fields/branch", new { type = "number" }).RefusedAsync(409, "field-in-use");
    }

    [Fact]
    public async Task Segments_are_listed_page_after_page()
    {
        foreach (var id in new[] { "zz-1", "zz-2", "zz-3" })
        {
            await PutAsync(id, """{"name": "Listed", "rule": {"tag": "vip"}}""");
        }

        var ids = new List<string>();
        string? cursor = null;
        do
        {
            var page = await GetAsync($"?limit=2{(cursor is null ? "" : $"&cursor={cursor}")}");
            ids.AddRange(
                page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("id").GetString()!)
            );
            cursor = page.TryGetProperty("next", out var next) ? next.GetString() : null;
        } while (cursor is not null);

        Assert.Equal(ids.Order(StringComparer.Ordinal), ids);
        Assert.Equal(["zz-1", "zz-2", "zz-3"], ids[^3..]);
    }

    [Fact]
    public async Task A_segment_is_archived_once_no_other_names_it_and_comes_back_with_its_history()
    {
        await PutAsync("named", """{"name": "Named", "rule": {"tag": "vip"}}""");
        await PutAsync("naming", """{"name": "Naming", "rule": {"not": {"segment": "named"}}}""");

        await ArchiveAsync("named").RefusedAsync(409, "segment-in-use");
        Assert.Equal(HttpStatusCode.NoContent, (await ArchiveAsync("naming")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await ArchiveAsync("named")).StatusCode);
        await ArchiveAsync("named").RefusedAsync(404, "not-found");
        await Marketer.GetAsync("/v1/segments/named").RefusedAsync(404, "not-found");
        var listed = (await GetAsync("?limit=200")).GetProperty("items").EnumerateArray();
        Assert.DoesNotContain("named", listed.Select(item => item.GetProperty("id").GetString()));
        Assert.Equal("has tag \"vip\"", await DescriptionAsync("named?version=1", "en"));
        var gone = await PutAsync("late", """{"name": "x", "rule": {"segment": "named"}}""");
        Assert.Equal("unknown-segment", await TypeAsync(gone));

        var back = await PutAsync("named", """{"name": "Named", "rule": {"tag": "vip"}}""");
        Assert.Equal((HttpStatusCode.Created, "\"2\""), (back.StatusCode, back.Headers.ETag?.Tag));
    }

    private Task<HttpResponseMessage> ArchiveAsync(string id) =>
        Marketer.PostAsync($"/v1/segments/{id}/archive", new { });

    [Fact]
    public async Task Only_marketers_draft_and_only_json_or_lists_are_taken()
    {
        var analyst = api.Host.As(Role.Analyst);
        var forbidden = await analyst.PutAsJsonAsync("/v1/segments/x", new { name = "x" });
        var partner = await api.Host.As(Role.Partner).GetAsync(new Uri("/v1/segments", UriKind.Relative));
        var csv = await UploadAsync("x", "C1", "text/csv");

        Assert.Equal(HttpStatusCode.Forbidden, forbidden.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, partner.StatusCode);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, csv.StatusCode);
    }

    private async Task<HttpResponseMessage> PutAsync(string id, string json, string? ifMatch = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/v1/segments/{id}")
        {
            Content = new StringContent(json, Encoding.UTF8, "application/json"),
        };
        if (ifMatch is not null)
        {
            request.Headers.IfMatch.Add(new EntityTagHeaderValue(ifMatch));
        }

        return await Marketer.SendAsync(request);
    }

    private Task<HttpResponseMessage> UploadAsync(string id, string lines, string type)
    {
        var content = new StringContent(lines, Encoding.UTF8, type);
        return Marketer.PostAsync(new Uri($"/v1/segments/{id}/members", UriKind.Relative), content);
    }

    private async Task<JsonElement> GetAsync(string path)
    {
        var separator = path.StartsWith('?') ? "" : "/";
        return await Marketer.GetFromJsonAsync<JsonElement>($"/v1/segments{separator}{path}");
    }

    private async Task<string?> DescriptionAsync(string path, string languages)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/segments/{path}");
        request.Headers.TryAddWithoutValidation("Accept-Language", languages);
        var answer = await Marketer.SendAsync(request);
        return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("description").GetString();
    }

    private static async Task<string?> TypeAsync(HttpResponseMessage answer) =>
        (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("type").GetString();

    public sealed class Api : IAsyncLifetime
    {
        public ApiHost Host { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            Host = await ApiHost.StartAsync();
            await using var connection = await Host.Database.DataSource.OpenConnectionAsync();
            await connection.ExecuteAsync(
                """
                INSERT INTO field (name, type, sensitive, profiling, updated_at)
                VALUES ('job', 'text', false, false, now()), ('balance', 'number', false, false, now());
                INSERT INTO customer (customer_id, updated_at) VALUES ('C1', now()), ('C2', now()), ('C3', now());
                INSERT INTO contact (customer_key) SELECT customer_key FROM customer
                """
            );
        }

        public async Task DisposeAsync() => await Host.DisposeAsync();
    }
}
