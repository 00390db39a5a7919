using System.Text.Json;
using Campaigns.Access;
using Campaigns.Channels;
using Campaigns.Customers;
using Campaigns.Tests.Support;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Customers;

/// <summary>A bank with a database of its own, and the doors of the Customers module.</summary>
internal sealed class TestBank : IAsyncDisposable
{
    public static readonly Actor Backend = new("key:backend", Role.Backend);

    private readonly TestDatabase _database;

    private TestBank(TestDatabase database)
    {
        _database = database;
        Fields = new Fields(database.DataSource);
        Customers = new CustomerRegister(database.DataSource, Vault);
        Consents = new Consents(database.DataSource);
    }

    public static AddressVault Vault { get; } =
        new(new Dictionary<short, byte[]> { [1] = new byte[32] }, [.. Enumerable.Repeat((byte)7, 32)]);

    public NpgsqlDataSource DataSource => _database.DataSource;
    public string ConnectionString => _database.ConnectionString;
    public Fields Fields { get; }
    public CustomerRegister Customers { get; }
    public Consents Consents { get; }

    public static async Task<TestBank> OpenAsync() => new(await Databases.CreateAsync());

    public async Task<TestBank> WithFieldAsync(string name, FieldType type, params string[] options)
    {
        var result = await Fields.PutAsync(Backend, new Field(name, type) { Options = options }, default);
        Assert.Null(result.Error);
        return this;
    }

    public async Task<Customer> PutAsync(string id, CustomerProfile profile)
    {
        var result = await Customers.PutAsync(Backend, id, profile, default);
        Assert.Null(result.Error);
        return result.Value;
    }

    public async Task<BatchItem> SaysAsync(ConsentEntry entry)
    {
        var result = await Consents.RecordAsync(Backend, [entry], default);
        return result.Value[0];
    }

    public async Task<T> ScalarAsync<T>(string sql, object? parameters = null)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        return (await connection.ExecuteScalarAsync<T>(sql, parameters))!;
    }

    public async Task<ConsentState> MarketingAsync(string id, Channel channel) =>
        (await Customers.GetAsync(id, default)).Value.Channels.Single(reach => reach.Channel == channel).Marketing;

    public Task<bool> SharesAsync(string id, Channel channel) =>
        ScalarAsync<bool>(
            """
            SELECT shared & @bit <> 0 FROM contact JOIN customer USING (customer_key) WHERE customer_id = @id
            """,
            new { id, bit = (int)channel.Bit() }
        );

    public ValueTask DisposeAsync() => _database.DisposeAsync();
}

/// <summary>Profiles and consents with every default filled.</summary>
internal static class Given
{
    public static readonly DateTimeOffset Spring = new(2026, 3, 1, 9, 0, 0, TimeSpan.FromHours(8));

    public static CustomerProfile Profile(string? phone = null, string? openId = null, string? pushId = null) =>
        new()
        {
            Addresses = new()
            {
                Phone = phone,
                OpenId = openId,
                PushId = pushId,
            },
        };

    public static CustomerProfile With(this CustomerProfile profile, string field, object value) =>
        profile with
        {
            Attributes = new Dictionary<string, JsonElement>(profile.Attributes)
            {
                [field] = JsonSerializer.SerializeToElement(value),
            },
        };

    public static ConsentEntry Grant(string customer, Channel? channel = null, DateTimeOffset? at = null) =>
        new(customer, channel, ConsentPurpose.Marketing, true, "branch", "v1", null, at ?? Spring);

    public static ConsentEntry Refusal(string customer, Channel? channel = null, DateTimeOffset? at = null) =>
        Grant(customer, channel, at) with
        {
            Granted = false,
        };
}
