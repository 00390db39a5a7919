using Campaigns.Demo;
using Campaigns.Simulator;
using Dapper;
using Npgsql;

namespace Campaigns.Faults.Running;

/// <summary>A campaign of a scene.</summary>
internal sealed record CampaignSpec(string Id)
{
    public string Channel { get; init; } = "sms";

    /// <summary>Customers 1 to so many are its audience.</summary>
    public int Audience { get; init; } = 600;

    /// <summary>Each has chunks of its own.</summary>
    public int Variants { get; init; } = 1;

    public string Template { get; init; } = "plain";

    public string WindowFrom { get; init; } = "09:00";
    public string WindowTo { get; init; } = "19:00";

    /// <summary>The first of its days; null for the scene's own.</summary>
    public DateOnly? Day { get; init; }
    public int Days { get; init; } = 1;
}

/// <summary>One scenario's own database, provider and nodes, with the bank's people.</summary>
internal sealed class Scene : IAsyncDisposable
{
    private static readonly TimeSpan China = TimeSpan.FromHours(8);
    private readonly World _world;
    private readonly string _database;
    private readonly List<NodeProcess> _nodes = [];
    private readonly Dictionary<string, Person> _people = [];
    private readonly List<IAsyncDisposable> _kept = [];
    private readonly int _port = NodeProcess.FreePort();
    private const string OpenRuns = """
        SELECT coalesce(string_agg(format(
            '%s is %s, its run %s, %s chunks wait from %s to %s of %s to %s, held until %s', p.campaign_id, p.state, r.state,
            c.waiting, c.first_due, c.last_due, c.opens_at, c.closes_at, c.leased_until), '; '), '')
            || format('; it is %s, business time %s', now(), (SELECT now() + clock_offset FROM business_clock))
        FROM run r
        JOIN campaign p USING (campaign_key)
        LEFT JOIN LATERAL (
            SELECT count(*) AS waiting, min(c.due_at) AS first_due, max(c.due_at) AS last_due, min(w.opens_at) AS opens_at,
                   max(w.closes_at) AS closes_at, max(c.leased_until) AS leased_until
            FROM chunk c
            JOIN wave w USING (run_key, wave)
            WHERE c.run_key = r.run_key AND c.state = 0
        ) c ON true
        WHERE r.state <> 'closed'
        """;
    private DateOnly _day;
    private int _started;

    private Scene(World world, string database, string name)
    {
        (_world, _database, Name) = (world, database, name);
        Sql = NpgsqlDataSource.Create(world.Server.Connection(database, "faults"));
        Api = new Uri($"http://127.0.0.1:{_port}");
    }

    /// <summary>The product's program.</summary>
    public static string Program => Path.Combine(AppContext.BaseDirectory, "Campaigns.Api.dll");

    public string Name { get; }
    public NpgsqlDataSource Sql { get; }
    public string Database => _database;
    public SimulatorProcess Provider { get; private set; } = null!;
    public PostgresServer Server => _world.Server;
    public string Engine => _world.Engine;

    /// <summary>Of the node that answers requests and takes callbacks.</summary>
    public Uri Api { get; }
    public IReadOnlyList<NodeProcess> Nodes => _nodes;
    public List<CampaignSpec> Campaigns { get; } = [];
    public Journal Journal { get; } = new();

    /// <summary>Changes how nodes that are started from now on reach the database.</summary>
    public Action<NpgsqlConnectionStringBuilder> Connects { get; set; } = _ => { };
    public Person Marketer => As("marketer");
    public Person Approver => As("approver");
    public Person Operator => As("operator");
    public Person Backend => As("backend");
    public Person Analyst => As("analyst");

    /// <summary>The key of somebody with a role.</summary>
    public string Key(string role) => _world.Key(role);

