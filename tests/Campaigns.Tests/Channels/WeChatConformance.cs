using Campaigns.Channels;
using Campaigns.Simulator;
using Campaigns.Tests.Support;
using Dapper;
using Npgsql;

namespace Campaigns.Tests.Channels;

/// <summary>What every gateway of WeChat's must do beside: one token for all, and what the provider's codes mean.</summary>
public abstract class WeChatConformance(WeChatConformance.OneDatabase database)
    : ProviderConformance,
        IClassFixture<WeChatConformance.OneDatabase>
{
    private protected TestDatabase Database { get; } = database.Database;

    private protected abstract IGateway Make(GatewaySettings settings, NpgsqlDataSource dataSource);

    private protected override IGateway Make(GatewaySettings settings) => Make(settings, Database.DataSource);

    private protected override string Address(int index) => $"oWx7Kt_{index:00000000}";

    public override async Task InitializeAsync()
    {
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("DELETE FROM wechat_token");
        await base.InitializeAsync();
    }

    [Fact]
    public async Task Nodes_fetch_one_token_between_them()
    {
        IGateway[] nodes = [Gateway(), Gateway(), Gateway()];
        var sends = Enumerable.Range(0, 24).Select(number => nodes[number % 3].SendAsync(Request(2), default));

        Assert.All(await Task.WhenAll(sends), result => Assert.IsType<SendResult.Answered>(result));
        Assert.Equal(1, (await Simulator.CountsAsync()).WeChatTokensFetched);
    }

    [Fact]
    public async Task A_token_that_the_provider_forgot_is_renewed_once()
    {
        IGateway[] nodes = [Gateway(), Gateway()];
        await Task.WhenAll(nodes.Select(node => node.SendAsync(Request(2), default)));
        using var forgotten = await Simulator.PostAsync("/simulator/wechat/forget-tokens");

        var sends = Enumerable.Range(0, 16).Select(number => nodes[number % 2].SendAsync(Request(2), default));
        Assert.All(
            await Task.WhenAll(sends),
            result =>
                Assert.All(
                    Assert.IsType<SendResult.Answered>(result).Items,
                    item => Assert.Equal(SendState.Accepted, item.State)
                )
        );
        Assert.Equal(2, (await Simulator.CountsAsync()).WeChatTokensFetched);
    }

    [Theory]
    [InlineData("40001")]
    [InlineData("40014")]
    [InlineData("42001")]
    public async Task A_token_refused_again_after_renewal_stops_the_channel(string code)
    {
        Assert.Equal(code, Assert.IsType<SendResult.ChannelStopped>(await AnswerToAsync(code)).Code);
        Assert.Equal(2 * Request(3).Items.Count, (await Simulator.LedgerAsync()).Count);
    }

    [Fact]
    public async Task A_token_is_renewed_five_minutes_early()
    {
        await Gateway().SendAsync(Request(2), default);
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await connection.ExecuteAsync("UPDATE wechat_token SET expires_at = clock_timestamp() + interval '4 min 58 s'");
        await Gateway().SendAsync(Request(2), default);

        Assert.Equal(2, (await Simulator.CountsAsync()).WeChatTokensFetched);
        Assert.True(
            await connection.ExecuteScalarAsync<bool>(
                "SELECT expires_at > clock_timestamp() + interval '1 hour' FROM wechat_token"
            )
        );
    }

    [Fact]
    public async Task The_stored_token_cannot_be_read_without_the_secret()
    {
        await Gateway().SendAsync(Request(2), default);
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        var stored = await connection.ExecuteScalarAsync<byte[]>("SELECT ciphertext FROM wechat_token");
        Assert.DoesNotMatch("[0-9A-F]{32}", System.Text.Encoding.Latin1.GetString(stored!));

        var stopped = await Gateway(settings => settings.Secret = "another").SendAsync(Request(2), default);
        Assert.IsType<SendResult.ChannelStopped>(stopped);
    }

    [Fact]
    public async Task Without_the_database_nothing_is_sent()
    {
        var elsewhere = await Databases.CreateAsync();
        await elsewhere.DisposeAsync();
        await using var gone = NpgsqlDataSource.Create(elsewhere.ConnectionString);
        var settings = new GatewaySettings
        {
            BaseUrl = Simulator.Url,
            KeyId = "simulator",
            Secret = "simulator",
        };
        var gateway = Make(settings, gone);

        Assert.IsType<SendResult.Throttled>(await gateway.SendAsync(Request(2), default));
        Assert.Empty(await Simulator.LedgerAsync());
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("45066")]
    public async Task Repeats_under_the_same_key_where_the_provider_may_have_it(string code)
    {
        Assert.IsType<SendResult.Unanswered>(await AnswerToAsync(code));
    }

    [Theory]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    public async Task Knows_nothing_when_the_provider_fails(int status)
    {
        await WarmUpAsync();
        await Simulator.ScriptAsync(new Rule { Do = Act.ServerError, Status = status });

        Assert.IsType<SendResult.Unanswered>(await Gateway().SendAsync(Request(2), default));
    }

    [Fact]
    public async Task Waits_for_the_next_minute_or_the_next_day()
    {
        Assert.Equal(60, Assert.IsType<SendResult.Throttled>(await AnswerToAsync("45011")).RetryAfter.TotalSeconds);
        var wait = Assert.IsType<SendResult.Throttled>(await AnswerToAsync("45009")).RetryAfter;
        var tomorrow = DateTimeOffset.UtcNow + wait;
        Assert.InRange(tomorrow.ToOffset(TimeSpan.FromHours(8)).TimeOfDay, TimeSpan.Zero, TimeSpan.FromMinutes(1));
    }

    [Theory]
    [InlineData("40003")]
    [InlineData("40037")]
    [InlineData("43004")]
    [InlineData("43019")]
    [InlineData("43101")]
    [InlineData("47003")]
    public async Task Rejects_what_would_be_refused_again(string code)
    {
        var answered = Assert.IsType<SendResult.Answered>(await AnswerToAsync(code));

        Assert.All(answered.Items, item => Assert.Equal((SendState.Rejected, code), (item.State, item.Code)));
    }

    [Fact]
    public async Task Stops_the_channel_where_the_account_may_not_send()
    {
        Assert.IsType<SendResult.ChannelStopped>(await AnswerToAsync("48001"));
    }

    public sealed class OneDatabase : IAsyncLifetime
    {
        public TestDatabase Database { get; private set; } = null!;

        public async Task InitializeAsync() => Database = await Databases.CreateAsync();

        public async Task DisposeAsync() => await Database.DisposeAsync();
    }
}
