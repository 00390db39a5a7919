#if FULL_FEED
using System.Globalization;
using System.Net;
using Campaigns.Api.Jobs;
using Campaigns.Database;
using Campaigns.Jobs;
using Campaigns.Jobs.Hangfire;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Jobs;

public sealed class HangfireAskingTests() : JobEngineAsking(new HangfireTables());

public sealed class HangfireFaultTests() : JobEngineFaults(new HangfireTables());

public sealed class HangfireDashboardTests : JobEngineTest
{
    public HangfireDashboardTests()
        : base(new HangfireTables()) { }

    [Fact]
    public async Task The_dashboard_shows_the_timetable_to_those_who_may_see_it_and_to_nobody_else()
    {
        await using var app = await StartAsync(request => request.Headers.ContainsKey("X-Allowed"));
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        var title = "new-citizens-payday · Mon 19:00 · 182,344 touches";
        await app
            .Services.GetRequiredService<IJobEngine>()
            .RunAtAsync(AJob("wave:1:0") with { Title = title }, InHours(1), default);

        var refused = await client.GetAsync(new Uri("/jobs/jobs/scheduled", UriKind.Relative));
        client.DefaultRequestHeaders.Add("X-Allowed", "yes");
        var shown = await client.GetStringAsync(new Uri("/jobs/jobs/scheduled", UriKind.Relative));

        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Contains(title, WebUtility.HtmlDecode(shown), StringComparison.Ordinal);
    }

    private async Task<WebApplication> StartAsync(Func<HttpRequest, bool> allow)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton(new JobHandlers());
        builder.Services.AddSingleton(Database.DataSource);
        builder.Services.AddSingleton<BusinessClock>();
        builder.Services.AddJobEngine(
            Tables.Engine,
            Database.ConnectionString,
            new JobEngineOptions { Worker = false }
        );
        var app = builder.Build();
        app.MapJobDashboard("/jobs", context => Task.FromResult(allow(context.Request)));
        await app.StartAsync();
        return app;
    }
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
