using System.Net;
using Campaigns.Access;
using Campaigns.Api.Edge;
using Campaigns.Outcomes;
using Campaigns.Tests.Outcomes;
using Campaigns.Tests.Support;
using Dapper;

namespace Campaigns.Tests.Api;

public sealed class IntakeTests
{
    private static readonly Dictionary<string, string?> Narrow = new()
    {
        ["Intake:Batches"] = "1",
        ["Intake:Few"] = "1",
        ["Intake:Waiting"] = "1",
        ["Intake:Wait"] = "00:00:00.3",
    };

    [Theory]
    [InlineData("/v1/events", 1)]
    [InlineData("/v1/events", 30)]
    [InlineData("/v1/conversions", 1)]
    [InlineData("/v1/conversions", 30)]
    public async Task What_there_is_no_room_for_is_shed_and_may_come_again(string path, int size)
    {
        await using var api = await ApiHost.StartAsync(settings: Narrow);
        var backend = api.As(Role.Backend);
        await using var blocking = await api.Database.DataSource.OpenConnectionAsync();
        await using var held = await blocking.BeginTransactionAsync();
        await blocking.ExecuteAsync("LOCK TABLE event IN EXCLUSIVE MODE");
        var first = backend.PostAsync(path, Batch(path, "first", size));
        await Eventually.BeAsync(
            () =>
                blocking.QuerySingleAsync<long>(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                ),
            waiting => waiting > 0,
            "one that is being stored"
        );

        string[] names = ["waits in vain", "finds no place to wait"];
        var shed = await Task.WhenAll(names.Select(name => backend.PostAsync(path, Batch(path, name, size))));

        Assert.All(shed, answer => Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter?.Delta));
        foreach (var answer in shed)
        {
            await Task.FromResult(answer).RefusedAsync(503, "overloaded");
        }

        var refusal = Consent("somebody");
        Assert.Equal(HttpStatusCode.OK, (await backend.PostAsync("/v1/consents", refusal)).StatusCode);
        Assert.Equal(
            HttpStatusCode.OK,
            (await api.Anonymous.GetAsync(new Uri("/health", UriKind.Relative))).StatusCode
        );
        await held.RollbackAsync();
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await backend.PostAsync(path, Batch(path, names[0], size))).StatusCode);
    }

    [Fact]
    public async Task Reports_that_count_again_wait_for_each_other_and_those_of_counters_do_not()
    {
        await using var given = await GivenArms.CreateAsync();
        var settings = Narrow.Append(new("Intake:Recounts", "1")).ToDictionary();
        await using var api = await ApiHost.StartAsync(given.Database, settings: settings);
        await using var blocking = await given.DataSource.OpenConnectionAsync();
        await using var held = await blocking.BeginTransactionAsync();
        await blocking.ExecuteAsync("LOCK TABLE receipt IN ACCESS EXCLUSIVE MODE");
        var first = ReportAsync("?exact=true");
        await Eventually.BeAsync(
            () =>
                blocking.QuerySingleAsync<long>(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                ),
            waiting => waiting > 0,
            "one that is being counted"
        );

        var shed = await ReportAsync("?asOf=2026-03-02T08:00:00Z").RefusedAsync(503, "overloaded");

        Assert.Contains("without exact", shed.Detail, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await ReportAsync("")).StatusCode);
        await held.RollbackAsync();
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);

        Task<HttpResponseMessage> ReportAsync(string question) =>
            api.As(Role.Analyst).GetAsync(new Uri($"/v1/campaigns/savings/report{question}", UriKind.Relative));
    }

    [Fact]
    public void What_is_too_small_to_be_a_batch_shares_a_commit()
    {
        var smallest = new
        {
            source = "a",
            id = "1",
            customerId = "1",
            name = "a",
            occurredAt = "2026-01-01T00:00:00Z",
        };
        var json = System.Text.Json.JsonSerializer.Serialize(smallest);
        var most = (IntakeLimits.FewBytes - "{\"events\":[]}".Length + 1) / (json.Length + 1);

        Assert.InRange(most, 1, FewEvents.Most);
    }

    private static object Batch(string path, string name, int size)
    {
        var items = Enumerable
            .Range(1, size)
            .Select(n => new
            {
                source = "core-bank",
                id = $"{name}-{n}",
                customerId = $"C{n}",
                name = "deposit.opened",
                occurredAt = "2026-01-05T10:00:00+08:00",
            });
        return path == "/v1/events" ? new { events = items } : new { conversions = items };
    }

    private static object Consent(string customer) =>
        new
        {
            consents = new[]
            {
                new
                {
                    customerId = customer,
                    channel = "all",
                    purpose = "marketing",
                    granted = false,
                    source = "branch",
                    occurredAt = "2026-01-05T10:00:00+08:00",
                },
            },
        };
}
