using System.Data;
using System.Text.Json;
using Campaigns.Calendar;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Database;
using Campaigns.Dispatch;
using Campaigns.Json;
using Campaigns.Lifecycle;
using Campaigns.Planning;
using Campaigns.Tests.Support;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Dispatch;

/// <summary>Customers and planned runs as dispatch finds them. Every customer can be reached by every channel and has
/// consented to all.</summary>
internal sealed class GivenRun : IAsyncDisposable
{
    internal static readonly AddressVault Vault = new(
        new Dictionary<short, byte[]> { [1] = new byte[32] },
        lookupKey: new byte[32]
    );

    private readonly TestDatabase _database;
    private int _campaigns;

    private GivenRun(TestDatabase database) => _database = database;

    internal NpgsqlDataSource DataSource => _database.DataSource;
    internal TestDatabase Database => _database;
    internal string ConnectionString => _database.ConnectionString;

    internal static async Task<GivenRun> CreateAsync(int customers = 0)
    {
        var given = new GivenRun(await Databases.CreateAsync());
        await given.CustomersAsync(customers);
        return given;
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    /// <summary>Adds customers with the keys 1 to <paramref name="count"/>.</summary>
    internal async Task CustomersAsync(int count)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            INSERT INTO customer (customer_id, attributes, updated_at)
            SELECT 'c' || i, jsonb_build_object('name', 'name ' || i), now() FROM generate_series(1, @count) i;
            INSERT INTO contact (customer_key, reachable, consented)
            SELECT i, 7, 7 FROM generate_series(1, @count) i;
            """,
            new { count }
        );
        var addresses = (
            from key in Enumerable.Range(1, count)
            from channel in Enum.GetValues<Channel>()
            select (Key: (long)key, Channel: (short)channel, Sealed: Vault.Seal(channel, Address(key, channel)))
        ).ToList();
        await connection.ExecuteAsync(
            """
            INSERT INTO address (customer_key, channel, key_id, ciphertext, lookup)
            SELECT key, channel, 1, ciphertext, lookup
            FROM unnest(@keys, @channels, @ciphertexts, @lookups) AS t (key, channel, ciphertext, lookup)
            """,
            new
            {
                keys = addresses.Select(address => address.Key).ToArray(),
                channels = addresses.Select(address => address.Channel).ToArray(),
                ciphertexts = addresses.Select(address => address.Sealed.Ciphertext).ToArray(),
                lookups = addresses.Select(address => address.Sealed.Lookup).ToArray(),
            }
        );
    }

    internal static string Address(long key, Channel channel) =>
        channel == Channel.Sms ? $"+8613800{key:d6}" : $"{channel}-{key}".ToLowerInvariant();

    /// <summary>A running campaign with a planned run: touches by one channel of the customers given, in waves an hour long
    /// of which the first is open now.</summary>
    internal async Task<int> RunAsync(RunSpec spec)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        var campaignId = $"campaign-{Interlocked.Increment(ref _campaigns)}";
        var now = await BusinessClock.NowAsync(connection);
        var campaign = await connection.QuerySingleAsync<int>(
            """
            WITH made AS (
                INSERT INTO campaign (campaign_id, version, state, updated_at)
                VALUES (@campaignId, 1, 'running', @now)
                RETURNING campaign_key
            )
            INSERT INTO campaign_version (campaign_key, version, definition, edited_by, edited_at)
            SELECT campaign_key, 1, @definition::jsonb, 'test', @now FROM made
            RETURNING campaign_key
            """,
            new
            {
                campaignId,
                now,
                definition = Documents.Write(Definition(spec, now)),
            }
        );
        await TemplatesAsync(connection, campaignId, spec, now);
        var run = await connection.QuerySingleAsync<int>(
            """
            INSERT INTO run (run_key, campaign_key, number, campaign_version, state, as_of, plan, created_at, planned_at)
            VALUES (nextval('run_key_small'), @campaign, 1, 1, 'planned', @now, @plan::jsonb, @now, @now)
            RETURNING run_key
            """,
            new
            {
                campaign,
                now = now.AddHours(-1),
                plan = JsonSerializer.Serialize(Plan(campaignId, spec), ProductJson.Options),
            }
        );
        await WavesAsync(connection, run, spec, now);
        await TouchesAsync(connection, run, spec);
        return run;
    }

    private static async Task TemplatesAsync(
        NpgsqlConnection connection,
        string campaignId,
        RunSpec spec,
        DateTimeOffset now
    )
    {
        foreach (var channel in spec.Channels)
        {
            await connection.ExecuteAsync(
                """
                INSERT INTO template_version
                    (template_id, version, channel, purpose, language, text, provider_template, defaults, created_by,
                     created_at)
                VALUES (@id, 1, @channel, @purpose, 'zh', @Text, @ProviderTemplate, @defaults::jsonb, 'test', @now)
                """,
                new
                {
                    id = $"{campaignId}-{channel}",
                    channel = (short)channel,
                    purpose = (short)spec.Purpose,
                    spec.Text,
                    spec.ProviderTemplate,
                    defaults = JsonSerializer.Serialize(spec.Defaults),
                    now,
                }
            );
        }
    }

    private static CampaignDefinition Definition(RunSpec spec, DateTimeOffset now) =>
        new()
        {
            Name = "A campaign",
            Audience = new Audience { Include = ["everybody"] },
            Goal = new Goal { Event = "bought", Window = TimeSpan.FromDays(7) },
            Variants = [],
            Channels = spec.Channels,
            Schedule = new Schedule
            {
                From = DateOnly.FromDateTime(now.UtcDateTime),
                To = DateOnly.FromDateTime(now.UtcDateTime).AddDays(spec.Windows),
                Windows = [],
                Days = spec.Days,
            },
        };

    private static RunPlan Plan(string campaignId, RunSpec spec) =>
        new()
        {
            CampaignId = campaignId,
            CampaignVersion = 1,
            Purpose = spec.Purpose,
            Priority = spec.Priority,
            Include = [],
            Exclude = [],
            Channels = spec.Channels,
            Variants = [new PlannedVariant(1, "a", 10_000)],
            Templates =
            [
                .. spec.Channels.Select(channel => new BoundTemplate(1, channel, $"{campaignId}-{channel}", 1)),
            ],
            Goal = new Goal { Event = "bought", Window = TimeSpan.FromDays(7) },
            Caps = spec.Caps,
            HoldoutBuckets = 0,
            HoldoutSalt = "h",
            VariantSalt = "v",
            UsesProfiling = spec.UsesProfiling,
            Hours = spec.Hours,
        };

    private static async Task WavesAsync(NpgsqlConnection connection, int run, RunSpec spec, DateTimeOffset now)
    {
        var windows =
            from channel in spec.Channels.Select((channel, index) => (channel, index))
            from window in Enumerable.Range(0, spec.Windows)
            select (channel.channel, number: (channel.index * spec.Windows) + window + 1, window);
        foreach (var (channel, number, window) in windows)
        {
            var opensAt = now + spec.OpensIn + TimeSpan.FromHours(24 * window);
            await connection.ExecuteAsync(
                """
                INSERT INTO wave (run_key, wave, channel, opens_at, closes_at, next_wave)
                VALUES (@run, @number, @channel, @opensAt, @closesAt, @next)
                """,
                new
                {
                    run,
                    number,
                    channel = (short)channel,
                    opensAt,
                    closesAt = opensAt + TimeSpan.FromHours(1),
                    next = window + 1 < spec.Windows ? number + 1 : (int?)null,
                }
            );
        }

        await connection.ExecuteAsync(
            """
            INSERT INTO run_calendar (run_key, zone, slots, open_channels, waves, opens, days, months)
            VALUES (@run, 1, 0, @open, @waves, '{}', '{}', '{}')
            """,
            new
            {
                run,
                open = ChannelSet.Of(spec.Channels),
                waves = Enum.GetValues<Channel>()
                    .Select(channel => ((spec.Channels.ToList().IndexOf(channel)) * spec.Windows) + 1)
                    .ToArray(),
            }
        );
    }

    private static async Task TouchesAsync(NpgsqlConnection connection, int run, RunSpec spec)
    {
        var keys = spec.Customers.Select(key => (long)key).Order().ToArray();
        await connection.ExecuteAsync(
            """
            INSERT INTO decision (customer_key, run_key, wave, step, reason, channel, variant)
            SELECT key, @run, 1, 1, 0, @channel, 1 FROM unnest(@keys) key
            """,
            new
            {
                run,
                keys,
                channel = (short)spec.Channels[0],
            }
        );
        var chunks = keys.Chunk(spec.ChunkSize).Select((members, index) => (members, number: index + 1));
        foreach (var (members, number) in chunks)
        {
            await connection.ExecuteAsync(
                """
                INSERT INTO chunk (run_key, chunk, wave, channel, variant, low_key, high_key, touches, due_at)
                SELECT @run, @number, 1, @channel, 1, @low, @high, @touches, opens_at
                FROM wave
                WHERE run_key = @run AND wave = 1
                """,
                new
                {
                    run,
                    number,
                    channel = (short)spec.Channels[0],
                    low = members[0],
                    high = members[^1],
                    touches = members.Length,
                }
            );
        }
    }

    /// <summary>Moves business time to an instant; it goes on from there.</summary>
    internal Task AtAsync(DateTimeOffset instant) =>
        ExecuteAsync(
            "UPDATE business_clock SET clock_offset = @instant - clock_timestamp()",
            new { instant = instant.UtcDateTime }
        );

    /// <summary>One session to the database: it tells of what it has read when it is asked to; others would at any time.
    /// </summary>
    internal NpgsqlDataSource OneSession() =>
        NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(ConnectionString) { MaxPoolSize = 1, ApplicationName = "one" }
        );

    /// <summary>Moves business time.</summary>
    internal Task PassAsync(TimeSpan time) =>
        ExecuteAsync("UPDATE business_clock SET clock_offset = clock_offset + @time", new { time });

    internal async Task ExecuteAsync(string sql, object? parameters = null)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync(sql, parameters);
    }

    internal async Task<T> AskAsync<T>(string sql, object? parameters = null)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        return await connection.QuerySingleAsync<T>(sql, parameters);
    }

    /// <summary>The run's touches by state, as <c>accepted 9, suppressed(opted_out) 1</c>. The counters must say the same.
    /// </summary>
    internal async Task<string> StatesAsync(int run)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await using var snapshot = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead);
        var counts = await TouchStates.CountAsync(connection, run);
        var counted = await connection.QueryAsync<(string State, long Count)>(
            """
            SELECT substr(metric, 7), sum(n)::bigint
            FROM (SELECT run_key, metric, n FROM report_delta UNION ALL SELECT run_key, metric, n FROM report_cell) c
            WHERE run_key = @run AND starts_with(metric, 'state_')
            GROUP BY 1
            HAVING sum(n) <> 0
            """,
            new { run }
        );
        Assert.Equal(
            counts
                .Where(one => one.State != "planned")
                .GroupBy(one => one.State)
                .Select(state => (state.Key, state.Sum(one => one.Count)))
                .Order(),
            counted.Order()
        );
        return string.Join(
            ", ",
            counts.Select(count =>
                count.Reason is null ? $"{count.State} {count.Count}" : $"{count.State}({count.Reason}) {count.Count}"
            )
        );
    }

    internal async Task<TouchState?> StateAsync(int run, long customer)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        return await TouchStates.OfAsync(connection, run, customer);
    }
}

/// <summary>A run to be given; every default is the plainest.</summary>
internal sealed record RunSpec
{
    public IEnumerable<int> Customers { get; init; } = Enumerable.Range(1, 20);
    public IReadOnlyList<Channel> Channels { get; init; } = [Channel.Sms];
    public Purpose Purpose { get; init; } = Purpose.Marketing;
    public FrequencyCaps Caps { get; init; } = new() { WeChatPerMonth = null };
    public int Priority { get; init; } = 5;
    public int ChunkSize { get; init; } = 10;
    public int Windows { get; init; } = 1;
    public TimeSpan OpensIn { get; init; } = TimeSpan.FromMinutes(-1);
    public string Text { get; init; } = "Dear {{name}}";
    public string? ProviderTemplate { get; init; }
    public IReadOnlyDictionary<string, string> Defaults { get; init; } = new Dictionary<string, string>();
    public bool UsesProfiling { get; init; }
    public DayKind Days { get; init; } = DayKind.Any;

    /// <summary>The bank's own; null for every hour.</summary>
    public ContactHours? Hours { get; init; }
}
