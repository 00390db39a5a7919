using Campaigns.Channels;
using Campaigns.Customers.Inbox;
using Campaigns.Tests.Support;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Channels;

public sealed class InboxGatewayTests(InboxGatewayTests.OneDatabase database)
    : GatewayConformance,
        IClassFixture<InboxGatewayTests.OneDatabase>,
        IAsyncLifetime
{
    private NpgsqlDataSource DataSource => database.Database.DataSource;

    private protected override SendState Taken => SendState.Delivered;

    private protected override Action<GatewaySettings> Configured => _ => { };

    private protected override IGateway Make(GatewaySettings settings) => new InboxGateway(settings, DataSource);

    private protected override string Address(int index) => $"{1_000 + index}";

    private protected override IGateway Nowhere()
    {
        var nowhere = new NpgsqlConnectionStringBuilder(database.Database.ConnectionString)
        {
            Host = "127.0.0.1",
            Port = FreePort.Next(),
        };
        return new InboxGateway(new GatewaySettings(), NpgsqlDataSource.Create(nowhere.ConnectionString));
    }

    private protected override async Task<IReadOnlyList<string>> ArrivedAsync()
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        return
        [
            .. await connection.QueryAsync<string>("SELECT customer_key::text FROM inbox_message ORDER BY message_id"),
        ];
    }

    private protected override async Task<IAsyncDisposable?> SilenceAsync()
    {
        var connection = await DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("BEGIN; LOCK TABLE inbox_message IN ACCESS EXCLUSIVE MODE");
        return connection; // closing it rolls back
    }

    [Fact]
    public async Task Knows_nothing_when_the_connection_is_cut()
    {
        await using var silence = await SilenceAsync();
        var sending = Gateway().SendAsync(Request(2), default);
        await using var other = await DataSource.OpenConnectionAsync();
        await Eventually.BeTrueAsync(
            () =>
                other.QuerySingleAsync<bool>(
                    """
                    SELECT coalesce(bool_or(pg_terminate_backend(pid)), false)
                    FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE inbox%'
                    """
                ),
            "the gateway waits and is cut"
        );

        var unanswered = Assert.IsType<SendResult.Unanswered>(await sending);
        Assert.Contains("57P01", unanswered.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Says_to_each_what_is_meant_for_her_and_rejects_whom_it_lacks_a_value()
    {
        var request = Request(3) with
        {
            Content = new MessageContent("{{name}}", "{{name}}, {{n}}", null, null, "app://x"),
        };
        var items = request.Items.Select(
            (item, index) => item with { Variables = Values(index == 1 ? ["name"] : ["name", "n"], index) }
        );
        var answer = await Gateway().SendAsync(request with { Items = [.. items] }, default);

        Assert.Equal(
            [SendState.Delivered, SendState.Rejected, SendState.Delivered],
            Assert.IsType<SendResult.Answered>(answer).Items.Select(item => item.State)
        );
        await using var connection = await DataSource.OpenConnectionAsync();
        Assert.Equal(
            ["1000 name0 name0, n0 app://x", "1002 name2 name2, n2 app://x"],
            await connection.QueryAsync<string>(
                "SELECT concat_ws(' ', customer_key, title, text, link) FROM inbox_message ORDER BY 1"
            )
        );
    }

    [Fact]
    public async Task Takes_in_nothing_for_who_was_erased_meanwhile()
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("UPDATE customer SET erased = customer_key = 1001");
        var answered = Assert.IsType<SendResult.Answered>(await Gateway().SendAsync(Request(3), default));

        Assert.Equal((SendState.Rejected, "erased"), (answered.Items[1].State, answered.Items[1].Code));
        Assert.Equal(["1000", "1002"], await ArrivedAsync());
    }

    private static Dictionary<string, string> Values(string[] names, int index) =>
        names.ToDictionary(name => name, name => $"{name}{index}");

    public async Task InitializeAsync()
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("TRUNCATE inbox_message; UPDATE customer SET erased = false WHERE erased");
    }

    public Task DisposeAsync() => Task.CompletedTask;

    /// <summary>A database with as many customers as a request has items, for the tests of this class one after another.
    /// </summary>
    public sealed class OneDatabase : IAsyncLifetime
    {
        public TestDatabase Database { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            Database = await Databases.CreateAsync();
            await using var connection = await Database.DataSource.OpenConnectionAsync();
            await connection.ExecuteAsync(
                """
                INSERT INTO customer (customer_key, customer_id, updated_at)
                OVERRIDING SYSTEM VALUE
                SELECT key, 'c' || key, now() FROM generate_series(1000, 1999) key
                """
            );
        }

        public Task DisposeAsync() => Database.DisposeAsync().AsTask();
    }
}
