using System.Net;
using System.Text.Json;
using Campaigns.Access;
using Campaigns.Database;
using Campaigns.Json;
using Campaigns.Operations;
using Campaigns.Planning;
using Campaigns.Statistics;
using Campaigns.Tests.Lifecycle;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.Extensions.DependencyInjection;

namespace Campaigns.Tests.Planning;

public sealed class PreviewTests(PreviewHost host) : IClassFixture<PreviewHost>
{
    private readonly ApiHost _api = host.Api;
    private readonly HttpClient _marketer = host.Api.As(Role.Marketer);
    private readonly string _id = GivenCampaign.NewId("preview");

    [Fact]
    public async Task A_preview_is_an_operation_and_its_ledger_adds_up()
    {
        await GivenCampaign.DraftAsync(_api, _id);

        var asked = await _marketer.PostAsync($"/v1/campaigns/{_id}/preview", new { });
        Assert.Equal(HttpStatusCode.Accepted, asked.StatusCode);
        var operation = await WatchAsync(await asked.ReadAsync<Operation>());

        Assert.Equal($"/v1/operations/{operation.Id}", asked.Headers.Location?.ToString());
        Assert.Equal(
            (OperationState.Succeeded, "preview", _id),
            (operation.State, operation.Kind, operation.SubjectId)
        );
        Assert.Equal((1, 1), (operation.Done, operation.Total));
        var preview = await _marketer.GetAsync($"/v1/campaigns/{_id}/preview").ReadAsync<Preview>();
        Assert.Equal(operation.Result!.Value.Deserialize<Preview>(ProductJson.Options)!.AsOf, preview.AsOf);
        var ledger = preview.Ledger;
        Assert.Equal(PreviewHost.Customers, ledger.Audience);
        Assert.Equal(ledger.Audience, ledger.Touches + ledger.HeldOut + ledger.Suppressed.Values.Sum());
        Assert.NotEmpty(preview.Timetable);
    }

    [Fact]
    public async Task Statistics_the_smallest_effect_is_that_of_the_arms_at_the_rate_before()
    {
        await GivenCampaign.DraftAsync(_api, _id);

        var effect = (await PreviewAsync()).SmallestEffect;

        Assert.Equal(PreviewHost.Customers, effect.Treated + effect.HeldOut);
        Assert.InRange(effect.HeldOut, 1, effect.Treated);
        Assert.Equal((double)PreviewHost.Depositors / PreviewHost.Customers, effect.Rate);
        Assert.Equal(Power.SmallestEffect(effect.Treated, effect.HeldOut, effect.Rate).Value, effect.Difference);
        Assert.Null(effect.Missing);
    }

    [Fact]
    public async Task Without_a_holdout_no_effect_can_be_shown()
    {
        await GivenCampaign.DraftAsync(_api, _id, GivenCampaign.Definition with { Holdout = 0 });

        var effect = (await PreviewAsync()).SmallestEffect;

        Assert.Equal((null, "noHoldout"), (effect.Difference, effect.Missing));
    }

    [Fact]
    public async Task A_preview_that_was_kept_without_a_cost_can_still_be_read()
    {
        await GivenCampaign.DraftAsync(_api, _id);
        var made = await PreviewAsync();
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            "UPDATE operation SET result = result - 'cost' WHERE kind = 'preview' AND subject_id = @_id",
            new { _id }
        );

        var kept = await _marketer.GetAsync($"/v1/campaigns/{_id}/preview").ReadAsync<Preview>();

