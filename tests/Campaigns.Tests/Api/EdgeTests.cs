using System.Net;
using System.Text;
using System.Text.Json;
using Campaigns.Access;
using Campaigns.Api.Auth;
using Campaigns.Api.Edge;
using Campaigns.Channels;
using Campaigns.Results;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;

namespace Campaigns.Tests.Api;

public sealed class EdgeTests(EdgeTests.Probes probes) : IClassFixture<EdgeTests.Probes>
{
    private readonly ApiHost _api = probes.Api;
    private readonly HttpClient _client = probes.Api.As(Role.Analyst);
    private readonly string _key = Guid.NewGuid().ToString("n");

    [Fact]
    public async Task A_good_body_is_read_as_written()
    {
        var text = """
            {"count":3,"name":"N'; DROP TABLE x--\\u0000 is a text","channel":"wechat","window":"P14D","at":"2026-03-02T08:00:00+08:00",
             "limits":{"sms":2},"lines":[{"from":"08:00","share":0.5}],"free":{"a":[1,"b"]}}
            """;
        var read = await _client.SendJsonAsync(HttpMethod.Post, "/v1/probe", text).ReadAsync<Probe>();
        Assert.Equal(3, read.Count);
        Assert.Equal(Channel.WeChat, read.Channel);
        Assert.Equal(TimeSpan.FromDays(14), read.Window);
        Assert.Equal(TimeSpan.FromHours(8), read.At.Offset);
        Assert.Equal(2, read.Limits[Channel.Sms]);
        Assert.Equal(new TimeOnly(8, 0), read.Lines[0].From);
        Assert.Contains("DROP TABLE", read.Name, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "malformed-json")]
    [InlineData("{\"count\":1", "malformed-json")]
    [InlineData("{\"count\":1,\"count\":2}", "malformed-json")]
    [InlineData("{\"lines\":[{\"share\":1,\"share\":2}]}", "malformed-json")]
    [InlineData("{\"count\":1,}", "malformed-json")]
    [InlineData("{\"count\":1 /* one */}", "malformed-json")]
    public async Task A_body_that_is_no_good_JSON_is_refused(string body, string type) =>
        await _client.SendJsonAsync(HttpMethod.Post, "/v1/probe", body).RefusedAsync(400, type);

    [Fact]
    public async Task Nesting_is_bounded()
    {
        var deep = "{\"free\":" + new string('[', 70) + new string(']', 70) + "}";
        await _client.SendJsonAsync(HttpMethod.Post, "/v1/probe", deep).RefusedAsync(400, "malformed-json");
    }

    [Theory]
    [InlineData("{}", "at,count,name,window")]
    [InlineData(Start + "\"count\":\"1\"}", "count")]
    [InlineData(Start + "\"count\":1e400}", "count")]
    [InlineData(Start + "\"count\":1.5}", "count")]
    [InlineData(Start + "\"count\":null}", "count")]
    [InlineData(Start + "\"count\":1,\"channel\":\"fax\"}", "channel")]
    [InlineData(Start + "\"count\":1,\"channel\":2}", "channel")]
    [InlineData(Start + "\"count\":1,\"limits\":{\"fax\":1}}", "limits.fax")]
    [InlineData(
        Start + "\"count\":1,\"lines\":[{\"from\":\"08:00\",\"share\":1e999},{\"from\":\"25:00\"}]}",
        "lines[0].share,lines[1].from"
    )]
    [InlineData(Start + "\"count\":1,\"lines\":{}}", "lines")]
    [InlineData(Start + "\"count\":1,\"lines\":[null]}", "lines[0]")]
    [InlineData(Start + "\"count\":1,\"note\":\"a\\u0000b\"}", "note")]
    [InlineData(Start + "\"count\":1,\"note\":\"\\ud800\"}", "note")]
    [InlineData(Start + "\"count\":1,\"free\":{\"a\":[\"\\u0000\"]}}", "free.a[0]")]
    [InlineData(Start + "\"count\":1,\"free\":{\"\\u0000\":1}}", "free")]
    [InlineData("{\"name\":\"n\",\"window\":\"P1M\",\"at\":\"2026-03-02T08:00:00\",\"count\":1}", "at,window")]
    [InlineData("[]", "")]
    [InlineData("null", "")]
    public async Task A_member_of_the_wrong_form_is_named_and_so_are_all_others(string body, string paths)
    {
        var problem = await _client
            .SendJsonAsync(HttpMethod.Post, "/v1/probe", body)
            .RefusedAsync(400, "validation-failed");
        Assert.Equal(
            paths,
            string.Join(',', problem.Errors.Select(error => error.Path).Distinct().Order(StringComparer.Ordinal))
        );
    }

