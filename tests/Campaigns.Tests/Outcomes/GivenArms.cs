using System.Text.Json;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Dispatch;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Outcomes;
using Campaigns.Planning;
using Campaigns.Reports;
using Campaigns.Segments;
using Campaigns.Tests.Support;
using Dapper;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Campaigns.Tests.Outcomes;

/// <summary>A planned run as outcomes find it. Customers are named <c>t1</c>, <c>t2</c> … where treated, <c>h1</c> … where
/// held out, <c>s1</c> … where suppressed, <c>g1</c> … where held out bank-wide; all have the same send window.</summary>
internal sealed class GivenArms : IAsyncDisposable
{
    public const string Goal = "deposit.opened";
    public static readonly TimeSpan Week = TimeSpan.FromDays(7);
    public static readonly Actor Backend = new("backend-1", Role.Backend);

    private readonly TestDatabase _database;
    private int _ids;

    private GivenArms(TestDatabase database, DateTimeOffset start) => (_database, Start) = (database, start);

    public TestDatabase Database => _database;
    public NpgsqlDataSource DataSource => _database.DataSource;

    /// <summary>The opening of the send window: ten days ago, so that what follows is past.</summary>
    public DateTimeOffset Start { get; }

    public static async Task<GivenArms> CreateAsync(
        int treated = 3,
        int heldOut = 3,
        int suppressed = 0,
        int heldOutGlobal = 0,
        bool everyTime = false,
        TestDatabase? database = null,
        Goal? goal = null
    )
    {
        goal ??= new Goal
        {
            Event = Goal,
            Window = Week,
            EveryTime = everyTime,
        };
        var now = DateTimeOffset.UtcNow;
        var start = new DateTimeOffset(now.AddDays(-10).Date, TimeSpan.Zero).AddHours(2);
        var given = new GivenArms(database ?? await Databases.CreateAsync(), start);
        await given.RunAsync(treated, heldOut, suppressed, heldOutGlobal, goal);
        return given;
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    /// <summary>A goal event.</summary>
    public EventEntry Buys(
        string customer,
        TimeSpan after,
        string? id = null,
        decimal? amount = null,
        string? currency = "CNY"
    ) =>
        new("core-bank", id ?? $"e-{Interlocked.Increment(ref _ids)}", customer, Goal, Start + after, amount, currency);

    /// <summary>What takes a goal event back.</summary>
    public EventEntry Cancels(string customer, string id) =>
        new("core-bank", $"e-{Interlocked.Increment(ref _ids)}", customer, "deposit.closed", Start.AddDays(3))
        {
            Attributes = new Dictionary<string, System.Text.Json.JsonElement>
            {
                [EventNames.Reverses] = System.Text.Json.JsonSerializer.SerializeToElement(id),
            },
        };

    public async Task<EventBatch> RecordAsync(params EventEntry[] entries) =>
        (
            await new EventIntake(DataSource).RecordAsync(
                Backend,
                entries,
                (connection, batch, now) => Conversions.CountAsync(connection, batch.Stored, now, default),
                default
            )
        ).Value;

    public async Task<EventBatch> EngageAsync(params EngagementEntry[] entries) =>
        (await new Engagements(new EventIntake(DataSource)).RecordAsync(Backend, entries, default)).Value;

    public Task<CampaignReport> ReportAsync() => ReportAsync(new ReportQuestion());

    public async Task<CampaignReport> ReportAsync(ReportQuestion question) =>
        (await new CampaignReports(DataSource).OfAsync("savings", question, default)).Value;

    /// <summary>Counted again from what was recorded.</summary>
    public Task<CampaignReport> ExactAsync() => ReportAsync(new ReportQuestion { Exact = true });

    /// <summary>Customers converted, as <c>treated/control</c>.</summary>
    public async Task<string> ConvertedAsync()
    {
        var lift = (await ReportAsync()).Lift;
        return $"{lift.Treated.Converted}/{lift.Control.Converted}";
    }

    /// <param name="mostTogether">Customers in a transaction.</param>
    public Task CountEarlyAsync(int mostTogether = 1_000) =>
        new EarlyEvents(DataSource, NullLogger<EarlyEvents>.Instance) { MostTogether = mostTogether }.CountAsync(
            default
        );

    public Task FoldAsync() => new Fold(DataSource).RunAsync(default);

    public async Task ExecuteAsync(string sql)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(sql);
    }

    public async Task<T> AskAsync<T>(string sql)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        return await connection.QuerySingleAsync<T>(sql);
    }

    private async Task RunAsync(int treated, int heldOut, int suppressed, int heldOutGlobal, Goal goal)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        var plan = new RunPlan
        {
            CampaignId = "savings",
            CampaignVersion = 1,
            Purpose = Purpose.Marketing,
            Priority = 5,
            Include = [new SegmentReference("savers", 1), new SegmentReference("payroll", 1)],
            Exclude = [],
            Channels = [Channel.WeChat],
            Variants = [new PlannedVariant(1, "warm", 5_000), new PlannedVariant(2, "plain", 10_000)],
            Templates = [],
            Goal = goal,
            Caps = new FrequencyCaps(),
            HoldoutBuckets = heldOut == 0 ? 0 : (int)(10_000L * heldOut / (treated + heldOut)),
            HoldoutSalt = "h",
            VariantSalt = "v",
        };
        await connection.ExecuteAsync(
            """
            INSERT INTO campaign (campaign_id, version, state, updated_at) VALUES ('savings', 1, 'running', @start);
            INSERT INTO run (run_key, campaign_key, number, campaign_version, state, as_of, plan, created_at, planned_at)
            SELECT nextval('run_key_small'), campaign_key, 1, 1, 'planned', @start - interval '1 hour', @plan::jsonb,
                @start - interval '1 hour', @start - interval '1 hour'
            FROM campaign;
            INSERT INTO wave (run_key, wave, channel, opens_at, closes_at)
            SELECT run_key, 1, 2, @start, @start + interval '2 hours' FROM run;
            WITH person AS (
                INSERT INTO customer (customer_id, updated_at)
                SELECT arm || i, @start
                FROM (VALUES ('t', @treated), ('h', @heldOut), ('s', @suppressed), ('g', @heldOutGlobal)) a (arm, n)
                CROSS JOIN LATERAL generate_series(1, n) i
                RETURNING customer_key, customer_id
            ), narrow AS (
                INSERT INTO contact (customer_key) SELECT customer_key FROM person
            )
            INSERT INTO decision (customer_key, run_key, wave, step, reason, channel, variant, segments)
            SELECT customer_key, run_key, CASE WHEN customer_id LIKE 's%' THEN NULL ELSE 1 END, 1,
                CASE left(customer_id, 1) WHEN 't' THEN 0 WHEN 'h' THEN 21 WHEN 'g' THEN 20 ELSE 8 END,
                CASE WHEN customer_id LIKE 's%' THEN NULL ELSE 2 END,
                CASE WHEN customer_id LIKE 't%' THEN 1 + substr(customer_id, 2)::int % 2 END,
                1 + substr(customer_id, 2)::int % 3
            FROM person, run;
            INSERT INTO run_ledger (run_key, step, reason, channel, variant, wave, customers)
            SELECT run_key, 1, reason, coalesce(channel, 0), coalesce(variant, 0), coalesce(wave, 0), count(*)
            FROM decision
            GROUP BY 1, 3, 4, 5, 6;
            """,
            new
            {
                start = Start,
                plan = JsonSerializer.Serialize(plan, ProductJson.Options),
                treated,
                heldOut,
                suppressed,
                heldOutGlobal,
            }
        );
    }
}
