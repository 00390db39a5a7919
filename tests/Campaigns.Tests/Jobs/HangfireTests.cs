#if FULL_FEED
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Campaigns.Access;
using Campaigns.Jobs;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Jobs;

public sealed class HangfireAskingTests() : JobEngineAsking(new HangfireTables());

public sealed class HangfireFaultTests() : JobEngineFaults(new HangfireTables());

public sealed class HangfireDashboardTests : IAsyncLifetime
{
    private const string Title = "new-citizens-payday · Mon 19:00 · 182,344 touches";

    private ApiHost _host = null!;

    public async Task InitializeAsync()
    {
        _host = await ApiHost.StartAsync(settings: new Dictionary<string, string?> { ["Engine"] = "Hangfire" });
        var wave = new Job("wave:1:0", JobKind.DispatchWave, "1/0", Title);
        await _host
            .Services.GetRequiredService<IJobEngine>()
            .RunAtAsync(wave, DateTimeOffset.UtcNow.AddHours(1), default);
    }

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task The_dashboard_shows_the_timetable_to_an_operator()
    {
        Assert.Contains(Title, await ScheduledAsync(_host.As(Role.Operator)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_browser_is_asked_for_a_key_and_takes_it_as_the_password()
    {
        var asked = await _host.Anonymous.GetAsync(Path(""));
        Assert.Equal(HttpStatusCode.Unauthorized, asked.StatusCode);
        Assert.Equal("Basic", asked.Headers.WwwAuthenticate.Single().Scheme);

        var key = await _host.NewKeyAsync(Role.Admin);
        using var browser = new HttpClient { BaseAddress = _host.Address };
        var pair = Convert.ToBase64String(Encoding.UTF8.GetBytes("me:" + key.Secret));
        browser.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", pair);

        Assert.Contains(Title, await ScheduledAsync(browser), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Bearer x.y")]
    [InlineData("Basic !")]
    [InlineData("Basic bWU6eC55")]
    public async Task A_wrong_key_opens_nothing(string credential)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Path("jobs/scheduled"));
        request.Headers.TryAddWithoutValidation("Authorization", credential);

        var answer = await _host.Anonymous.SendAsync(request);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Fact]
    public async Task A_marketer_s_key_opens_nothing()
    {
        Assert.Equal(HttpStatusCode.Forbidden, (await _host.As(Role.Marketer).GetAsync(Path(""))).StatusCode);
    }

    [Fact]
    public async Task The_dashboard_keeps_its_figures_fresh_but_changes_nothing()
    {
        var operators = _host.As(Role.Operator);
        using var none = new FormUrlEncodedContent([KeyValuePair.Create("metrics[]", "scheduled:count")]);
        using var jobs = new FormUrlEncodedContent([KeyValuePair.Create("jobs[]", "1")]);

        var figures = await operators.PostAsync(Path("stats"), none);
        var change = await operators.PostAsync(Path("jobs/scheduled/delete"), jobs);

        Assert.Equal(HttpStatusCode.OK, figures.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, change.StatusCode);
        Assert.Contains(Title, await ScheduledAsync(operators), StringComparison.Ordinal);
    }

    private static Uri Path(string path) => new("/jobs/" + path, UriKind.Relative);

    private static async Task<string> ScheduledAsync(HttpClient client) =>
        WebUtility.HtmlDecode(await client.GetStringAsync(Path("jobs/scheduled")));
}

internal sealed class HangfireTables : EngineTables
{
    public override string Engine => "Hangfire";

    public override string Schema => "hangfire";

    public override async Task<DateTimeOffset?> NextOfAsync(TestDatabase database, string jobId)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        var next = await connection.QuerySingleOrDefaultAsync<string>(
            "SELECT value FROM hangfire.hash WHERE key = 'recurring-job:' || @jobId AND field = 'NextExecution'",
            new { jobId }
        );
        return next is null ? null
            : long.TryParse(next, CultureInfo.InvariantCulture, out var milliseconds)
                ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
            : DateTimeOffset.Parse(next, CultureInfo.InvariantCulture);
    }

    public override async Task<bool> ShowsAsync(TestDatabase database, string title)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<bool>(
            "SELECT EXISTS (SELECT FROM hangfire.job WHERE arguments::text LIKE '%' || @title || '%')",
            new { title }
        );
    }
}
#endif
