using System.Security.Cryptography;
using Campaigns.Demo;
using Dapper;
using Npgsql;

namespace Campaigns.Faults.Running;

/// <summary>What all scenes share: the server, a database in which the bank is already taken in, and the keys of its
/// people. A scene clones that database.</summary>
internal sealed class World : IAsyncDisposable
{
    private const string Template = "bank";
    private static readonly string[] Roles = ["marketer", "approver", "operator", "backend", "analyst"];
    private readonly Dictionary<string, string> _keys = [];
    private readonly string _addressKey = Secret();
    private readonly string _lookupKey = Secret();
    private int _scenes;

    private World(PostgresServer server, string folder, string engine, int customers)
    {
        (Server, Folder, Engine, Customers) = (server, folder, engine, customers);
        Credentials = new Credentials("faults", Secret(), RandomNumberGenerator.GetHexString(32, lowercase: true));
    }

    public PostgresServer Server { get; }
    public string Folder { get; }
    public string Engine { get; }
    public int Customers { get; }
    public Credentials Credentials { get; }

    /// <summary>Of somebody with a role.</summary>
    public string Key(string role) => _keys[role];

    /// <param name="data">Folder of PostgreSQL's data; null for one of the harness's own.</param>
    public static async Task<World> OpenAsync(string engine, int customers, string? data = null)
    {
        // Loads the product's assembly, which teaches Dapper its column names.
        _ = typeof(Database.BusinessClock).Assembly.GetName();
        var folder = Directory.CreateTempSubdirectory("campaigns-faults-").FullName;
        var world = new World(await PostgresServer.StartAsync(data), folder, engine, customers);
        try
        {
            await world.TakeInAsync();
            return world;
        }
        catch
        {
            await world.DisposeAsync();
            throw;
        }
    }

    public Task<Scene> SceneAsync(string name) => Scene.OpenAsync(this, $"scene_{++_scenes}", name);

    /// <summary>Configuration of a node.</summary>
    /// <param name="provider">Null where nothing is sent.</param>
    public Dictionary<string, string> Settings(
        NpgsqlConnectionStringBuilder database,
        string node,
        string role,
        Uri? provider
    )
    {
        var settings = new Dictionary<string, string>
        {
            ["ConnectionStrings:Campaigns"] = database.ConnectionString,
            ["Role"] = role,
            ["Engine"] = Engine,
            ["AdminKeyFile"] = Path.Combine(Folder, "admin.key"),
            ["Addresses:Keys:1"] = _addressKey,
            ["Addresses:LookupKey"] = _lookupKey,
            ["Dispatch:Node"] = node,
            ["Dispatch:Lease"] = "00:00:04",
            ["Dispatch:SweepEvery"] = "00:00:01",
            ["Dispatch:RetryAfter"] = "00:00:01",
            ["Dispatch:TouchesPerLane"] = "100",
        };
        if (provider is not null)
        {
            Channel("sms", "aliyun-sms");
            Channel("app", "jpush");
        }

        return settings;

        void Channel(string channel, string gateway)
        {
            Set("Gateway", gateway);
            Set("BaseUrl", provider.ToString());
            Set("KeyId", Credentials.KeyId);
            Set("Secret", Credentials.Secret);
            Set("CallbackSecret", Credentials.CallbackSecret);
            Set("SignName", "示例银行");
            Set("RatePerSecond", "100");
            Set("Concurrency", "4");
            Set("MaxBatch", "20");
            Set("Timeout", "00:00:02");

            void Set(string member, string value) => settings[$"Channels:{channel}:{member}"] = value;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    private async Task TakeInAsync()
    {
        await Server.CloneAsync("template0", Template);
        await using (var node = await NodeAsync())
        {
            await using var sql = NpgsqlDataSource.Create(Server.Connection(Template, "faults"));
            var credential = (await File.ReadAllTextAsync(Path.Combine(Folder, "admin.key"))).Trim();
            using var admin = new Person(node.Address, credential);
            foreach (var role in Roles)
            {
                var made = await admin.PostAsync<NewKey>("/v1/keys", new { name = role, role }, default);
                _keys[role] = made.Secret;
            }

            using var marketer = new Person(node.Address, Key("marketer"));
            using var backend = new Person(node.Address, Key("backend"));
            await CustomersAsync(marketer, backend, sql);
            await TemplatesAsync(marketer);
            await Observers.InstallAsync(sql);
        }

        NpgsqlConnection.ClearAllPools();
    }

    private Task<NodeProcess> NodeAsync() =>
        NodeProcess.StartAsync(
            "bank",
            NodeProcess.FreePort(),
            [Scene.Program],
            Settings(Server.Connection(Template, "campaigns-bank"), "campaigns-bank", "all", provider: null)
        );

    private async Task CustomersAsync(Person marketer, Person backend, NpgsqlDataSource sql)
    {
        var all = new SmallBank(1, Customers);
        foreach (var field in all.Fields)
        {
            await marketer.PutAsync<object>($"/v1/fields/{field.Name}", field.Body, default);
        }

        await backend.PutAsync<object>("/v1/imports/mappings/bank", all.Mapping, default);
        var slice = (Customers + SmallBank.Slices - 1) / SmallBank.Slices;
        for (var from = 1; from <= Customers; from += slice)
        {
            var bank = new SmallBank(from, Math.Min(Customers, from + slice - 1));
            using var file = new CustomerFile(bank, _ => { });
            var import = await backend.UploadAsync<OperationView<ImportView>>(
                "/v1/imports/customers?mapping=bank",
                file,
                default
            );
            await Wait.UntilAsync(
                async () =>
                    (await backend.GetAsync<OperationView<ImportView>>($"/v1/operations/{import.Id}", default)).State
                    != "running",
                "an import ends"
            );
            await using var connection = await sql.OpenConnectionAsync();
            await connection.ExecuteAsync(
                """
                SELECT setval(pg_get_serial_sequence('customer', 'customer_key'), (max(customer_key) / 50000 + 1) * 50000)
                FROM customer
                """
            );
        }

        await using var count = await sql.OpenConnectionAsync();
        var taken = await count.QuerySingleAsync<int>("SELECT count(*)::int FROM customer");
        if (taken != Customers)
        {
            throw new StuckException($"of {Customers} customers {taken} were taken in");
        }
    }

    private static async Task TemplatesAsync(Person marketer)
    {
        var defaults = new Dictionary<string, string> { ["name"] = "尊敬的客户" };
        await PutAsync("plain-sms", "sms", "{{name}}，薪享储蓄已为您准备好。", defaults);
        await PutAsync("plain-app", "app", "薪享储蓄已为您准备好。", []);
        await PutAsync("poison-sms", "sms", "{{nick}}，薪享储蓄已为您准备好。", []);

        Task PutAsync(string id, string channel, string text, Dictionary<string, string> values)
        {
            var template = new Dictionary<string, object>
            {
                ["channel"] = channel,
                ["language"] = "zh-CN",
                ["text"] = text,
                ["defaults"] = values,
            };
            template[channel == "sms" ? "providerTemplate" : "title"] = channel == "sms" ? "SMS_100001" : "薪享储蓄";
            return marketer.PutAsync<object>($"/v1/templates/{id}", template, default);
        }
    }

    private static string Secret() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
}