    [Fact]
    public async Task A_member_that_is_not_taken_is_refused_by_name()
    {
        var problem = await _client
            .SendJsonAsync(HttpMethod.Post, "/v1/probe", Start + "\"count\":\"x\",\"status\":\"approved\",\"Name\":1}")
            .RefusedAsync(400, "unknown-field");
        Assert.Equal(["status", "Name", "count"], problem.Errors.Select(error => error.Path));
    }

    [Fact]
    public async Task A_body_that_is_not_JSON_at_all_is_refused()
    {
        var text = new StringContent("count=1", Encoding.UTF8, "text/plain");
        await _client.PostAsync("/v1/probe", text).RefusedAsync(415, "unsupported-media-type");
        var other = new StringContent(Start + "\"count\":1}", Encoding.Unicode, "application/json");
        await _client.PostAsync("/v1/probe", other).RefusedAsync(415, "unsupported-media-type");
    }

    [Fact]
    public async Task A_body_over_the_cap_is_refused()
    {
        var body = Start + $"\"count\":1,\"note\":\"{new string('x', 5 << 20)}\"}}";
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/probe")
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
            Headers = { ExpectContinue = true },
        };
        await _client.SendAsync(request).RefusedAsync(413, "payload-too-large");
    }

    [Fact]
    public async Task An_unknown_verb_and_an_unknown_address_are_refused()
    {
        var verb = new HttpRequestMessage(HttpMethod.Patch, "/v1/probe");
        await _client.SendAsync(verb).RefusedAsync(405, "method-not-allowed");
        await _client.GetAsync("/v1/nothing").RefusedAsync(404, "not-found");
        await _api.Anonymous.GetAsync("/v1/nothing").RefusedAsync(401, "unauthenticated");
    }

    [Fact]
    public async Task A_query_of_the_wrong_form_is_named()
    {
        var problem = await _client.GetAsync("/v1/probe/count?count=many").RefusedAsync(400, "validation-failed");
        Assert.Equal("count", Assert.Single(problem.Errors).Path);
        await _client.GetAsync("/v1/probe/count?count=1&name=%00").RefusedAsync(400, "validation-failed");
    }

    [Fact]
    public async Task An_unexpected_failure_tells_nothing_internal()
    {
        var problem = await _client.GetAsync("/v1/probe/fail").RefusedAsync(500, "internal");
        Assert.DoesNotContain("secret", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_says_when_to_come_back()
    {
        using var response = await _client.GetAsync("/v1/probe/busy");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(3), response.Headers.RetryAfter?.Delta);
    }

    [Fact]
    public async Task A_list_is_read_page_by_page()
    {
        var seen = new List<int>();
        string? next = null;
        do
        {
            var page = await _client
                .GetAsync($"/v1/probe/numbers?limit=3{(next is null ? "" : "&cursor=" + next)}")
                .ReadAsync<Page<int>>();
            seen.AddRange(page.Items);
            next = page.Next;
        } while (next is not null);

        Assert.Equal(Enumerable.Range(1, 10), seen);
    }

    [Theory]
    [InlineData("limit=1000000000", "validation-failed")]
    [InlineData("limit=-1", "validation-failed")]
    [InlineData("limit=0", "validation-failed")]
    [InlineData("limit=many", "validation-failed")]
    [InlineData("cursor=AAAA", "invalid-cursor")]
    [InlineData("cursor=%F0%9F%98%80", "invalid-cursor")]
    public async Task A_page_that_cannot_be_is_refused(string query, string type) =>
        await _client.GetAsync($"/v1/probe/numbers?{query}").RefusedAsync(400, type);

    [Fact]
    public async Task A_cursor_is_good_for_its_own_list_only_and_not_when_changed()
    {
        var page = await _client.GetAsync("/v1/probe/numbers?limit=3").ReadAsync<Page<int>>();
        await _client.GetAsync($"/v1/probe/others?cursor={page.Next}").RefusedAsync(400, "invalid-cursor");
        var last = page.Next![^1] == 'A' ? 'Q' : 'A';
        await _client.GetAsync($"/v1/probe/numbers?cursor={page.Next[..^1]}{last}").RefusedAsync(400, "invalid-cursor");
    }

    [Fact]
    public async Task A_repeat_with_the_same_key_gets_the_first_answer_and_does_nothing()
    {
        var done = probes.Done;
        var first = await OnceAsync(_key, "{\"count\":1}");
        var again = await OnceAsync(_key, "{\"count\":1}");
        Assert.Equal(HttpStatusCode.Created, again.StatusCode);
        Assert.Equal(first.Headers.Location, again.Headers.Location);
        Assert.Equal(await first.Content.ReadAsStringAsync(), await again.Content.ReadAsStringAsync());
        Assert.Equal(done + 1, probes.Done);
    }

    [Fact]
    public async Task The_same_key_for_another_body_is_a_mismatch()
    {
        await OnceAsync(_key, "{\"count\":1}");
        await OnceAsync(_key, "{\"count\":2}").RefusedAsync(422, "idempotency-mismatch");
    }

    [Fact]
    public async Task The_same_key_of_somebody_else_is_another_key()
    {
        await OnceAsync(_key, "{\"count\":1}");
        var other = await OnceAsync(_key, "{\"count\":2}", _api.As(Role.Analyst, "somebody else"));
        Assert.Equal(HttpStatusCode.Created, other.StatusCode);
    }

    [Fact]
    public async Task A_repeat_while_the_first_is_under_way_is_told_so()
    {
        var first = WithKeyAsync("/v1/probe/slow", _key, "{}");
        await probes.Entered.Task.WaitAsync(TimeSpan.FromSeconds(20));
        await WithKeyAsync("/v1/probe/slow", _key, "{}").RefusedAsync(409, "in-progress");
        probes.Open.SetResult();
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
    }

    [Fact]
    public async Task A_failed_request_may_be_repeated_with_its_key()
    {
        var done = probes.Done;
        await OnceAsync(_key, "{\"count\":-1}").RefusedAsync(500, "internal");
        await OnceAsync(_key, "{\"count\":-1}").RefusedAsync(500, "internal");
        Assert.Equal(done + 2, probes.Done);
    }

    [Fact]
    public async Task An_answer_is_forgotten_after_a_day()
    {
        await OnceAsync(_key, "{\"count\":1}");
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            "UPDATE idempotency SET started_at = now() - interval '25 hours' WHERE key = @_key",
            new { _key }
        );
        Assert.Equal(1, await _api.Services.GetRequiredService<IdempotencySweep>().SweepAsync(CancellationToken.None));
        Assert.Equal(HttpStatusCode.Created, (await OnceAsync(_key, "{\"count\":2}")).StatusCode);
    }

    [Theory]
    [InlineData(256)]
    [InlineData(0)]
    public async Task A_key_of_a_wrong_length_is_refused(int length) =>
        await OnceAsync(new string('k', length), "{\"count\":1}").RefusedAsync(400, "validation-failed");

    [Fact]
    public async Task A_signed_link_opens_its_own_address_until_it_expires()
    {
        var links = _api.Services.GetRequiredService<SignedLinks>();
        var link = links.For("/v1/probe/report", QueryCollection.Empty, TimeSpan.FromMinutes(5)).Url;
        Assert.Equal("link", await _api.Anonymous.GetStringAsync(link + "&lang=zh&format=html"));

        await _api
            .Anonymous.GetAsync(link.Replace("report", "secret", StringComparison.Ordinal))
            .RefusedAsync(401, "unauthenticated");
        await _api
            .Anonymous.GetAsync(link.Replace("expires=", "expires=9", StringComparison.Ordinal))
            .RefusedAsync(401, "unauthenticated");
        var expired = links.For("/v1/probe/report", QueryCollection.Empty, TimeSpan.FromMinutes(-1)).Url;
        await _api.Anonymous.GetAsync(expired).RefusedAsync(401, "unauthenticated");
        var closed = links.For("/v1/probe/numbers", QueryCollection.Empty, TimeSpan.FromMinutes(5)).Url;
        await _api.Anonymous.GetAsync(closed).RefusedAsync(401, "unauthenticated");
    }

    [Fact]
    public async Task A_signed_link_asks_what_it_was_made_for_and_nothing_else()
    {
        var question = new QueryCollection(
            new Dictionary<string, StringValues> { ["run"] = "2", ["asOf"] = "2026-03-02T08:00:00+08:00" }
        );
        var link = _api
            .Services.GetRequiredService<SignedLinks>()
            .For("/v1/probe/report", question, TimeSpan.FromMinutes(5))
            .Url;

        Assert.Equal("link", await _api.Anonymous.GetStringAsync(link + "&format=csv"));
        string[] others =
        [
            link + "&exact=true",
            link + "&run=3",
            link.Replace("run=2", "run=3", StringComparison.Ordinal),
            link.Replace("run=2&", "", StringComparison.Ordinal),
        ];
        foreach (var other in others)
        {
            var refused = await _api.Anonymous.GetAsync(other).RefusedAsync(401, "unauthenticated");
            Assert.Contains("but format and lang", refused.Detail, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("\"3\"", "3")]
    [InlineData("*", "any")]
    public async Task A_caller_names_the_version_he_saw(string header, string seen) =>
        Assert.Equal(seen, await (await MatchAsync(header)).Content.ReadAsStringAsync());

    [Theory]
    [InlineData("W/\"3\"")]
    [InlineData("\"three\"")]
    [InlineData("\"1\", \"2\"")]
    public async Task A_version_that_is_none_is_refused(string header) =>
        await MatchAsync(header).RefusedAsync(400, "validation-failed");

    private const string Start = "{\"name\":\"n\",\"window\":\"PT2H\",\"at\":\"2026-03-02T08:00:00Z\",";

    private Task<HttpResponseMessage> MatchAsync(string header)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/v1/probe/match");
        request.Headers.TryAddWithoutValidation("If-Match", header);
        return _client.SendAsync(request);
    }

    private Task<HttpResponseMessage> OnceAsync(string key, string body, HttpClient? client = null) =>
        WithKeyAsync("/v1/probe/once", key, body, client);

    private Task<HttpResponseMessage> WithKeyAsync(string path, string key, string body, HttpClient? client = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        return (client ?? _client).SendAsync(request);
    }

    /// <summary>A host with addresses that ask the edge every question.</summary>
    public sealed class Probes : IAsyncLifetime
    {
        private int _done;

        public ApiHost Api { get; private set; } = null!;

        /// <summary>How often what may be done once was done.</summary>
        public int Done => _done;

        public TaskCompletionSource Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Open { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async Task InitializeAsync() => Api = await ApiHost.StartAsync(map: Map);

        public async Task DisposeAsync() => await Api.DisposeAsync();

        private void Map(WebApplication app)
        {
            var probe = app.MapGroup("/v1/probe").RequireAnyRole();
            probe.MapPost("", (Probe body) => body);
            probe.MapGet("/count", (int count, string? name) => $"{count}{name}");
            probe.MapGet("/fail", string () => throw new InvalidOperationException("a secret"));
            probe.MapGet(
                "/busy",
                () =>
                    (
                        (Result<Done>)
                            new Error(ErrorKind.Unavailable, "busy", "Later.")
                            {
                                RetryAfter = TimeSpan.FromSeconds(2.5),
                            }
                    ).ToHttp()
            );
            probe.MapGet("/numbers", (Paging paging) => Numbers(paging));
            probe.MapGet("/others", (Paging paging) => Numbers(paging));
            probe.MapGet("/report", (Actor actor) => actor.Id).WithMetadata(TakesSignedLinks.Instance);
            probe.MapGet("/secret", (Actor actor) => actor.Id).WithMetadata(TakesSignedLinks.Instance);
            probe.MapGet("/match", (IfMatch match) => match.Version?.ToString() ?? "any");
            probe.MapPost(
                "/once",
                (Counted body) =>
                {
                    var number = Interlocked.Increment(ref _done);
                    return body.Count < 0
                        ? throw new InvalidOperationException()
                        : ((Result<Counted>)new Counted(number)).ToCreated(made => $"/v1/probe/{made.Count}");
                }
            );
            probe.MapPost(
                "/slow",
                async () =>
                {
                    Entered.SetResult();
                    await Open.Task;
                    return "done";
                }
            );
        }
    }

    private static Page<int> Numbers(Paging paging) =>
        paging.Page(
            [.. Enumerable.Range(1, 10).Where(n => n > int.Parse(paging.After ?? "0")).Take(paging.Limit + 1)],
            n => n.ToString()
        );

    internal sealed record Counted(int Count);

    internal sealed record Probe
    {
        public required int Count { get; init; }
        public required string Name { get; init; }
        public string? Note { get; init; }
        public Channel Channel { get; init; } = Channel.App;
        public required TimeSpan Window { get; init; }
        public required DateTimeOffset At { get; init; }
        public IReadOnlyDictionary<Channel, int> Limits { get; init; } = new Dictionary<Channel, int>();
        public IReadOnlyList<Line> Lines { get; init; } = [];
        public JsonElement? Free { get; init; }
    }

    internal sealed record Line
    {
        public TimeOnly From { get; init; }
        public double Share { get; init; }
    }
}