    /// <param name="name">Of the scenario.</param>
    public static async Task<Scene> OpenAsync(World world, string database, string name)
    {
        await world.Server.CloneAsync("bank", database);
        var scene = new Scene(world, database, name);
        try
        {
            await scene.SetClockAsync(new TimeOnly(10, 0));
            scene.Provider = await SimulatorProcess.StartAsync(
                Path.Combine(world.Folder, $"{database}.jsonl"),
                scene.Api,
                world.Credentials,
                CancellationToken.None
            );
            await scene.Provider.MoveClockAsync(await scene.OffsetAsync(), CancellationToken.None);
            await scene.BehaveAsync();
            return scene;
        }
        catch
        {
            await scene.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the node that answers, and workers beside it.</summary>
    public async Task StartAsync(int workers = 2, IReadOnlyDictionary<string, string>? settings = null)
    {
        var starts = Enumerable.Range(0, workers).Select(_ => WorkerAsync(settings)).Append(ApiAsync());
        await Task.WhenAll(starts);
    }

    public Task<NodeProcess> ApiAsync() => NodeAsync("api", _port, null, [Program]);

    /// <param name="settings">Win over those of every node.</param>
    public Task<NodeProcess> WorkerAsync(IReadOnlyDictionary<string, string>? settings = null) =>
        NodeAsync("worker", NodeProcess.FreePort(), settings, [Program]);

    /// <summary>A worker whose clock is ahead of everybody's.</summary>
    public Task<NodeProcess> SkewedWorkerAsync(TimeSpan ahead) =>
        NodeAsync(
            "worker",
            NodeProcess.FreePort(),
            null,
            [typeof(Scene).Assembly.Location, SkewedNode.Verb, ahead.ToString()]
        );

    /// <summary>Changes how the provider behaves; receipts come at once unless said otherwise.</summary>
    public Task BehaveAsync(IReadOnlyList<Rule>? rules = null, ReceiptScript? receipts = null, int latencyMs = 0) =>
        Provider.ScriptAsync(
            new Script
            {
                Rules = rules ?? [],
                Receipts = new Dictionary<string, ReceiptScript>
                {
                    ["sms"] = (receipts ?? new ReceiptScript { DelaySeconds = 0 }) with
                    {
                        RetrySeconds = [.. Enumerable.Repeat(1.0, 100)],
                    },
                    ["app"] = new() { DelaySeconds = 0 },
                },
                LatencyMs = new Dictionary<string, int> { ["sms"] = latencyMs, ["app"] = latencyMs },
            },
            CancellationToken.None
        );

    /// <summary>Sets business time to an hour of tomorrow, in China; before any node is started, or forward.</summary>
    public async Task SetClockAsync(TimeOnly time)
    {
        var today = DateOnly.FromDateTime(DateTimeOffset.UtcNow.ToOffset(China).DateTime);
        _day = today.AddDays(1);
        var wanted = new DateTimeOffset(_day.ToDateTime(time), China);
        await ExecuteAsync("UPDATE business_clock SET clock_offset = @wanted - clock_timestamp()", new { wanted });
        if (Provider is not null)
        {
            await Provider.MoveClockAsync(await OffsetAsync(), CancellationToken.None);
        }
    }

    /// <summary>Drafts, approves and launches a campaign by the API.</summary>
    public async Task LaunchAsync(CampaignSpec spec)
    {
        Campaigns.Add(spec);
        var path = $"/v1/campaigns/{spec.Id}";
        var rule = new
        {
            field = "n",
            op = "lte",
            value = spec.Audience,
        };
        await Marketer.PutAsync<object>($"/v1/segments/{spec.Id}", new { name = spec.Id, rule }, default);
        await Marketer.PutAsync<CampaignView>(path, Definition(spec), default);
        var submitted = await Marketer.PostAsync<CampaignView>(
            $"{path}/submit",
            new { expectedAudience = (int?)null },
            default
        );
        await Approver.PostAsync<CampaignView>($"{path}/approve", new { comment = "ok" }, default, submitted.Version);
        await Marketer.PostAsync<object>($"{path}/launch", null, default);
    }

    /// <summary>Waits until every campaign's run is closed.</summary>
    public async Task ClosedAsync(int seconds = 180)
    {
        try
        {
            await Wait.UntilAsync(
                () =>
                    AskAsync<bool>(
                        "SELECT count(*) = @count AND bool_and(state = 'closed') FROM run",
                        new { count = Campaigns.Count }
                    ),
                "every run is closed",
                seconds
            );
        }
        catch (StuckException stuck)
        {
            throw new StuckException($"{stuck.Message}: {await AskAsync<string>(OpenRuns)}");
        }
    }

    /// <summary>Waits until the provider has been asked for so many items.</summary>
    public Task SentAsync(int items, int seconds = 120) =>
        Wait.UntilAsync(
            async () => await ProviderView.LinesAsync(Provider) >= items,
            $"{items} items are sent",
            seconds
        );

    /// <summary>Keeps something until the scene is over and checked.</summary>
    public T Keep<T>(T part)
        where T : IAsyncDisposable
    {
        _kept.Add(part);
        return part;
    }

    public async Task<T> AskAsync<T>(string sql, object? parameters = null)
    {
        await using var connection = await Sql.OpenConnectionAsync();
        return (await connection.QuerySingleAsync<T>(sql, parameters))!;
    }

    public async Task ExecuteAsync(string sql, object? parameters = null)
    {
        await using var connection = await Sql.OpenConnectionAsync();
        await connection.ExecuteAsync(sql, parameters);
    }

    /// <summary>Business time minus real time.</summary>
    public Task<TimeSpan> OffsetAsync() => AskAsync<TimeSpan>("SELECT clock_offset FROM business_clock");

    /// <summary>The live node that holds a lease; null while none does.</summary>
    public async Task<NodeProcess?> HolderAsync()
    {
        await using var connection = await Sql.OpenConnectionAsync();
        var names = await connection.QueryAsync<string>(
            "SELECT leased_by FROM chunk WHERE state = 0 AND leased_until > clock_timestamp() ORDER BY leased_until DESC"
        );
        return names
            .Select(name => _nodes.Find(node => node.Name == name && !node.HasExited))
            .FirstOrDefault(n => n is not null);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        foreach (var part in _kept)
        {
            await part.DisposeAsync();
        }

        foreach (var person in _people.Values)
        {
            person.Dispose();
        }

        if (Provider is not null)
        {
            await Provider.DisposeAsync();
        }

        await Sql.DisposeAsync();
        await _world.Server.DropAsync(_database);
    }

    private Person As(string role) =>
        _people.TryGetValue(role, out var person) ? person : _people[role] = new Person(Api, _world.Key(role));

    private async Task<NodeProcess> NodeAsync(
        string role,
        int port,
        IReadOnlyDictionary<string, string>? own,
        IReadOnlyList<string> program
    )
    {
        var name = $"campaigns-{role}-{Interlocked.Increment(ref _started)}";
        var connection = Server.Connection(_database, name);
        Connects(connection);
        var settings = _world.Settings(connection, name, role, Provider.Address);
        foreach (var (key, value) in own ?? new Dictionary<string, string>())
        {
            settings[key] = value;
        }

        var node = await NodeProcess.StartAsync(name, port, program, settings);
        lock (_nodes)
        {
            _nodes.Add(node);
        }

        return node;
    }

    private object Definition(CampaignSpec spec) =>
        new
        {
            name = spec.Id,
            audience = new { include = new[] { spec.Id } },
            goal = new { @event = "savings.opened", window = "P7D" },
            variants = Enumerable
                .Range(1, spec.Variants)
                .Select(variant => new
                {
                    name = $"v{variant}",
                    weight = 1,
                    templates = new Dictionary<string, string> { [spec.Channel] = $"{spec.Template}-{spec.Channel}" },
                }),
            channels = new[] { spec.Channel },
            schedule = new
            {
                from = spec.Day ?? _day,
                to = (spec.Day ?? _day).AddDays(spec.Days - 1),
                windows = new[] { new { from = spec.WindowFrom, to = spec.WindowTo } },
            },
            holdout = 0.05,
        };
}