        Assert.NotNull(made.Cost);
        Assert.Equal((made.AsOf, null), (kept.AsOf, kept.Cost));
    }

    [Fact]
    public async Task A_preview_that_a_dead_node_left_is_taken_up()
    {
        await GivenCampaign.DraftAsync(_api, _id);
        string left;
        await using (var connection = await _api.Database.DataSource.OpenConnectionAsync())
        {
            var now = await BusinessClock.NowAsync(connection);
            left = await OperationLog.StartAsync(connection, Actor.Service, "preview", _id, total: null, now);
        }

        _api.Services.GetRequiredService<Previews>().Asked.Writer.TryWrite(0);

        var operation = await WatchAsync(await _marketer.GetAsync($"/v1/operations/{left}").ReadAsync<Operation>());
        Assert.Equal(OperationState.Succeeded, operation.State);
    }

    [Fact]
    public async Task A_preview_whose_connection_is_cut_is_tried_again()
    {
        await GivenCampaign.DraftAsync(_api, _id);
        await using var connection = await _api.Database.DataSource.OpenConnectionAsync();
        var now = await BusinessClock.NowAsync(connection);
        var cut = await OperationLog.StartAsync(connection, Actor.Service, "preview", _id, total: null, now);
        await using (var held = await connection.BeginTransactionAsync())
        {
            await connection.ExecuteAsync("LOCK TABLE contact IN ACCESS EXCLUSIVE MODE");
            _api.Services.GetRequiredService<Previews>().Asked.Writer.TryWrite(0);
            await Eventually.BeTrueAsync(
                () =>
                    connection.QuerySingleAsync<bool>(
                        """
                        SELECT coalesce(bool_or(pg_terminate_backend(pid)), false)
                        FROM pg_locks
                        WHERE NOT granted AND relation = 'contact'::regclass
                        """
                    ),
                "the preview waits for the table, and is cut off"
            );
        }

        var operation = await WatchAsync(await _marketer.GetAsync($"/v1/operations/{cut}").ReadAsync<Operation>());
        Assert.Equal(OperationState.Succeeded, operation.State);
    }

    [Fact]
    public async Task What_cannot_be_previewed_is_refused_at_once()
    {
        await _marketer.PostAsync($"/v1/campaigns/{_id}/preview", new { }).RefusedAsync(404, "not-found");
        await _marketer.GetAsync($"/v1/campaigns/{_id}/preview").RefusedAsync(404, "not-found");

        var today = DateOnly.FromDateTime(DateTime.UtcNow);
        var over = GivenCampaign.Definition.Schedule with { From = today.AddDays(-9), To = today.AddDays(-3) };
        await GivenCampaign.DraftAsync(_api, _id, GivenCampaign.Definition with { Schedule = over });
        await _marketer.PostAsync($"/v1/campaigns/{_id}/preview", new { }).RefusedAsync(422, "no-window-left");
    }

    private async Task<Preview> PreviewAsync()
    {
        var asked = await _marketer.PostAsync($"/v1/campaigns/{_id}/preview", new { }).ReadAsync<Operation>();
        return (await WatchAsync(asked)).Result!.Value.Deserialize<Preview>(ProductJson.Options)!;
    }

    private async Task<Operation> WatchAsync(Operation operation) =>
        await Eventually.BeAsync(
            () => _marketer.GetAsync($"/v1/operations/{operation.Id}").ReadAsync<Operation>(),
            one => one.State != OperationState.Running,
            "the preview ends"
        );
}

/// <summary>A node with customers of the segment; some made a deposit yesterday.</summary>
public sealed class PreviewHost : IAsyncLifetime
{
    internal const int Customers = 2_000;
    internal const int Depositors = 40;

    public ApiHost Api { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Api = await GivenCampaign.HostAsync();
        await GivenCustomers.AddAsync(Api, Customers);
        await using var connection = await Api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            INSERT INTO event_type (name) VALUES ('deposit') ON CONFLICT DO NOTHING;
            INSERT INTO event_source (name) VALUES ('core') ON CONFLICT DO NOTHING;
            INSERT INTO event (customer_key, event_type, event_source, event_id, occurred_at, recorded_at)
            SELECT customer_key, t.event_type, s.event_source, 'd' || customer_key, now() - interval '1 day', now()
            FROM customer CROSS JOIN event_type t CROSS JOIN event_source s
            WHERE t.name = 'deposit' AND s.name = 'core'
            ORDER BY customer_key LIMIT @Depositors;
            -- Of two others one took her deposit back, and of one only the taking back is in the time that is looked at.
            INSERT INTO event (customer_key, event_type, event_source, event_id, occurred_at, recorded_at, attributes)
            SELECT c.customer_key, t.event_type, s.event_source, e.id, now() - interval '1 day', now(), e.attributes::jsonb
            FROM (SELECT customer_key, row_number() OVER (ORDER BY customer_key DESC) AS place FROM customer) c
            JOIN (VALUES (1, 'b', NULL), (2, 'r', '{"reverses": "long-ago"}')) AS e (place, id, attributes) USING (place)
            CROSS JOIN event_type t CROSS JOIN event_source s
            WHERE t.name = 'deposit' AND s.name = 'core';
            INSERT INTO reversal (customer_key, event_source, event_id, recorded_at)
            SELECT customer_key, event_source, event_id, now() FROM event WHERE event_id = 'b'
            """,
            new { Depositors }
        );
    }

    public async Task DisposeAsync() => await Api.DisposeAsync();
}

internal static class GivenCustomers
{
    /// <summary>Members of the segment of <see cref="GivenCampaign"/> who can be reached by all and have consented.</summary>
    public static async Task AddAsync(ApiHost api, int count)
    {
        await using var connection = await api.Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            WITH made AS (
                INSERT INTO customer (customer_id, attributes, updated_at)
                SELECT 'C' || gen_random_uuid(), '{"employer": "works"}', now() FROM generate_series(1, @count)
                RETURNING customer_key
            )
            INSERT INTO contact (customer_key, reachable, consented) SELECT customer_key, 7, 7 FROM made
            """,
            new { count }
        );
    }
}
