using System.Text.Json;
using Campaigns.Channels;
using Campaigns.Channels.JPush;
using Campaigns.Receipts;
using Campaigns.Tests.Channels;
using Campaigns.Tests.Dispatch;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Campaigns.Tests.Receipts;

/// <summary>Three pushes of one customer each, and a provider whose reports answer as the test says.</summary>
public sealed class PushReceiptTests : IAsyncLifetime, IDisposable
{
    private readonly ProviderHttp _http = new(TimeProvider.System);
    private readonly MovableTime _time = new();
    private readonly List<string> _asked = [];
    private Func<string, int> _status = _ => StatusCodes.Status200OK;
    private WebApplication _reports = null!;
    private RunningSimulator _simulator = null!;
    private GivenRun _given = null!;
    private Node _node = null!;
    private int _run;

    public async Task InitializeAsync()
    {
        _simulator = await RunningSimulator.StartAsync();
        _reports = await ReportsAsync();
        _given = await GivenRun.CreateAsync(customers: 3);
        _run = await _given.RunAsync(
            new RunSpec
            {
                Customers = [1, 2, 3],
                Channels = [Channel.App],
                Text = "hello",
            }
        );
        var settings = new GatewaySettings
        {
            BaseUrl = _simulator.Url,
            ReportUrl = new Uri(_reports.Urls.First()),
            KeyId = "simulator",
            Secret = "simulator",
            MaxBatch = 1,
        };
        _node = new Node(_given.DataSource, [new JPushGateway(settings, _http, TimeProvider.System)]);
        await _node.LaneAsync(_run);
        await _given.PassAsync(TimeSpan.FromSeconds(6));
    }

    public async Task DisposeAsync()
    {
        await _node.DisposeAsync();
        await _given.DisposeAsync();
        await _reports.DisposeAsync();
        await _simulator.DisposeAsync();
    }

    public void Dispose() => _http.Dispose();

    [Fact]
    public async Task A_question_that_is_refused_keeps_no_other_from_being_asked()
    {
        _status = id => id == _asked[0] ? StatusCodes.Status400BadRequest : StatusCodes.Status200OK;

        await Polling().PollAsync(default);

        Assert.Equal("accepted 1, delivered 2", await _given.StatesAsync(_run));
        Assert.Equal(3, _asked.Count);
    }

    [Theory]
    [InlineData(429)]
    [InlineData(401)]
    [InlineData(503)]
    public async Task Who_wants_to_be_left_alone_is_and_then_the_others_are_asked_first(int status)
    {
        _status = _ => _asked.Count == 1 ? status : StatusCodes.Status200OK;
        var polling = Polling();

        await polling.PollAsync(default);
        _time.Passed = TimeSpan.FromSeconds(119);
        await polling.PollAsync(default);
        Assert.Single(_asked);

        _time.Passed = TimeSpan.FromSeconds(121);
        await polling.PollAsync(default);
        Assert.Equal("accepted 1, delivered 2", await _given.StatesAsync(_run));
        Assert.DoesNotContain(_asked[0], _asked.Skip(1));

        await _given.PassAsync(TimeSpan.FromSeconds(11));
        await polling.PollAsync(default);
        Assert.Equal("delivered 3", await _given.StatesAsync(_run));
    }

    [Fact]
    public async Task What_is_settled_is_asked_for_no_more_and_what_is_not_for_three_days()
    {
        await Polling().PollAsync(default);
        await _given.PassAsync(TimeSpan.FromHours(1));
        await Polling().PollAsync(default);
        Assert.Equal(3, _asked.Count);

        await _given.ExecuteAsync("UPDATE receipt_poll SET next_at = now()");
        await _given.PassAsync(TimeSpan.FromHours(72));
        await Polling().PollAsync(default);
        Assert.Equal(3, _asked.Count);
    }

    [Fact]
    public async Task Receipts_that_came_early_are_joined_although_the_provider_cannot_be_asked()
    {
        await _given.ExecuteAsync("ALTER TABLE receipt_poll RENAME TO away");
        await _given.ExecuteAsync(
            """
            INSERT INTO parked_receipt (source, event_id, receipt, received_at)
            SELECT a.gateway, 'e', jsonb_build_object(
                       'channel', 'app', 'providerId', o.provider_ids[1], 'state', 'delivered', 'at', now()), now()
            FROM attempt a JOIN outcome o USING (run_key, chunk, request)
            WHERE a.customer_keys = '{1}'
            """
        );

        await Assert.ThrowsAnyAsync<Npgsql.PostgresException>(() =>
            _node.Get<ReceiptSweep>().RunAsync(CancellationToken.None)
        );

        Assert.Equal("accepted 2, delivered 1", await _given.StatesAsync(_run));
    }

    private PushReceipts Polling() =>
        new(_given.DataSource, _node.Get<Gateways>(), GivenRun.Vault, _node.Get<ReceiptIntake>(), _time);

    private async Task<WebApplication> ReportsAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.MapPost("/v3/status/message", Report);
        await app.StartAsync();
        return app;
    }

    private IResult Report(JsonElement body, HttpResponse response)
    {
        var id = body.GetProperty("msg_id").GetRawText();
        _asked.Add(id);
        var status = _status(id);
        response.Headers.RetryAfter = "120";
        return status == StatusCodes.Status200OK
            ? TypedResults.Ok(
                body.GetProperty("registration_ids")
                    .EnumerateArray()
                    .ToDictionary(one => one.GetString()!, _ => new { status = 0 })
            )
            : TypedResults.Json(new { error = new { code = 3002, message = "no" } }, statusCode: status);
    }

    private sealed class MovableTime : TimeProvider
    {
        internal TimeSpan Passed { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Passed;
    }
}
